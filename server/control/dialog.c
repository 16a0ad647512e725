/* One authctl connection: see dialog.h. The frames are those of shared/frame.h. */
#include "control/dialog.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control/control.h"
#include "control/reload.h"
#include "control/running.h"
#include "shared/clock.h"
#include "shared/secret.h"

/* One read: a request is a few hundred bytes, a batch of them a few thousand. */
#define READ_BYTES 4096

static_assert(DIALOG_OUT_BYTES_HIGH * 2 < DIALOG_OUT_BYTES_MAX, "an answer has room");

static void hello_write(
	struct buf *out, const struct peer *peer, const struct control_context *context)
{
	static const char *const features[] = { "dry_run", "req_key", "if_gen", "stream", "level",
		"fd" };
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
	json_put_str(&w, "boot", str_cstr(context->boot));
	json_put_u64(&w, "gen", reload_generation());
	json_put_i64(&w, "uid", peer->uid);
	json_put_str(&w, "level", str_cstr(command_level_name(peer->level)));
	json_begin_object(&w, "limits");
	json_put_i64(&w, "req", FRAME_REQUEST_BYTES_MAX);
	json_put_i64(&w, "line", FRAME_ANSWER_BYTES_MAX);
	json_put_i64(&w, "requests", DIALOG_REQUESTS_MAX);
	json_end_object(&w);
	json_begin_array(&w, "features");
	for (unsigned i = 0; i < ARRAY_SIZE(features); i++)
		json_put_str(&w, NULL, str_cstr(features[i]));
	json_end_array(&w);
	json_end_object(&w);
	/* A fresh buffer has the room; out of memory shows as a connection without a hello. */
	if (json_writer_finish(&w) < 0 || buf_append_char(out, '\n') < 0)
		buf_clear(out);
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
		.pass_fd = -1,
	};
	arena_init(&dialog->arena, READ_BYTES, DIALOG_ARENA_BYTES_MAX);
	hello_write(&dialog->out, peer, context);
	return dialog->out.len ? 0 : -ENOMEM;
}

void dialog_close(struct dialog *dialog, uint64_t now_ns)
{
	for (unsigned i = 0; i < DIALOG_REQUESTS_MAX; i++)
		if (dialog->requests[i].is_used)
			running_abandon(&dialog->requests[i], now_ns);
	if (dialog->pass_fd >= 0)
		close(dialog->pass_fd);
	close(dialog->fd);
	buf_wipe(&dialog->in);
	buf_deinit(&dialog->out);
	arena_deinit(&dialog->arena);
	dialog->fd = -1;
}

void dialog_refuse(int fd, const struct peer *peer, const struct control_context *context,
	const struct request_failure *failure)
{
	struct buf out = buf_init(FRAME_REQUEST_BYTES_MAX);

	hello_write(&out, peer, context);
	if (failure_write(&out, 0, failure) == 0)
		(void)!send(fd, out.data, out.len, MSG_DONTWAIT | MSG_NOSIGNAL);
	buf_deinit(&out);
}

short dialog_events(const struct dialog *dialog)
{
	bool is_reading = !dialog->is_closing && dialog->out.len < DIALOG_OUT_BYTES_HIGH;

	return (short)((is_reading ? POLLIN : 0) | (dialog->out.len ? POLLOUT : 0));
}

bool dialog_is_idle(const struct dialog *dialog, uint64_t now_ns)
{
	for (unsigned i = 0; i < DIALOG_REQUESTS_MAX; i++)
		if (dialog->requests[i].is_used)
			return false;
	return now_ns > clock_after_ms(dialog->active_ns, CONTROL_IDLE_MS);
}

static bool has_line(const struct dialog *dialog)
{
	struct str line;
	size_t used;

	return !dialog->is_closing && dialog->out.len < DIALOG_OUT_BYTES_HIGH &&
	       frame_line(&dialog->in, FRAME_REQUEST_BYTES_MAX, &line, &used) != 0;
}

