/* One authctl connection: see dialog.h. The frames are those of shared/frame.h. */
#include "control/dialog.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control/control.h"
#include "control/handlers.h"
#include "core/core.h"
#include "shared/clock.h"
#include "shared/frame.h"

/* One read: a request is a few hundred bytes, a batch of them a few thousand. */
#define READ_BYTES 4096

static void hello_write(
	struct buf *out, const struct peer *peer, const struct control_context *context)
{
	struct json_writer w = json_writer_init(out);

	json_begin_object(&w, NULL);
	json_put_str(&w, "t", STR("hello"));
	json_begin_array(&w, "proto");
	json_put_i64(&w, NULL, FRAME_PROTOCOL_MIN);
	json_put_i64(&w, NULL, FRAME_PROTOCOL_MAX);
	json_end_array(&w);
	json_put_str(&w, "server", STR("authd"));
	json_put_str(&w, "version", str_cstr(context->version));
	json_put_i64(&w, "pid", getpid());
	json_put_i64(&w, "boot", context->started_wall_ms);
	json_put_i64(&w, "uid", peer->uid);
	json_put_str(&w, "level", str_cstr(command_level_name(peer->level)));
	json_begin_object(&w, "limits");
	json_put_i64(&w, "req", FRAME_REQUEST_BYTES_MAX);
	json_put_i64(&w, "line", FRAME_ANSWER_BYTES_MAX);
	json_end_object(&w);
	json_begin_array(&w, "features");
	json_end_array(&w);
	json_end_object(&w);
	/* A fresh buffer has the room; out of memory shows as a connection without a hello. */
	if (json_writer_finish(&w) < 0 || buf_append_char(out, '\n') < 0)
		buf_clear(out);
}

struct failure {
	const char *code;
	struct str message, hint;
	const char *argument; /* NULL none */
	enum command_level need;
};

/* id 0 is written as null: an error of the connection. */
static int error_write(struct buf *out, int64_t id, const struct failure *failure)
{
	struct json_writer w = json_writer_init(out);
	int r;

	json_begin_object(&w, NULL);
	json_put_str(&w, "t", STR("end"));
	if (id)
		json_put_i64(&w, "id", id);
	else
		json_put_null(&w, "id");
	json_put_str(&w, "status", STR("error"));
	json_begin_object(&w, "error");
	json_put_str(&w, "code", str_cstr(failure->code));
	json_put_str(&w, "msg", failure->message);
	if (failure->hint.len)
		json_put_str(&w, "hint", failure->hint);
	if (failure->argument)
		json_put_str(&w, "arg", str_cstr(failure->argument));
	if (failure->need)
		json_put_str(&w, "need", str_cstr(command_level_name(failure->need)));
	json_end_object(&w);
	json_end_object(&w);
	r = json_writer_finish(&w);
	return r < 0 ? r : buf_append_char(out, '\n');
}

int dialog_open(struct dialog *dialog, int fd, const struct peer *peer,
	const struct control_context *context, int wake_fd)
{
	*dialog = (struct dialog){
		.fd = fd,
		.peer = *peer,
		.context = context,
		.in = buf_init(FRAME_REQUEST_BYTES_MAX + READ_BYTES),
		.out = buf_init(DIALOG_OUT_BYTES_MAX),
		.active_ns = clock_now_ns(),
		.wake_fd = wake_fd,
	};
	arena_init(&dialog->arena, READ_BYTES, DIALOG_ARENA_BYTES_MAX);
	hello_write(&dialog->out, peer, context);
	return dialog->out.len ? 0 : -ENOMEM;
}

static void request_free(struct control_request *request)
{
	gather_free(request->gather);
	*request = (struct control_request){};
}

void dialog_close(struct dialog *dialog)
{
	for (unsigned i = 0; i < DIALOG_REQUESTS_MAX; i++)
		request_free(&dialog->requests[i]);
	close(dialog->fd);
	buf_deinit(&dialog->in);
	buf_deinit(&dialog->out);
	arena_deinit(&dialog->arena);
	dialog->fd = -1;
}

void dialog_refuse(int fd, const struct peer *peer, const struct control_context *context,
	const char *code, struct str message, struct str hint)
{
	struct buf out = buf_init(FRAME_REQUEST_BYTES_MAX);
	struct failure failure = { .code = code, .message = message, .hint = hint };

	hello_write(&out, peer, context);
	if (error_write(&out, 0, &failure) == 0)
		(void)!send(fd, out.data, out.len, MSG_DONTWAIT | MSG_NOSIGNAL);
	buf_deinit(&out);
}

short dialog_events(const struct dialog *dialog)
{
	bool is_reading = !dialog->is_closing && dialog->out.len < DIALOG_OUT_BYTES_HIGH;

	return (short)((is_reading ? POLLIN : 0) | (dialog->out.len ? POLLOUT : 0));
}

/* --- answers --- */

