/* See client.h. Every wait ends at the client's deadline, and a stream's when it is silent. */
#include "ctl/client.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "ctl/escape.h"
#include "shared/clock.h"
#include "shared/frame.h"
#include "shared/macros.h"

#define ARENA_CHUNK 16384
#define ARENA_MAX (16 * FRAME_ANSWER_BYTES_MAX) /* the tree of the largest line */
#define READ_BYTES 16384
/* A stream has a heartbeat every five seconds: after three of them the daemon is not there. */
#define SILENCE_MS (3 * FRAME_HEARTBEAT_MS)
/* For the daemon to say that it has cancelled. */
#define CANCEL_MS 1000

volatile int client_interrupted;

static int say(const struct client *client, int code, const char *format, ...) _printf_(3, 4);

static int say(const struct client *client, int code, const char *format, ...)
{
	va_list args;

	if (client->is_silent)
		return code;
	va_start(args, format);
	(void)fputs("authctl: ", stderr);
	(void)vfprintf(stderr, format, args);
	(void)fputc('\n', stderr);
	va_end(args);
	return code;
}

/* --- bytes --- */

/* 0 when the socket is ready, else an exit code. */
static int wait_for(struct client *client, short events)
{
	struct pollfd poll_fd = { .fd = client->fd, .events = events };

	for (;;) {
		uint64_t now_ns = clock_now_ns();
		uint64_t left_ns = client->deadline_ns <= now_ns ? 0 : client->deadline_ns - now_ns;
		uint64_t left_ms = left_ns / NS_PER_MS + (left_ns % NS_PER_MS > 0);
		int r;

		if (client_interrupted)
			return EXIT_INTERRUPTED;
		r = poll(&poll_fd, 1, (int)MIN(left_ms, 60000));
		if (r > 0)
			return 0;
		if (r < 0 && errno != EINTR)
			return say(client, EXIT_CONNECTION, "%s", strerror(errno));
		if (r == 0 && clock_now_ns() >= client->deadline_ns)
			return say(client, EXIT_TIMEOUT, "no answer in time (--timeout)");
	}
}

static int send_all(struct client *client, struct str text)
{
	while (text.len) {
		ssize_t n = send(client->fd, text.data, text.len, MSG_NOSIGNAL | MSG_DONTWAIT);

		/* It said why before it closed: whoever reads on will see that. */
		if (n < 0 && (errno == EPIPE || errno == ECONNRESET))
			return 0;
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return say(client, EXIT_CONNECTION, "connection lost: %s", strerror(errno));
		if (n > 0) {
			text = str_skip(text, (size_t)n);
			continue;
		}
		n = wait_for(client, POLLOUT);
		if (n)
			return (int)n;
	}
	return 0;
}

static void fd_take(struct client *client, struct msghdr *message)
{
	struct cmsghdr *header = CMSG_FIRSTHDR(message);

	if (!header || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
		return;
	if (client->passed_fd >= 0)
		close(client->passed_fd);
	memcpy(&client->passed_fd, CMSG_DATA(header), sizeof(int));
}

static ssize_t receive(struct client *client)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec data = { .iov_base = client->in.data + client->in.len, .iov_len = READ_BYTES };
	struct msghdr message = { .msg_iov = &data,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes) };
	ssize_t n = recvmsg(client->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (n > 0)
		fd_take(client, &message);
	return n;
}

static int receive_some(struct client *client)
{
	ssize_t n;
	int r = wait_for(client, POLLIN);

	if (r)
		return r;
	if (buf_reserve(&client->in, READ_BYTES) < 0)
		return say(client, EXIT_CONNECTION, "no memory for the answer");
	n = receive(client);
	if (n == 0)
		return say(client, EXIT_CONNECTION, "connection lost before the end of the answer");
	if (n < 0 && errno != EAGAIN && errno != EINTR)
		return say(client, EXIT_CONNECTION, "connection lost: %s", strerror(errno));
	if (n > 0)
		client->in.len += (size_t)n;
	return 0;
}

/* --- frames --- */

struct frame {
	enum frame_type type;
	int64_t id;
	const struct json *object;
	size_t used; /* to be consumed afterwards */
};

/* The next frame: 0 or an exit code. */
static int next_frame(struct client *client, struct frame *ret_frame)
{
	struct str line;
	int r;

	arena_reset(&client->arena);
	while ((r = frame_line(&client->in, FRAME_ANSWER_BYTES_MAX, &line, &ret_frame->used)) ==
		0) {
		r = receive_some(client);
		if (r)
			return r;
	}
	if (r > 0)
		r = frame_parse(
			&client->arena, line, &ret_frame->type, &ret_frame->id, &ret_frame->object);
	return r < 0 ? say(client, EXIT_PROTOCOL, "the daemon sent no frame of this protocol") : 0;
}

