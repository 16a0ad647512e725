/*
 * Fuzzing the request parser: the same bytes in one piece and in pieces that the input chooses must
 * tell the same requests. The first bytes seed the sizes of the pieces; the rest is what arrives.
 * Seeds of shapes that no fuzzer finds by chance are put in front of it by the second byte.
 */
#include "http/parser.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "http/head.h"
#include "shared/macros.h"

#define INPUT_BYTES_MAX 32768
#define REQUESTS_MAX 16
#define BODY_BYTES_MAX 512

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Heads to begin with, so that bodies and what follows them are reached at once. */
static const struct str fronts[] = { STR(""), STR("GET / HTTP/1.1\r\nHost: a\r\n"),
	STR("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n"),
	STR("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"),
	STR("POST /p?q HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n"),
	STR("POST / HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: ") };

/* What is told about one request, so that two ways of feeding can be compared. */
struct told {
	enum parse_event event;
	enum problem problem;
	enum http_method method;
	uint64_t texts; /* a hash of path, query, fields and body */
	size_t end;     /* where in the input it ended */
	bool keeps_alive, is_http_1_0;
};

static uint64_t hash(uint64_t seed, struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		seed = (seed ^ (unsigned char)s.data[i]) * UINT64_C(1099511628211);
	return (seed ^ 0xff) * UINT64_C(1099511628211); /* ends differ too */
}

static void check_request(const struct request *request)
{
	assert(request->path.len > 0);
	assert(request->path.data[0] == '/' || str_equal(request->path, STR("*")));
	assert(request->header_count <= HTTP_HEADERS_MAX);
	assert(request->body.len <= request->body_bytes_max);
	for (unsigned i = 0; i < request->header_count; i++) {
		struct str value = request->headers[i].value;

		assert(head_is_token(request->headers[i].name));
		assert(str_equal(value, str_trim(value)));
		for (size_t j = 0; j < value.len; j++)
			assert(value.data[j] == '\t' || (unsigned char)value.data[j] >= ' ');
	}
}

static void tell(struct told *told, const struct request *request, const struct parser *parser)
{
	uint64_t texts = hash(hash(1, request->path), request->query);

	check_request(request);
	for (unsigned i = 0; i < request->header_count; i++)
		texts = hash(hash(texts, request->headers[i].name), request->headers[i].value);
	told->method = request->method;
	told->texts = hash(texts, request->body);
	told->keeps_alive = parser_keeps_alive(parser);
	told->is_http_1_0 = parser_is_http_1_0(parser);
}

/* The next piece: everything, or what the seed says. */
static size_t piece(uint32_t *seed, size_t left)
{
	if (!*seed)
		return left;
	*seed = *seed * 1664525 + 1013904223;
	*seed |= 1;
	return MIN(left, (size_t)1 << (*seed >> 28));
}

static size_t feed(struct str input, uint32_t seed, struct told told[REQUESTS_MAX])
{
	static struct http_header headers[HTTP_HEADERS_MAX];
	struct parser *parser = parser_new();
	size_t at = 0, count = 0;
	struct arena arena;

	if (!parser)
		abort();
	arena_init(&arena, 8192, 1024 * 1024);
	while (at < input.len && count < REQUESTS_MAX) {
		struct request request = {
			.arena = &arena, .headers = headers, .body_bytes_max = BODY_BYTES_MAX
		};
		enum parse_event event = PARSE_MORE;
		size_t used;

		parser_start(parser, &request);
		while ((event == PARSE_MORE && at < input.len) || event == PARSE_HEADERS) {
			size_t n = piece(&seed, input.len - at);

			event = parser_feed(parser, str_of(input.data + at, n), &used);
			assert(used <= n && (used == n || event != PARSE_MORE));
			at += used;
		}
		told[count] = (struct told){ .event = event };
		if (event == PARSE_COMPLETE) {
			tell(&told[count], &request, parser);
			told[count].end = at;
		} else if (event == PARSE_PROBLEM) {
			told[count].problem = parser_problem(parser);
			assert(told[count].problem != PROBLEM_NONE);
		}
		count++;
		arena_reset(&arena);
		if (event != PARSE_COMPLETE)
			break;
	}
	arena_deinit(&arena);
	parser_free(parser);
	return count;
}

/* Where an input breaks two rules at once, the pieces may decide which is told first. */
static bool is_same_problem(enum problem a, enum problem b)
{
	return a == b || (problem_row(a)->status >= 400 && problem_row(b)->status >= 400);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char text[INPUT_BYTES_MAX + 256];
	struct told whole[REQUESTS_MAX], pieces[REQUESTS_MAX];
	struct str front, input;
	size_t count;
	uint32_t seed;

	if (size < 4 || size > INPUT_BYTES_MAX)
		return 0;
	front = fronts[data[0] % ARRAY_SIZE(fronts)];
	memcpy(text, front.data, front.len);
	memcpy(text + front.len, data + 4, size - 4);
	input = str_of(text, front.len + size - 4);
	seed = (uint32_t)data[1] << 16 | (uint32_t)data[2] << 8 | data[3] | 1u;

	count = feed(input, 0, whole);
	assert(feed(input, seed, pieces) == count);
	for (size_t i = 0; i < count; i++) {
		assert(whole[i].event == pieces[i].event);
		assert(is_same_problem(whole[i].problem, pieces[i].problem));
		assert(whole[i].method == pieces[i].method);
		assert(whole[i].texts == pieces[i].texts);
		assert(whole[i].end == pieces[i].end);
		assert(whole[i].keeps_alive == pieces[i].keeps_alive);
		assert(whole[i].is_http_1_0 == pieces[i].is_http_1_0);
	}
	return 0;
}
