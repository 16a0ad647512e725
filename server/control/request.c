/* A command in progress: see request.h. */
#include "control/request.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/dialog.h"
#include "shared/clock.h"
#include "shared/duration.h"
#include "shared/err.h"

/* --- arguments --- */

static int value_take(struct request_value *value, const struct command_argument *argument,
	const struct json *node)
{
	int64_t number;
	bool is_true;
	int r;

	switch (argument->type) {
	case ARGUMENT_FLAG:
		r = json_get_bool(node, &is_true);
		value->is_set = r == 0 && is_true;
		return r;
	case ARGUMENT_NUMBER:
		r = json_get_i64(node, &number);
		if (r < 0 || number < 0)
			return -EINVAL;
		value->number = (uint64_t)number;
		break;
	case ARGUMENT_DURATION:
		r = json_get_str(node, &value->text);
		if (r == 0)
			r = duration_parse(value->text, &value->number);
		break;
	default:
		r = json_get_str(node, &value->text);
		if (r == 0 && !command_choice_is_good(argument->choices, value->text))
			r = -EINVAL;
	}
	value->is_set = r == 0;
	return r;
}

static void value_refuse(
	struct control_request *request, const struct command_argument *argument, bool is_missing)
{
	if (is_missing)
		request_fail_argument(request, argument->name, "%s is missing", argument->name);
	else if (argument->choices)
		request_fail_argument(request, argument->name, "%s must be one of %s",
			argument->name, argument->choices);
	else
		request_fail_argument(request, argument->name, "%s must be a %s", argument->name,
			argument_type_name(argument->type));
}

int request_arguments(struct control_request *request, const struct json *args)
{
	const struct command_argument *argument = request->command->arguments;

	/* Unknown keys are ignored: a newer client may send them. */
	for (unsigned i = 0; argument && argument[i].name; i++) {
		const struct json *node = json_member(args, argument[i].name);
		struct request_value value = {};

		assert(i < COMMAND_ARGUMENTS_MAX);
		if (!node && !(argument[i].flags & ARGUMENT_REQUIRED))
			continue;
		if (!node || value_take(&value, &argument[i], node) < 0) {
			value_refuse(request, &argument[i], !node);
			return -EINVAL;
		}
		if (value.text.len) {
			value.text = arena_str(&request->arena, value.text);
			if (!value.text.data)
				return -ENOMEM;
		}
		request->values[i] = value;
	}
	return 0;
}

const struct request_value *request_value(const struct control_request *request, const char *name)
{
	const struct command_argument *argument =
		command_argument_find(request->command, str_cstr(name));

	assert(argument);
	return &request->values[argument - request->command->arguments];
}

struct str request_text(const struct control_request *request, const char *name)
{
	return request_value(request, name)->text;
}

uint64_t request_number(const struct control_request *request, const char *name, uint64_t fallback)
{
	const struct request_value *value = request_value(request, name);

	return value->is_set ? value->number : fallback;
}

bool request_has(const struct control_request *request, const char *name)
{
	return request_value(request, name)->is_set;
}

/* --- asking others --- */

void request_ask_one(struct control_request *request, struct core *core,
	void (*on_core)(struct core *, void *), const void *question, size_t bytes)
{
	uint64_t silent_ns = clock_after_ms(clock_now_ns(), GATHER_TIMEOUT_MS);
	const struct gather_question gather = { .on_core = on_core,
		.question = question,
		.answer_bytes = bytes,
		.only = core,
		.deadline_ns = MIN(silent_ns, request->deadline_ns),
		.wake_fd = request->wake_fd };

	gather_free(TAKE(request->gather));
	if (gather_new(&gather, &request->gather) < 0)
		request_fail(request, OUTCOME_FAILED, NULL, "no memory");
}

void request_ask(struct control_request *request, void (*on_core)(struct core *, void *),
	const void *question, size_t bytes)
{
	request_ask_one(request, NULL, on_core, question, bytes);
}

void request_errand(struct control_request *request, void (*run_await)(void *data),
	const void *data, size_t bytes)
{
	int r = errand_new(
		run_await, data, bytes, request->deadline_ns, request->wake_fd, &request->errand);

	if (r < 0)
		request_fail(request, OUTCOME_UNAVAILABLE, NULL, "%s", err_text(r));
}

void request_block(
	struct control_request *request, void (*run)(void *data), const void *data, size_t bytes)
{
	struct errand *errand = NULL;
	int r = errand_block(run, data, bytes, request->wake_fd, &errand);

	if (r < 0)
		request_fail(request, r == -ERR_OVERLOADED ? OUTCOME_BUSY : OUTCOME_UNAVAILABLE,
			"authctl pool show control-block", "%s", err_text(r));
	errand_free(request->errand);
	request->errand = errand;
}

/* --- frames --- */

static struct json_writer *frame_begin(struct control_request *request, enum frame_type type)
{
	struct json_writer *w = &request->writer;
	int error = w->error;

	request->row_at = request->out->len;
	*w = json_writer_init(request->out);
	w->error = error;
	json_begin_object(w, NULL);
	json_put_str(w, "t", str_cstr(frame_type_name(type)));
	json_put_i64(w, "id", request->id);
	return w;
}

/* An incomplete frame must not reach the client. */
static int frame_end(struct control_request *request)
{
	struct json_writer *w = &request->writer;

	json_end_object(w);
	w->error = json_writer_finish(w);
	if (w->error == 0)
		w->error = buf_append_char(request->out, '\n');
	if (w->error < 0)
		request->out->len = request->row_at;
	return w->error;
}