static struct str text_of(const struct json *object, const char *key)
{
	struct str text = {};

	(void)json_get_str(json_member(object, key), &text);
	return text;
}

/* The exit code of an error object, which is told. What it says may come from outside. */
static int tell_error(const struct client *client, const struct json *error)
{
	struct str code = text_of(error, "code"), hint = text_of(error, "hint");
	bool is_config = str_equal(code, str_cstr(outcome_name(OUTCOME_BAD_CONFIG)));

	if (client->is_silent)
		return outcome_exit_code(code);
	/* The errors of a file stand for themselves: file:line:column, so that editors find them.
	 */
	if (!is_config)
		(void)fputs("authctl: ", stderr);
	escape_print(stderr, text_of(error, "msg"), is_config ? ESCAPE_KEEP_LINES : 0);
	(void)fputc('\n', stderr);
	if (hint.len) {
		(void)fputs("hint: ", stderr);
		escape_print(stderr, hint, 0);
		(void)fputc('\n', stderr);
	}
	return outcome_exit_code(code);
}

/* --- connecting --- */

static void copy(char *to, size_t bytes, struct str from)
{
	(void)snprintf(to, bytes, STR_FORMAT, STR_ARGS(from));
}

static int hello_check(struct client *client)
{
	const struct json *versions;
	int64_t low = 0, high = 0, generation = 0;
	struct frame frame = {};
	int r = next_frame(client, &frame);

	if (r)
		return r;
	versions = json_first(json_member(frame.object, "proto"));
	if (frame.type != FRAME_HELLO || json_get_i64(versions, &low) < 0 ||
		json_get_i64(json_next(versions), &high) < 0)
		return say(client, EXIT_PROTOCOL, "this is not authd's socket");
	if (low > FRAME_PROTOCOL_MAX || high < FRAME_PROTOCOL_MIN)
		return say(client, EXIT_PROTOCOL,
			"protocol %d is not spoken by the daemon: upgrade the package %s",
			FRAME_PROTOCOL_MAX, low > FRAME_PROTOCOL_MAX ? "authctl" : "authd");
	copy(client->boot, sizeof(client->boot), text_of(frame.object, "boot"));
	copy(client->level, sizeof(client->level), text_of(frame.object, "level"));
	copy(client->version, sizeof(client->version), text_of(frame.object, "version"));
	(void)json_get_i64(json_member(frame.object, "gen"), &generation);
	client->generation = (uint64_t)generation;
	buf_consume(&client->in, frame.used);
	return 0;
}

static const char *remedy(int error)
{
	if (error == EACCES)
		return " (are you in the group authctl?)";
	if (error == EAGAIN)
		return " (it is busy, try again)";
	return " (is authd running? --socket says where)";
}

