/* The handlers of all commands: see handlers.h. */
#include "control/handlers.h"

#include <unistd.h>

#include "control/control.h"
#include "shared/frame.h"

static void ping(struct core *core, void *answer)
{
	(void)core, (void)answer;
}

static void arguments_write(struct buf *text, const struct command *command)
{
	for (const struct command_argument *arg = command->arguments; arg && arg->name; arg++)
		/* Text of our own table: a few words, far below the buffer's maximum. */
		(void)!buf_printf(text, "%s%s%s", text->len ? " " : "",
			arg->is_positional ? "" : "--", arg->name);
}

static void handle_meta_commands(struct control_request *request)
{
	for (unsigned i = 0; i < command_count; i++) {
		const struct command *command = &commands[i];
		struct json_writer *w = request_row_begin(request);
		struct buf arguments = buf_init(DIALOG_OUT_BYTES_HIGH);

		arguments_write(&arguments, command);
		json_put_str(w, "command", str_cstr(command->name));
		json_put_str(w, "level", str_cstr(command_level_name(command->level)));
		json_put_str(w, "schema", str_cstr(command->schema));
		json_put_str(w, "arguments", buf_str(&arguments));
		json_put_str(w, "help", str_cstr(command->help));
		request_row_end(request);
		buf_deinit(&arguments);
	}
}

static void handle_meta_version(struct control_request *request)
{
	struct json_writer *w = request_row_begin(request);

	json_put_str(w, "version", str_cstr(request->dialog->context->version));
	json_put_i64(w, "proto_min", FRAME_PROTOCOL_MIN);
	json_put_i64(w, "proto_max", FRAME_PROTOCOL_MAX);
	json_put_i64(w, "pid", getpid());
	request_row_end(request);
}

static struct handler handlers[] = {
	{ "status", ping, 0, handle_status },
	{ "health", ping, 0, handle_health },
	{ "core.list", ping, 0, handle_core_list },
	{ "conn.list", conns_on_core, 0, handle_conn_list },
	{ "pool.list", NULL, 0, handle_pool_list },
	{ "meta.commands", NULL, 0, handle_meta_commands },
	{ "meta.version", NULL, 0, handle_meta_version },
};

const struct handler *handler_find(struct str command)
{
	for (unsigned i = 0; i < ARRAY_SIZE(handlers); i++)
		if (str_equal(command, str_cstr(handlers[i].command)))
			return &handlers[i];
	return NULL;
}

const char *handlers_check(void)
{
	for (unsigned i = 0; i < command_count; i++)
		if (!handler_find(str_cstr(commands[i].name)))
			return commands[i].name;
	for (unsigned i = 0; i < ARRAY_SIZE(handlers); i++) {
		if (!command_find(str_cstr(handlers[i].command)))
			return handlers[i].command;
		if (handlers[i].on_core == conns_on_core)
			handlers[i].answer_bytes = conns_answer_bytes();
	}
	return NULL;
}
