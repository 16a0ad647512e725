/* Lines and frames of authctl's protocol: see frame.h. */
#include "shared/frame.h"

#include <errno.h>

#include "shared/err.h"
#include "shared/macros.h"

#define DEADLINE_MS_MAX INT64_C(86400000) /* 24 h: nobody waits longer for one command */
#define ID_MAX (INT64_C(1) << 53)

int frame_line(const struct buf *in, size_t bytes_max, struct str *ret_line, size_t *ret_used)
{
	ptrdiff_t end = str_index(buf_str(in), '\n');

	if (end < 0)
		return in->len > bytes_max ? -ENOBUFS : 0;
	if ((size_t)end > bytes_max)
		return -ENOBUFS;
	*ret_line = str_of(in->data, (size_t)end);
	*ret_used = (size_t)end + 1;
	return 1;
}

const char *frame_type_name(enum frame_type type)
{
	static const char *const names[FRAME_TYPES] = { "hello", "req", "cancel", "head", "row",
		"evt", "hb", "end" };

	return names[type];
}

int frame_parse(struct arena *arena, struct str line, enum frame_type *ret_type, int64_t *ret_id,
	const struct json **ret_object)
{
	const struct json *object;
	struct str name;
	int r;

	r = json_parse(arena, line, &json_limits_frame, &object);
	if (r < 0)
		return r;
	if (json_get_str(json_member(object, "t"), &name) < 0)
		return -ERR_MALFORMED;
	for (enum frame_type type = 0; type < FRAME_TYPES; type++) {
		if (!str_equal(name, str_cstr(frame_type_name(type))))
			continue;
		*ret_type = type;
		if (json_get_i64(json_member(object, "id"), ret_id) < 0)
			*ret_id = -1;
		*ret_object = object;
		return 0;
	}
	return -ERR_MALFORMED;
}

static int refuse(const char *why, const char **ret_why)
{
	*ret_why = why;
	return -ERR_MALFORMED;
}

/* A member that may be missing: true unless it has another type. */
static bool optional_i64(const struct json *object, const char *key, int64_t *value)
{
	int r = json_get_i64(json_member(object, key), value);

	return r == 0 || r == -ENOENT;
}

static int parse_req(const struct json *object, struct frame_request *request, const char **ret_why)
{
	const struct json *args = json_member(object, "args");
	int r;

	if (json_get_str(json_member(object, "cmd"), &request->command) < 0)
		return refuse("a req needs \"cmd\", a text", ret_why);
	if (args && !json_is_object(args))
		return refuse("\"args\" must be an object", ret_why);
	request->args = args;
	if (!optional_i64(object, "v", &request->version))
		return refuse("\"v\" must be an integer", ret_why);
	if (!optional_i64(object, "deadline_ms", &request->deadline_ms) ||
		request->deadline_ms < 0 || request->deadline_ms > DEADLINE_MS_MAX)
		return refuse("\"deadline_ms\" must be an integer from 0 to 86400000", ret_why);
	r = json_get_str(json_member(object, "req_key"), &request->req_key);
	if ((r < 0 && r != -ENOENT) || request->req_key.len > FRAME_KEY_BYTES_MAX)
		return refuse("\"req_key\" must be a text of at most 64 bytes", ret_why);
	r = json_get_str(json_member(object, "yes"), &request->yes);
	if (r < 0 && r != -ENOENT)
		return refuse("\"yes\" must be a text", ret_why);
	if (!optional_i64(object, "if_gen", &request->generation))
		return refuse("\"if_gen\" must be an integer", ret_why);
	r = json_get_bool(json_member(object, "dry_run"), &request->is_dry_run);
	if (r < 0 && r != -ENOENT)
		return refuse("\"dry_run\" must be true or false", ret_why);
	return 0;
}

int frame_parse_request(struct arena *arena, struct str line, struct frame_request *ret_request,
	const char **ret_why)
{
	struct frame_request request = { .version = 1, .generation = -1 };
	const struct json *object;
	int r;

	r = frame_parse(arena, line, &request.type, &request.id, &object);
	if (r == -ERR_MALFORMED)
		return refuse("not a JSON object with a known \"t\"", ret_why);
	if (r < 0)
		return r;
	if (request.type != FRAME_REQ && request.type != FRAME_CANCEL)
		return refuse("a client sends only \"req\" and \"cancel\"", ret_why);
	if (request.id < 1 || request.id >= ID_MAX)
		return refuse("\"id\" must be a positive integer", ret_why);
	if (request.type == FRAME_REQ) {
		r = parse_req(object, &request, ret_why);
		if (r < 0)
			return r;
	}
	*ret_request = request;
	return 0;
}