int client_open(struct client *client, const char *socket_path, uint64_t timeout_ms)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	bool is_silent = client->is_silent;

	*client = (struct client){ .fd = -1, .passed_fd = -1, .is_silent = is_silent };
	client->in = buf_init(FRAME_ANSWER_BYTES_MAX + 2 * READ_BYTES);
	client->deadline_ns = clock_after_ms(clock_now_ns(), timeout_ms);
	arena_init(&client->arena, ARENA_CHUNK, ARENA_MAX);
	if (strlen(socket_path) >= sizeof(address.sun_path))
		return say(client, EXIT_USAGE, "%s: too long for a socket", socket_path);
	memcpy(address.sun_path, socket_path, strlen(socket_path));
	client->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (client->fd < 0 || connect(client->fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return say(client, errno == EACCES ? EXIT_PERMISSION : EXIT_CONNECTION, "%s: %s%s",
			socket_path, strerror(errno), remedy(errno));
	return hello_check(client);
}

void client_close(struct client *client)
{
	if (client->fd >= 0)
		close(client->fd);
	if (client->passed_fd >= 0)
		close(client->passed_fd);
	buf_deinit(&client->in);
	arena_deinit(&client->arena);
	client->fd = client->passed_fd = -1;
}

/* --- requests --- */

static int request_send(struct client *client, const struct client_request *request)
{
	_cleanup_(buf_wipe) struct buf out = buf_init(FRAME_REQUEST_BYTES_MAX);
	struct json_writer w = json_writer_init(&out);
	bool is_change = request->command->flags & COMMAND_MUTATES;

	json_begin_object(&w, NULL);
	json_put_str(&w, "t", STR("req"));
	json_put_i64(&w, "id", ++client->next_id);
	json_put_i64(&w, "v", FRAME_PROTOCOL_MAX);
	json_put_str(&w, "cmd", str_cstr(request->command->name));
	json_put_raw(&w, "args", request->args.len ? request->args : STR("{}"));
	if (!(request->command->flags & COMMAND_STREAM))
		json_put_u64(&w, "deadline_ms", MIN(request->timeout_ms, 86400000));
	if (is_change && request->is_dry_run)
		json_put_bool(&w, "dry_run", true);
	/* Trying is not doing: the key stays fresh for the change itself. */
	if (is_change && request->key && !request->is_dry_run)
		json_put_str(&w, "req_key", str_cstr(request->key));
	if (is_change && request->generation >= 0)
		json_put_i64(&w, "if_gen", request->generation);
	if (request->yes)
		json_put_str(&w, "yes", str_cstr(request->yes));
	json_end_object(&w);
	if (json_writer_finish(&w) < 0 || buf_append_char(&out, '\n') < 0)
		return say(client, EXIT_USAGE, "the command is too long: at most %d bytes",
			FRAME_REQUEST_BYTES_MAX);
	return send_all(client, buf_str(&out));
}

/* The daemon's own word for "too late" is better than ours, so it gets a moment more. */
#define DEADLINE_GRACE_MS 1000

static void deadline_set(struct client *client, const struct client_request *request)
{
	uint64_t now_ns = clock_now_ns();

	if (request->command->flags & COMMAND_STREAM)
		client->deadline_ns = clock_after_ms(now_ns, SILENCE_MS);
	else
		client->deadline_ns =
			clock_after_ms(now_ns, request->timeout_ms + DEADLINE_GRACE_MS);
}

static int end_code(
	struct client *client, const struct json *object, const struct client_sink *sink)
{
	const struct json *partial = json_first(json_member(object, "partial"));
	struct str notice = text_of(object, "notice");
	bool is_truncated = false;

	if (!str_equal(text_of(object, "status"), STR("ok")))
		return tell_error(client, json_member(object, "error"));
	if (notice.len && sink->notice)
		sink->notice(notice, sink->arg);
	(void)json_get_bool(json_member(object, "truncated"), &is_truncated);
	if (is_truncated)
		(void)say(client, 0, "the answer was cut: there is more");
	if (!partial)
		return EXIT_DONE;
	if (!client->is_silent) {
		(void)fputs("authctl: no answer within a second from core", stderr);
		for (; partial; partial = json_next(partial)) {
			int64_t core = -1;

			(void)json_get_i64(partial, &core);
			(void)fprintf(stderr, " %lld", (long long)core);
		}
		(void)fputs("  (authctl core list)\n", stderr);
	}
	return EXIT_PARTIAL;
}

/* The daemon is told, and has a moment to end what it does. */
static int cancel(struct client *client)
{
	char line[64];
	int n = snprintf(
		line, sizeof(line), "{\"t\":\"cancel\",\"id\":%lld}\n", (long long)client->next_id);
	struct frame frame;

	client_interrupted = 0;
	client->deadline_ns = clock_after_ms(clock_now_ns(), CANCEL_MS);
	client->is_silent = true;
	if (send_all(client, str_of(line, (size_t)n)) == 0)
		while (next_frame(client, &frame) == 0) {
			bool is_end = frame.type == FRAME_END;

			buf_consume(&client->in, frame.used);
			if (is_end)
				break;
		}
	client->is_silent = false;
	return EXIT_INTERRUPTED;
}

/* -1: not the end yet. */
static int frame_handle(struct client *client, const struct frame *frame,
	const struct client_request *request, const struct client_sink *sink)
{
	/* An error of the connection has no id: it ends everything. */
	if (frame->type == FRAME_END && (frame->id == client->next_id || frame->id < 0))
		return end_code(client, frame->object, sink);
	if (frame->id != client->next_id)
		return -1;
	if (frame->type == FRAME_ROW)
		sink->row(json_member(frame->object, "d"), sink->arg);
	else if (frame->type == FRAME_EVT && sink->event)
		sink->event(frame->object, sink->arg);
	if (request->command->flags & COMMAND_STREAM)
		deadline_set(client, request);
	return -1;
}

int client_run(
	struct client *client, const struct client_request *request, const struct client_sink *sink)
{
	struct frame frame = {};
	int r, code = -1;

	deadline_set(client, request);
	r = request_send(client, request);
	while (r == 0 && code < 0) {
		r = next_frame(client, &frame);
		if (r)
			break;
		code = frame_handle(client, &frame, request, sink);
		buf_consume(&client->in, frame.used);
	}
	if (r == EXIT_INTERRUPTED)
		return cancel(client);
	/* What may still come would be taken for the answer of the next request. */
	if (r == EXIT_CONNECTION || r == EXIT_PROTOCOL || r == EXIT_TIMEOUT)
		client_close(client);
	return r ? r : code;
}
