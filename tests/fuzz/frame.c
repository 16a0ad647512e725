/* Fuzzing authctl's frames: lines cut from bytes that come in two pieces, and requests from lines.
 */
#include "shared/frame.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "shared/err.h"

#define INPUT_BYTES_MAX 4096
#define LINE_BYTES_MAX 512

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_line(struct str line)
{
	struct frame_request request;
	const struct json *object;
	enum frame_type type;
	struct arena arena;
	const char *why = NULL;
	int64_t id;
	int r;

	assert(line.len <= LINE_BYTES_MAX && !memchr(line.len ? line.data : "", '\n', line.len));
	arena_init(&arena, 4096, 1024 * 1024);
	r = frame_parse_request(&arena, line, &request, &why);
	assert(r == 0 || (r == -ERR_MALFORMED && why && *why));
	if (r == 0) {
		assert(request.type == FRAME_REQ || request.type == FRAME_CANCEL);
		assert(request.id > 0 && request.id < INT64_C(1) << 53);
		assert(request.deadline_ms >= 0 && request.deadline_ms <= 86400000);
		assert(str_is_utf8(request.command) && str_is_utf8(request.req_key));
		assert(!request.args || json_is_object(request.args));
		assert(frame_parse(&arena, line, &type, &id, &object) == 0);
		assert(type == request.type && id == request.id);
	}
	arena_deinit(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf in = buf_init(INPUT_BYTES_MAX);
	struct str line, rest;
	size_t used, cut;
	int r;

	if (size < 1 || size > INPUT_BYTES_MAX)
		return 0;
	cut = data[0] % size;
	rest = str_of((const char *)data, size);
	for (int half = 0; half < 2; half++) {
		struct str part = half ? str_skip(rest, cut) : str_of(rest.data, cut);

		if (buf_append(&in, part) < 0)
			abort();
		while ((r = frame_line(&in, LINE_BYTES_MAX, &line, &used)) == 1) {
			assert(used == line.len + 1 && used <= in.len);
			check_line(line);
			buf_consume(&in, used);
		}
		if (r < 0) {
			assert(r == -ENOBUFS);
			break;
		}
		assert(in.len <= LINE_BYTES_MAX);
	}
	buf_deinit(&in);
	return 0;
}