struct json_writer *request_row_begin(struct control_request *request)
{
	struct json_writer *w = frame_begin(request, FRAME_ROW);

	json_begin_object(w, "d");
	return w;
}

void request_row_end(struct control_request *request)
{
	json_end_object(&request->writer);
	if (frame_end(request) == 0)
		request->rows++;
}

struct json_writer *request_event_begin(struct control_request *request, uint64_t lost)
{
	char text[CLOCK_RFC3339_BYTES];
	struct json_writer *w;

	(void)request_head(request);
	request->events += lost;
	w = frame_begin(request, FRAME_EVT);
	json_put_u64(w, "seq", request->events + 1);
	json_put_str(w, "ts", clock_rfc3339(clock_wall_ms(), text));
	json_put_u64(w, "lost", lost);
	json_begin_object(w, "d");
	return w;
}

void request_event_end(struct control_request *request)
{
	json_end_object(&request->writer);
	if (frame_end(request) == 0)
		request->events++;
}

bool request_has_room(const struct control_request *request)
{
	return request->out->len < DIALOG_OUT_BYTES_HIGH;
}

int request_head(struct control_request *request)
{
	struct json_writer *w;

	if (request->has_head)
		return request->writer.error;
	request->has_head = true;
	w = frame_begin(request, FRAME_HEAD);
	json_put_str(w, "schema", str_cstr(request->command->schema));
	return frame_end(request);
}

int request_heartbeat(struct control_request *request)
{
	(void)frame_begin(request, FRAME_HB);
	return frame_end(request);
}

static void failure_put(struct json_writer *w, const struct request_failure *failure)
{
	json_put_str(w, "status", STR("error"));
	json_begin_object(w, "error");
	json_put_str(w, "code", str_cstr(outcome_name(failure->outcome)));
	json_put_str(w, "msg", failure->message);
	if (failure->hint.len)
		json_put_str(w, "hint", failure->hint);
	if (failure->argument)
		json_put_str(w, "arg", str_cstr(failure->argument));
	if (failure->need)
		json_put_str(w, "need", str_cstr(command_level_name(failure->need)));
	json_end_object(w);
}

int failure_write(struct buf *out, int64_t id, const struct request_failure *failure)
{
	struct json_writer w = json_writer_init(out);
	int r;

	json_begin_object(&w, NULL);
	json_put_str(&w, "t", str_cstr(frame_type_name(FRAME_END)));
	if (id)
		json_put_i64(&w, "id", id);
	else
		json_put_null(&w, "id");
	failure_put(&w, failure);
	json_end_object(&w);
	r = json_writer_finish(&w);
	return r < 0 ? r : buf_append_char(out, '\n');
}

static void partial_put(struct json_writer *w, const struct control_request *request)
{
	json_begin_array(w, "partial");
	for (unsigned i = 0; i < cores_count(); i++)
		if ((request->silent[i / 8] >> i % 8 & 1) ||
			(request->gather && gather_is_silent(request->gather, i)))
			json_put_i64(w, NULL, i);
	json_end_array(w);
}

int request_end(struct control_request *request, uint64_t now_ns)
{
	struct json_writer *w = frame_begin(request, FRAME_END);

	if (request->failure.outcome != OUTCOME_OK)
		failure_put(w, &request->failure);
	else
		json_put_str(w, "status", STR("ok"));
	if (request->notice.len && request->failure.outcome == OUTCOME_OK)
		json_put_str(w, "notice", request->notice);
	json_put_u64(w, "rows", request->rows);
	json_put_u64(w, "us", (now_ns - request->started_ns) / NS_PER_US);
	partial_put(w, request);
	if (request->is_truncated)
		json_put_bool(w, "truncated", true);
	if (request->is_dry_run)
		json_put_bool(w, "dry_run", true);
	return frame_end(request);
}

/* --- failing --- */

/* The first failure is told: what follows is often its consequence. */
static void fail_with(struct control_request *request, enum outcome outcome, struct str message)
{
	if (request->failure.outcome != OUTCOME_OK)
		return;
	request->failure.outcome = outcome;
	request->failure.message = message.data ? message : STR("no memory");
}

static struct str text_of(struct control_request *request, const char *format, va_list args)
{
	char line[1024]; /* one sentence */
	int length = vsnprintf(line, sizeof(line), format, args);

	if (length < 0)
		return (struct str){};
	return arena_str(&request->arena, str_of(line, MIN((size_t)length, sizeof(line) - 1)));
}

void request_fail(struct control_request *request, enum outcome outcome, const char *hint,
	const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fail_with(request, outcome, text_of(request, format, args));
	va_end(args);
	if (hint && !request->failure.hint.len)
		request->failure.hint = arena_str(&request->arena, str_cstr(hint));
}

void request_notice(struct control_request *request, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	request->notice = text_of(request, format, args);
	va_end(args);
}

void request_fail_argument(
	struct control_request *request, const char *argument, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fail_with(request, OUTCOME_BAD_ARGUMENT, text_of(request, format, args));
	va_end(args);
	request->failure.argument = argument;
}

void request_free(struct control_request *request)
{
	gather_free(request->gather);
	errand_free(request->errand);
	if (request->on_end)
		request->on_end(request);
	free(request->state);
	if (request->is_used)
		arena_deinit(&request->arena);
	*request = (struct control_request){};
}