uint64_t dialog_next_ns(const struct dialog *dialog)
{
	uint64_t next_ns = clock_after_ms(dialog->active_ns, CONTROL_IDLE_MS + 1);

	if (has_line(dialog))
		return 0; /* it had to wait for room, which is there now */
	for (unsigned i = 0; i < DIALOG_REQUESTS_MAX; i++)
		if (dialog->requests[i].is_used)
			next_ns = MIN(next_ns, running_next_ns(&dialog->requests[i]));
	return next_ns;
}

int dialog_pass(struct dialog *dialog, int fd)
{
	if (dialog->pass_fd >= 0) {
		close(fd);
		return -EBUSY;
	}
	dialog->pass_fd = fd;
	return 0;
}

/* --- frames --- */

static int connection_error(struct dialog *dialog, const char *why)
{
	dialog->is_closing = true;
	return failure_write(&dialog->out, 0,
		&(struct request_failure){
			.outcome = OUTCOME_BAD_FRAME, .message = str_cstr(why) });
}

static struct control_request *request_by_id(struct dialog *dialog, int64_t id)
{
	for (unsigned i = 0; i < DIALOG_REQUESTS_MAX; i++)
		if (dialog->requests[i].is_used && dialog->requests[i].id == id)
			return &dialog->requests[i];
	return NULL;
}

static int line_run(struct dialog *dialog, struct str line, uint64_t now_ns)
{
	struct control_request *request;
	struct frame_request frame;
	const char *why = "this is not a frame";
	int r;

	r = frame_parse_request(&dialog->arena, line, &frame, &why);
	if (r == -ENOMEM)
		return r;
	if (r < 0)
		return connection_error(dialog, why);
	request = request_by_id(dialog, frame.id);
	/* Cancelling what has ended is no error: the two messages have crossed. */
	if (frame.type == FRAME_CANCEL)
		return request ? running_cancel(request, now_ns) : 0;
	if (frame.version < FRAME_PROTOCOL_MIN || frame.version > FRAME_PROTOCOL_MAX)
		return connection_error(dialog, "this protocol version is not spoken here");
	if (request)
		return connection_error(dialog, "a request with this id is in progress");
	return running_start(dialog, &frame, now_ns);
}

/* It may have held a password: what runs has copies of its own. */
static void line_forget(struct dialog *dialog, size_t used)
{
	struct buf *in = &dialog->in;
	size_t before = in->len;

	buf_consume(in, used);
	secret_wipe(in->data + in->len, before - in->len);
	arena_reset(&dialog->arena);
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
		line_forget(dialog, used);
		if (r < 0)
			return r;
	}
	return 0;
}

static int requests_progress(struct dialog *dialog, uint64_t now_ns)
{
	for (unsigned i = 0; i < DIALOG_REQUESTS_MAX; i++) {
		int r = 0;

		if (dialog->requests[i].is_used)
			r = running_progress(&dialog->requests[i], now_ns);
		if (r < 0)
			return r;
	}
	return 0;
}

/* --- bytes --- */

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

/* The descriptor travels with the first byte of what is sent. */
static ssize_t send_with_fd(struct dialog *dialog)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = {};
	struct iovec data = { .iov_base = dialog->out.data, .iov_len = dialog->out.len };
	struct msghdr message = { .msg_iov = &data,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes) };
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	ssize_t sent;

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &dialog->pass_fd, sizeof(int));
	sent = sendmsg(dialog->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (sent > 0) {
		close(dialog->pass_fd);
		dialog->pass_fd = -1;
	}
	return sent;
}

static int dialog_write(struct dialog *dialog)
{
	ssize_t sent;

	if (!dialog->out.len)
		return 0;
	if (dialog->pass_fd >= 0)
		sent = send_with_fd(dialog);
	else
		sent = send(
			dialog->fd, dialog->out.data, dialog->out.len, MSG_DONTWAIT | MSG_NOSIGNAL);
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
		r = requests_progress(dialog, now_ns);
	if (r == 0)
		r = dialog_write(dialog);
	if (r == 0 && dialog->is_closing && !dialog->out.len)
		r = -ECONNRESET;
	return r;
}