static void head_write(struct control_request *request)
{
	const struct command *command = command_find(str_cstr(request->handler->command));
	struct json_writer w = json_writer_init(&request->dialog->out);

	request->has_head = true;
	json_begin_object(&w, NULL);
	json_put_str(&w, "t", STR("head"));
	json_put_i64(&w, "id", request->id);
	json_put_str(&w, "schema", str_cstr(command->schema));
	json_end_object(&w);
	if (json_writer_finish(&w) < 0 || buf_append_char(&request->dialog->out, '\n') < 0)
		request->writer.error = -ENOBUFS;
}

struct json_writer *request_row_begin(struct control_request *request)
{
	struct json_writer *w = &request->writer;
	int error = w->error;

	request->row_at = request->dialog->out.len;
	*w = json_writer_init(&request->dialog->out);
	w->error = error;
	json_begin_object(w, NULL);
	json_put_str(w, "t", STR("row"));
	json_put_i64(w, "id", request->id);
	json_begin_object(w, "d");
	return w;
}

void request_row_end(struct control_request *request)
{
	struct json_writer *w = &request->writer;

	json_end_object(w);
	json_end_object(w);
	w->error = json_writer_finish(w);
	if (w->error == 0)
		w->error = buf_append_char(&request->dialog->out, '\n');
	if (w->error < 0)
		request->dialog->out.len = request->row_at;
	else
		request->rows++;
}

static void partial_write(struct json_writer *w, const struct control_request *request)
{
	json_begin_array(w, "partial");
	for (unsigned i = 0; request->gather && i < cores_count(); i++)
		if (!gather_answer(request->gather, i))
			json_put_i64(w, NULL, i);
	json_end_array(w);
}

static int end_write(struct control_request *request, uint64_t now_ns)
{
	struct json_writer w = json_writer_init(&request->dialog->out);
	int r;

	json_begin_object(&w, NULL);
	json_put_str(&w, "t", STR("end"));
	json_put_i64(&w, "id", request->id);
	json_put_str(&w, "status", STR("ok"));
	json_put_i64(&w, "rows", request->rows);
	json_put_u64(&w, "us", (now_ns - request->started_ns) / NS_PER_US);
	partial_write(&w, request);
	if (request->is_truncated)
		json_put_bool(&w, "truncated", true);
	json_end_object(&w);
	r = json_writer_finish(&w);
	return r < 0 ? r : buf_append_char(&request->dialog->out, '\n');
}

static int request_answer(struct control_request *request, uint64_t now_ns)
{
	int r;

	head_write(request);
	request->handler->answer(request);
	r = request->writer.error;
	if (r == 0)
		r = end_write(request, now_ns);
	request_free(request);
	return r;
}

int dialog_progress(struct dialog *dialog, uint64_t now_ns)
{
	for (unsigned i = 0; i < DIALOG_REQUESTS_MAX; i++) {
		struct control_request *request = &dialog->requests[i];
		int r;

		if (!request->dialog || dialog->out.len >= DIALOG_OUT_BYTES_HIGH)
			continue;
		if (request->gather && !gather_is_over(request->gather, now_ns))
			continue;
		r = request_answer(request, now_ns);
		if (r < 0)
			return r;
	}
	return 0;
}

uint64_t dialog_next_ns(const struct dialog *dialog)
{
	uint64_t next_ns = CLOCK_NEVER;

	for (unsigned i = 0; i < DIALOG_REQUESTS_MAX; i++) {
		const struct control_request *request = &dialog->requests[i];

		if (request->gather && dialog->out.len < DIALOG_OUT_BYTES_HIGH)
			next_ns = MIN(next_ns, gather_deadline_ns(request->gather));
	}
	return next_ns;
}

/* --- requests --- */

static int connection_error(struct dialog *dialog, const char *why)
{
	struct failure failure = { .code = "bad_frame", .message = str_cstr(why) };

	dialog->is_closing = true;
	return error_write(&dialog->out, 0, &failure);
}

static struct control_request *request_by_id(struct dialog *dialog, int64_t id)
{
	for (unsigned i = 0; i < DIALOG_REQUESTS_MAX; i++)
		if (dialog->requests[i].dialog && dialog->requests[i].id == id)
			return &dialog->requests[i];
	return NULL;
}

static struct control_request *request_slot(struct dialog *dialog)
{
	for (unsigned i = 0; i < DIALOG_REQUESTS_MAX; i++)
		if (!dialog->requests[i].dialog)
			return &dialog->requests[i];
	return NULL;
}

/* Cancelling what has ended, or never was, is no error: the two messages have crossed. */
static int request_cancel(struct dialog *dialog, int64_t id)
{
	struct control_request *request = request_by_id(dialog, id);
	struct failure failure = { .code = "canceled", .message = STR("cancelled by the client") };

	if (!request)
		return 0;
	request_free(request);
	return error_write(&dialog->out, id, &failure);
}

