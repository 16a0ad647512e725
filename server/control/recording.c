/* Records of requests: see recording.h. */
#include "control/recording.h"

#include "control/audit.h"
#include "control/reload.h"
#include "shared/clock.h"

void request_args_print(const struct control_request *request, struct buf *text)
{
	const struct command_argument *argument = request->command->arguments;
	struct json_writer w = json_writer_init(text);

	json_begin_object(&w, NULL);
	for (unsigned i = 0; argument && argument[i].name; i++) {
		const struct request_value *value = &request->values[i];

		if (!value->is_set)
			continue;
		if (argument[i].flags & ARGUMENT_SECRET)
			json_put_str(&w, argument[i].name, STR("(secret)"));
		else if (argument[i].flags & ARGUMENT_CONTENT)
			json_put_u64(&w, argument[i].name, value->text.len);
		else if (argument[i].type == ARGUMENT_FLAG)
			json_put_bool(&w, argument[i].name, true);
		else if (argument[i].type == ARGUMENT_NUMBER)
			json_put_u64(&w, argument[i].name, value->number);
		else
			json_put_str(&w, argument[i].name, value->text);
	}
	json_end_object(&w);
	if (json_writer_finish(&w) < 0)
		buf_clear(text);
}

int request_record(struct control_request *request, const char *result, uint64_t now_ns)
{
	_cleanup_(buf_deinit) struct buf args = buf_init(2 * FRAME_REQUEST_BYTES_MAX);
	struct audit_record entry = { .peer = request->peer,
		.command = str_cstr(request->command->name),
		.result = result,
		.is_dry_run = request->is_dry_run,
		.of = request->audit_seq,
		.us = (now_ns - request->started_ns) / NS_PER_US,
		.generation = reload_generation() };
	bool is_durable = request->command->flags & COMMAND_MUTATES;
	uint64_t seq;
	int r;

	request_args_print(request, &args);
	entry.args = args.len ? buf_str(&args) : STR("{}");
	r = audit_write(&entry, is_durable, &seq);
	if (r == 0 && !request->audit_seq)
		request->audit_seq = seq;
	return r;
}
