/* See client.h. Every wait ends at the client's deadline. */
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

#include "shared/clock.h"
#include "shared/err.h"
#include "shared/frame.h"
#include "shared/macros.h"

#define ARENA_CHUNK 16384
#define ARENA_MAX (16 * FRAME_ANSWER_BYTES_MAX) /* the tree of the largest line */
#define READ_BYTES 16384

static int say(int code, const char *format, ...) _printf_(2, 3);

static int say(int code, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)fputs("authctl: ", stderr);
	(void)vfprintf(stderr, format, args);
	(void)fputc('\n', stderr);
	va_end(args);
	return code;
}

/* 0 when the socket is ready, else an exit code. */
static int wait_for(struct client *client, short events)
{
	struct pollfd poll_fd = { .fd = client->fd, .events = events };
	uint64_t now_ns = clock_now_ns();
	int timeout_ms =
		client->deadline_ns <= now_ns
			? 0
			: (int)((client->deadline_ns - now_ns + NS_PER_MS - 1) / NS_PER_MS);
	int r = poll(&poll_fd, 1, timeout_ms);

	if (r < 0 && errno != EINTR)
		return say(EXIT_CONNECTION, "%s", strerror(errno));
	return r == 0 ? say(EXIT_TIMEOUT, "no answer in time (--timeout)") : 0;
}

static int send_all(struct client *client, struct str text)
{
	while (text.len) {
		ssize_t n = send(client->fd, text.data, text.len, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return say(EXIT_CONNECTION, "connection lost: %s", strerror(errno));
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

static int receive_some(struct client *client)
{
	ssize_t n;
	int r = wait_for(client, POLLIN);

	if (r)
		return r;
	if (buf_reserve(&client->in, READ_BYTES) < 0)
		return say(EXIT_CONNECTION, "no memory for the answer");
	n = recv(client->fd, client->in.data + client->in.len, READ_BYTES, MSG_DONTWAIT);
	if (n == 0)
		return say(EXIT_CONNECTION, "connection lost before the end of the answer");
	if (n < 0 && errno != EAGAIN && errno != EINTR)
		return say(EXIT_CONNECTION, "connection lost: %s", strerror(errno));
	if (n > 0)
		client->in.len += (size_t)n;
	return 0;
}

/* The next frame; *ret_used is to be consumed afterwards. 0 or an exit code. */
static int next_frame(struct client *client, enum frame_type *ret_type, int64_t *ret_id,
	const struct json **ret_object, size_t *ret_used)
{
	struct str line;
	int r;

	arena_reset(&client->arena);
	while ((r = frame_line(&client->in, FRAME_ANSWER_BYTES_MAX, &line, ret_used)) == 0) {
		r = receive_some(client);
		if (r)
			return r;
	}
	if (r > 0)
		r = frame_parse(&client->arena, line, ret_type, ret_id, ret_object);
	return r < 0 ? say(EXIT_PROTOCOL, "the daemon sent no frame of this protocol") : 0;
}

static const char *text_of(const struct json *object, const char *key)
{
	struct str text;

	return json_get_str(json_member(object, key), &text) == 0 ? text.data : "";
}

/* The exit code of an error object, which is told. */
static int tell_error(const struct json *error)
{
	const char *code = text_of(error, "code"), *hint = text_of(error, "hint");

	(void)say(0, "%s", text_of(error, "msg"));
	if (*hint)
		(void)fprintf(stderr, "hint: %s\n", hint);
	if (!strcmp(code, "permission"))
		return EXIT_PERMISSION;
	if (!strcmp(code, "usage") || !strcmp(code, "unknown_command") ||
		!strcmp(code, "bad_argument"))
		return EXIT_USAGE;
	return !strcmp(code, "timeout") ? EXIT_TIMEOUT : EXIT_REFUSED;
}

static int check_hello(struct client *client)
{
	const struct json *object, *versions;
	int64_t id, low = 0, high = 0;
	enum frame_type type;
	size_t used;
	int r = next_frame(client, &type, &id, &object, &used);

	if (r)
		return r;
	buf_consume(&client->in, used);
	if (type == FRAME_END)
		return tell_error(json_member(object, "error"));
	versions = json_first(json_member(object, "proto"));
	if (type != FRAME_HELLO || json_get_i64(versions, &low) < 0 ||
		json_get_i64(json_next(versions), &high) < 0)
		return say(EXIT_PROTOCOL, "this is not authd's socket");
	if (low > FRAME_PROTOCOL_MAX || high < FRAME_PROTOCOL_MIN)
		return say(EXIT_PROTOCOL, "protocol %d is not spoken by the daemon: upgrade %s",
			FRAME_PROTOCOL_MAX, low > FRAME_PROTOCOL_MAX ? "authctl" : "authd");
	return 0;
}

int client_open(struct client *client, const char *socket_path, uint64_t timeout_ms)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	*client = (struct client){ .fd = -1 };
	client->in = buf_init(FRAME_ANSWER_BYTES_MAX + 2 * READ_BYTES);
	client->deadline_ns = clock_after_ms(clock_now_ns(), timeout_ms);
	arena_init(&client->arena, ARENA_CHUNK, ARENA_MAX);
	if (strlen(socket_path) >= sizeof(address.sun_path))
		return say(EXIT_USAGE, "%s: too long for a socket", socket_path);
	memcpy(address.sun_path, socket_path, strlen(socket_path));
	client->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (client->fd < 0 || connect(client->fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return say(EXIT_CONNECTION, "%s: %s%s", socket_path, strerror(errno),
			errno == EACCES ? " (are you in the group authctl?)"
					: " (is authd running? --socket says where)");
	return check_hello(client);
}

void client_close(struct client *client)
{
	if (client->fd >= 0)
		close(client->fd);
	buf_deinit(&client->in);
	arena_deinit(&client->arena);
}

static int send_request(struct client *client, const struct command *command, struct str args)
{
	_cleanup_(buf_deinit) struct buf out = buf_init(FRAME_REQUEST_BYTES_MAX);
	struct json_writer w = json_writer_init(&out);

	json_begin_object(&w, NULL);
	json_put_str(&w, "t", STR("req"));
	json_put_i64(&w, "id", ++client->next_id);
	json_put_i64(&w, "v", FRAME_PROTOCOL_MAX);
	json_put_str(&w, "cmd", str_cstr(command->name));
	json_put_raw(&w, "args", args);
	json_end_object(&w);
	if (json_writer_finish(&w) < 0 || buf_append_char(&out, '\n') < 0)
		return say(EXIT_USAGE, "the command is too long");
	return send_all(client, buf_str(&out));
}

static int end_code(const struct json *object)
{
	const struct json *partial = json_first(json_member(object, "partial"));
	struct str status;

	if (json_get_str(json_member(object, "status"), &status) < 0 ||
		!str_equal(status, STR("ok")))
		return tell_error(json_member(object, "error"));
	if (!partial)
		return EXIT_DONE;
	return say(EXIT_PARTIAL, "some cores did not answer in time");
}

int client_run(struct client *client, const struct command *command, struct str args,
	const struct client_sink *sink)
{
	int r = send_request(client, command, args);

	while (r == 0) {
		const struct json *object;
		enum frame_type type;
		size_t used;
		int64_t id;

		r = next_frame(client, &type, &id, &object, &used);
		if (r)
			break;
		if (type == FRAME_ROW && id == client->next_id)
			sink->row(json_member(object, "d"), sink->arg);
		else if (type == FRAME_END)
			return end_code(object);
		buf_consume(&client->in, used);
	}
	return r;
}