/* Copies the arguments that commands have. NULL, or the name of the first that is wrong. */
static const char *arguments_take(
	struct control_request *request, const struct command *command, const struct json *args)
{
	for (const struct json *arg = json_first(args); arg; arg = json_next(arg)) {
		struct str key = json_key(arg), text;
		const struct command_argument *known = command->arguments;

		while (known && known->name && !str_equal(key, str_cstr(known->name)))
			known++;
		/* Unknown keys are ignored: a newer client may send them. */
		if (!known || !known->name)
			continue;
		if (str_equal(key, STR("core"))) {
			if (json_get_i64(arg, &request->core) < 0 || request->core < 0 ||
				request->core >= cores_count())
				return known->name;
		} else if (str_equal(key, STR("state"))) {
			if (json_get_str(arg, &text) < 0 || text.len >= sizeof(request->state))
				return known->name;
			memcpy(request->state, text.data, text.len);
		}
	}
	return NULL;
}

static int request_start(struct dialog *dialog, const struct frame_request *frame, uint64_t now_ns)
{
	const struct handler *handler = handler_find(frame->command);
	const struct command *command = command_find(frame->command);
	struct control_request *request = request_slot(dialog);
	struct failure failure = {};

	if (!handler || !command)
		failure = (struct failure){ .code = "unknown_command",
			.message = STR("this daemon has no such command"),
			.hint = STR("authctl help lists the commands") };
	else if (command->level > dialog->peer.level)
		failure = (struct failure){ .code = "forbidden",
			.message = STR("your level does not allow this command"),
			.need = command->level };
	else if (!request)
		failure = (struct failure){ .code = "busy",
			.message = STR("four requests are in progress on this connection") };
	if (failure.code)
		return error_write(&dialog->out, frame->id, &failure);

	*request = (struct control_request){
		.dialog = dialog,
		.handler = handler,
		.id = frame->id,
		.started_ns = now_ns,
		.core = -1,
	};
	failure.argument = arguments_take(request, command, frame->args);
	if (failure.argument) {
		failure.code = "bad_argument";
		failure.message = STR("the argument has an impossible value");
		request_free(request);
		return error_write(&dialog->out, frame->id, &failure);
	}
	if (!handler->on_core)
		return request_answer(request, now_ns);
	/* Answered by dialog_progress(). */
	return gather_new(
		handler->on_core, handler->answer_bytes, dialog->wake_fd, now_ns, &request->gather);
}

static int line_run(struct dialog *dialog, struct str line, uint64_t now_ns)
{
	struct frame_request frame;
	const char *why = "this is not a frame";
	int r;

	arena_reset(&dialog->arena);
	r = frame_parse_request(&dialog->arena, line, &frame, &why);
	if (r == -ENOMEM)
		return r;
	if (r < 0)
		return connection_error(dialog, why);
	if (frame.type == FRAME_CANCEL)
		return request_cancel(dialog, frame.id);
	if (frame.version < FRAME_PROTOCOL_MIN || frame.version > FRAME_PROTOCOL_MAX)
		return connection_error(dialog, "this protocol version is not spoken here");
	if (request_by_id(dialog, frame.id))
		return connection_error(dialog, "a request with this id is in progress");
	return request_start(dialog, &frame, now_ns);
}

static int lines_run(struct dialog *dialog, uint64_t now_ns)
{
	while (!dialog->is_closing && dialog->out.len < DIALOG_OUT_BYTES_HIGH) {
		struct str line;
		size_t used;
		int r;

		r = frame_line(&dialog->in, FRAME_REQUEST_BYTES_MAX, &line, &used);
		if (r == -ENOBUFS)
			return connection_error(dialog, "the line is longer than 65536 bytes");
		if (r <= 0)
			return r;
		r = line_run(dialog, line, now_ns);
		if (r < 0)
			return r;
		buf_consume(&dialog->in, used);
	}
	return 0;
}

static int dialog_read(struct dialog *dialog, uint64_t now_ns)
{
	ssize_t got;
	int r;

	r = buf_reserve(&dialog->in, READ_BYTES);
	if (r < 0)
		return r;
	got = recv(dialog->fd, dialog->in.data + dialog->in.len, READ_BYTES, MSG_DONTWAIT);
	if (got < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (got == 0)
		return -ECONNRESET; /* authctl waits for its answers before it closes */
	dialog->in.len += (size_t)got;
	dialog->active_ns = now_ns;
	return 0;
}

static int dialog_write(struct dialog *dialog)
{
	ssize_t sent;

	if (!dialog->out.len)
		return 0;
	sent = send(dialog->fd, dialog->out.data, dialog->out.len, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (sent < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	buf_consume(&dialog->out, (size_t)sent);
	return 0;
}

int dialog_turn(struct dialog *dialog, short events, uint64_t now_ns)
{
	int r = 0;

	if (events & POLLIN)
		r = dialog_read(dialog, now_ns);
	else if (events & (POLLHUP | POLLERR))
		r = -ECONNRESET;
	if (r == 0)
		r = lines_run(dialog, now_ns);
	if (r == 0)
		r = dialog_progress(dialog, now_ns);
	if (r == 0)
		r = dialog_write(dialog);
	if (r == 0 && dialog->is_closing && !dialog->out.len)
		r = -ECONNRESET;
	return r;
}
