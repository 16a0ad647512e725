/*
 * The parser: what it accepts, what it refuses and with which answer. Every case is fed whole and
 * byte by byte, to each llhttp that there is, and all must tell the same.
 */
#include "support/test.h"

#include <stdio.h>
#include <string.h>

#include "http/llhttp_cpu.h"
#include "http/parser.h"
#include "shared/macros.h"

struct parsed {
	struct arena arena;
	struct http_header headers[HTTP_HEADERS_MAX];
	struct request request;
	struct parser *parser;
	enum parse_event event;
	bool has_head;
	size_t used;
};

static void parsed_deinit(struct parsed *parsed)
{
	parser_free(parsed->parser);
	arena_deinit(&parsed->arena);
}

/* Feeds `step` bytes at a time until the request is complete or refused, or the bytes end. */
static void parse(struct parsed *parsed, struct str bytes, size_t step)
{
	size_t used;

	memset(parsed, 0, sizeof(*parsed));
	arena_init(&parsed->arena, 8192, 1024 * 1024);
	parsed->request = (struct request){ .arena = &parsed->arena,
		.headers = parsed->headers,
		.body_bytes_max = HTTP_BODY_BYTES_MAX };
	parsed->parser = parser_new();
	assert_non_null(parsed->parser);
	parser_start(parsed->parser, &parsed->request);
	while (parsed->used < bytes.len || parsed->event == PARSE_HEADERS) {
		size_t n = MIN(step, bytes.len - parsed->used);

		parsed->event =
			parser_feed(parsed->parser, str_of(bytes.data + parsed->used, n), &used);
		parsed->used += used;
		if (parsed->event == PARSE_HEADERS)
			parsed->has_head = true;
		if (parsed->event == PARSE_COMPLETE || parsed->event == PARSE_PROBLEM)
			return;
	}
}

static enum problem problem_of(const struct parsed *parsed)
{
	return parsed->event == PARSE_PROBLEM ? parser_problem(parsed->parser) : PROBLEM_NONE;
}

static void check(struct str bytes, enum parse_event event, enum problem problem)
{
	static const size_t steps[] = { SIZE_MAX, 1, 2, 7, SIZE_MAX, 31 };

	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		_cleanup_(parsed_deinit) struct parsed parsed;

		llhttp_plain_set(i >= 4); /* whatever the processor could do */
		parse(&parsed, bytes, steps[i]);
		if (parsed.event != event || problem_of(&parsed) != problem)
			print_message("step %zu, event %d, problem %s:\n%.200s\n", steps[i],
				parsed.event, problem_row(problem_of(&parsed))->code, bytes.data);
		assert_int_equal(parsed.event, event);
		assert_int_equal(problem_of(&parsed), problem);
	}
}

static void accepts(const char *text)
{
	check(str_cstr(text), PARSE_COMPLETE, PROBLEM_NONE);
}

static void refuses(const char *text, enum problem problem)
{
	check(str_cstr(text), PARSE_PROBLEM, problem);
}

#define HOST "Host: a.example\r\n"
#define GET "GET / HTTP/1.1\r\n" HOST
#define POST "POST /p HTTP/1.1\r\n" HOST
#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"

TEST(a_request_is_taken_apart)
{
	static const char text[] = "PATCH /a/b?x=1&y=%20 HTTP/1.1\r\n" HOST "X-Empty:\r\n"
				   "x-padded: \t two words \t \r\n"
				   "Content-Length: 5\r\n\r\nhelloNEXT";
	static const size_t steps[] = { SIZE_MAX, 1, 3 };

	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		_cleanup_(parsed_deinit) struct parsed parsed;
		struct request *request = &parsed.request;

		parse(&parsed, str_cstr(text), steps[i]);
		assert_int_equal(parsed.event, PARSE_COMPLETE);
		assert_int_equal(parsed.used, sizeof(text) - 1 - strlen("NEXT"));
		assert_int_equal(request->method, METHOD_PATCH);
		assert_true(str_equal(request->path, STR("/a/b")));
		assert_true(str_equal(request->query, STR("x=1&y=%20")));
		assert_int_equal(request->header_count, 4);
		assert_true(str_equal(request_header(request, STR("host")), STR("a.example")));
		assert_non_null(request_header(request, STR("X-EMPTY")).data);
		assert_int_equal(request_header(request, STR("X-EMPTY")).len, 0);
		assert_true(str_equal(request_header(request, STR("X-Padded")), STR("two words")));
		assert_null(request_header(request, STR("X-Absent")).data);
		assert_true(str_equal(request->body, STR("hello")));
	}
}

TEST(a_request_without_body_is_complete_with_its_last_line)
{
	_cleanup_(parsed_deinit) struct parsed parsed;

	parse(&parsed, STR(GET "\r\nGET /next"), SIZE_MAX);
	assert_int_equal(parsed.event, PARSE_COMPLETE);
	assert_int_equal(parsed.used, strlen(GET "\r\n"));
	assert_false(parser_has_body(parsed.parser));
	assert_false(parser_has_length(parsed.parser));
}

TEST(chunks_are_joined)
{
	_cleanup_(parsed_deinit) struct parsed parsed;

	parse(&parsed, STR(CHUNKED "3\r\nabc\r\nA;ext=1\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n"),
		SIZE_MAX);
	assert_int_equal(parsed.event, PARSE_COMPLETE);
	assert_true(str_equal(parsed.request.body, STR("abc0123456789")));
	assert_true(parser_has_length(parsed.parser));
	assert_int_equal(parsed.request.header_count, 2); /* the trailer is dropped */
}

TEST(all_methods_of_the_registry_are_told_or_other)
{
	static const struct {
		const char *name;
		enum http_method method;
	} rows[] = { { "GET", METHOD_GET }, { "HEAD", METHOD_HEAD }, { "POST", METHOD_POST },
		{ "PUT", METHOD_PUT }, { "PATCH", METHOD_PATCH }, { "DELETE", METHOD_DELETE },
		{ "OPTIONS", METHOD_OPTIONS }, { "TRACE", METHOD_OTHER },
		{ "PROPFIND", METHOD_OTHER } };

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_(parsed_deinit) struct parsed parsed;
		char text[100];

		(void)snprintf(text, sizeof(text), "%s / HTTP/1.1\r\n" HOST "\r\n", rows[i].name);
		parse(&parsed, str_cstr(text), SIZE_MAX);
		assert_int_equal(parsed.event, PARSE_COMPLETE);
		assert_int_equal(parsed.request.method, rows[i].method);
	}
}

TEST(methods_that_nobody_knows_are_not_implemented_once_the_head_is_right)
{
	static const char *const methods[] = { "FROB", "get", "GETS", "GE", "G", "P-O_S.T", "PLAY",
		"DESCRIBE", "!#$%&'*+-.^_`|~", "HTTP" };

	for (size_t i = 0; i < ARRAY_SIZE(methods); i++) {
		char text[128];

		(void)snprintf(text, sizeof(text), "%s / HTTP/1.1\r\n" HOST "\r\n", methods[i]);
		refuses(text, PROBLEM_NOT_IMPLEMENTED);
	}
	check(STR("FROB"), PARSE_MORE, PROBLEM_NONE);
	check(STR("FROB / HTTP/1.1\r\n" HOST), PARSE_MORE, PROBLEM_NONE);
	refuses("FROB / HTTP/1.1\r\n" HOST "Content-Length: 1\r\n\r\n", PROBLEM_NOT_IMPLEMENTED);
}

TEST(a_request_is_malformed_whatever_its_method)
{
	static const char *const texts[] = { " / HTTP/1.1\r\n", "\r6",
		"\r\nFROB / HTTP/1.1\r\n" HOST "\r\n", "FR(B / HTTP/1.1\r\n", "FROB\r\n",
		"FROB/ HTTP/1.1\r\n", "FROB\t/ HTTP/1.1\r\n", "FROB  / HTTP/1.1\r\n",
		"FROB / / HTTP/1.1\r\n", "FROB x HTTP/1.1\r\n", "FROB / HTTP/1.1\n" HOST "\r\n",
		"FROB / HTTP/1.1\r\n\r\n", "FROB / HTTP/1.1\r\n" HOST HOST "\r\n",
		"FROB a.example:443 HTTP/1.1\r\n" HOST "\r\n",
		"FR\xc3\xb6"
		"B / HTTP/1.1\r\n",
		"FROB / XTTP/1.1\r\n",
		"FROB / HTTP/1.1\r\n" HOST
		"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n" };

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		refuses(texts[i], PROBLEM_MALFORMED_REQUEST);
	refuses("FROB / HTTP/2.0\r\n" HOST "\r\n", PROBLEM_VERSION_NOT_SUPPORTED);
	refuses("FROB /\r\n\r\n", PROBLEM_VERSION_NOT_SUPPORTED);
}

TEST(a_method_is_bounded_with_the_head)
{
	static char text[HTTP_HEADER_BYTES_MAX + 2];

	memset(text, 'X', sizeof(text) - 2);
	check(str_of(text, HTTP_HEADER_BYTES_MAX), PARSE_MORE, PROBLEM_NONE);
	memset(text, 'X', sizeof(text) - 1);
	refuses(text, PROBLEM_HEADERS_TOO_LARGE);
}

TEST(targets_come_in_three_forms)
{
	static const struct {
		const char *target, *path, *query;
	} rows[] = {
		{ "/", "/", "" },
		{ "/?", "/", "" },
		{ "/a?b?c", "/a", "b?c" },
		{ "//a", "//a", "" },
		{ "http://a.example", "/", "" },
		{ "http://a.example:80/b?c", "/b", "c" },
		{ "HTTPS://[::1]:8443?c", "/", "c" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_(parsed_deinit) struct parsed parsed;
		char text[200];

		(void)snprintf(
			text, sizeof(text), "GET %s HTTP/1.1\r\n" HOST "\r\n", rows[i].target);
		parse(&parsed, str_cstr(text), SIZE_MAX);
		assert_int_equal(parsed.event, PARSE_COMPLETE);
		assert_true(str_equal(parsed.request.path, str_cstr(rows[i].path)));
		assert_true(str_equal(parsed.request.query, str_cstr(rows[i].query)));
	}
	accepts("OPTIONS * HTTP/1.1\r\n" HOST "\r\n");
}

TEST(other_targets_are_refused)
{
	static const char *const targets[] = { "*", "a", "a.example:443", "http://", "http:///x",
		"http://u@a.example/", "ftp://a.example/", "/a#b", "/\xc3\xa4", "/\x01", "/\x7f" };

	for (size_t i = 0; i < ARRAY_SIZE(targets); i++) {
		char text[200];

		(void)snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\n" HOST "\r\n", targets[i]);
		refuses(text, PROBLEM_MALFORMED_REQUEST);
	}
	refuses("CONNECT a.example:443 HTTP/1.1\r\n" HOST "\r\n", PROBLEM_MALFORMED_REQUEST);
	refuses("OPTIONS *?a HTTP/1.1\r\n" HOST "\r\n", PROBLEM_MALFORMED_REQUEST);
}

TEST(a_host_is_said_exactly_once)
{
	accepts("GET / HTTP/1.0\r\n\r\n");
	accepts("GET / HTTP/1.1\r\nHost:\r\n\r\n");
	accepts("GET / HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n");
	refuses("GET / HTTP/1.1\r\n\r\n", PROBLEM_MALFORMED_REQUEST);
	refuses(GET HOST "\r\n", PROBLEM_MALFORMED_REQUEST);
	refuses(GET "Host: b.example\r\n\r\n", PROBLEM_MALFORMED_REQUEST);
	refuses("GET / HTTP/1.0\r\n" HOST HOST "\r\n", PROBLEM_MALFORMED_REQUEST);
	refuses("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", PROBLEM_MALFORMED_REQUEST);
	refuses("GET / HTTP/1.1\r\nHost: a,b\r\n\r\n", PROBLEM_MALFORMED_REQUEST);
	refuses("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", PROBLEM_MALFORMED_REQUEST);
	refuses("GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", PROBLEM_MALFORMED_REQUEST);
}

TEST(credentials_are_said_at_most_once)
{
	accepts(GET "Authorization: Bearer a\r\n\r\n");
	refuses(GET "Authorization: Bearer a\r\nAuthorization: Bearer b\r\n\r\n",
		PROBLEM_MALFORMED_REQUEST);
	refuses(GET "Authorization: Bearer a\r\nX: 1\r\nauthorization:\r\n\r\n",
		PROBLEM_MALFORMED_REQUEST);
	accepts(GET "Authorizatiom: a\r\nAuthorizatiom: b\r\n\r\n");
}

TEST(a_body_whose_length_is_ambiguous_is_refused)
{
	static const char *const lengths[] = { "Content-Length: 5\r\nContent-Length: 5\r\n",
		"Content-Length: 5\r\nContent-Length: 6\r\n", "Content-Length: 5, 5\r\n",
		"Content-Length: +5\r\n", "Content-Length: -5\r\n", "Content-Length: 0x5\r\n",
		"Content-Length: 5 5\r\n", "Content-Length:\r\n", "Content-Length: 5.0\r\n",
		"Content-Length: 99999999999999999999\r\n", "Content-Length : 5\r\n",
		" Content-Length: 5\r\n", "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
		"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
		"Transfer-Encoding : chunked\r\n", "Transfer-Encoding:\r\n chunked\r\n" };

	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		char text[300];

		(void)snprintf(text, sizeof(text), POST "%s\r\nhello", lengths[i]);
		refuses(text, PROBLEM_MALFORMED_REQUEST);
	}
	refuses("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		PROBLEM_MALFORMED_REQUEST);
}

TEST(transfer_codings_but_one_chunked_are_refused)
{
	static const char *const codings[] = { "gzip", "gzip, chunked", "chunked, gzip",
		"chunked, chunked", "chunked, identity", "identity", "xchunked", "chunked\x0b",
		"\"chunked\"", "" };

	for (size_t i = 0; i < ARRAY_SIZE(codings); i++) {
		static const size_t steps[] = { SIZE_MAX, 1 };
		char text[300];

		(void)snprintf(text, sizeof(text), POST "Transfer-Encoding: %s\r\n\r\n0\r\n\r\n",
			codings[i]);
		for (size_t j = 0; j < ARRAY_SIZE(steps); j++) {
			_cleanup_(parsed_deinit) struct parsed parsed;
			enum problem problem;

			parse(&parsed, str_cstr(text), steps[j]);
			problem = problem_of(&parsed);
			/* Which of the two depends on who notices first. */
			assert_true(problem == PROBLEM_NOT_IMPLEMENTED ||
				    problem == PROBLEM_MALFORMED_REQUEST);
		}
	}
	refuses(POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		PROBLEM_MALFORMED_REQUEST);
}

TEST(lines_end_in_cr_lf_and_nothing_else)
{
	refuses("GET / HTTP/1.1\n" HOST "\r\n", PROBLEM_MALFORMED_REQUEST);
	refuses("GET / HTTP/1.1\r\nHost: a\n\r\n", PROBLEM_MALFORMED_REQUEST);
	refuses("GET / HTTP/1.1\r\nHost: a\r\n\n", PROBLEM_MALFORMED_REQUEST);
	refuses("GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n", PROBLEM_MALFORMED_REQUEST);
	refuses("GET / HTTP/1.1\r\nHost: a\r\rX: b\r\n\r\n", PROBLEM_MALFORMED_REQUEST);
	refuses("GET / HTTP/1.1\r\nHost: a\r\n\rX: b\r\n\r\n", PROBLEM_MALFORMED_REQUEST);
	refuses("GET / HTTP/1.1\rHost: a\r\n\r\n", PROBLEM_MALFORMED_REQUEST);
	refuses(GET "X: a\r\n b\r\n\r\n", PROBLEM_MALFORMED_REQUEST);
	refuses(GET "X: a\r\n\tb\r\n\r\n", PROBLEM_MALFORMED_REQUEST);
	refuses(GET "X:\r\n a\r\n\r\n", PROBLEM_MALFORMED_REQUEST);
	refuses(GET "X: a\r\n \r\n\r\n", PROBLEM_MALFORMED_REQUEST);
}

TEST(a_request_line_has_two_spaces)
{
	refuses("GET  / HTTP/1.1\r\n" HOST "\r\n", PROBLEM_MALFORMED_REQUEST);
	refuses("GET /  HTTP/1.1\r\n" HOST "\r\n", PROBLEM_MALFORMED_REQUEST);
	refuses("GET / HTTP/1.1 \r\n" HOST "\r\n", PROBLEM_MALFORMED_REQUEST);
	refuses(" GET / HTTP/1.1\r\n" HOST "\r\n", PROBLEM_MALFORMED_REQUEST);
	accepts("GET / HTTP/1.1\r\nHost:   a   \r\n\r\n");
}

TEST(fields_have_names_and_visible_values)
{
	accepts(GET "x!#$%&'*+-.^_`|~9: \x80\xff\ttab\r\n\r\n");
	refuses(GET ": a\r\n\r\n", PROBLEM_MALFORMED_REQUEST);
	refuses(GET "a b: c\r\n\r\n", PROBLEM_MALFORMED_REQUEST);
	refuses(GET "a : c\r\n\r\n", PROBLEM_MALFORMED_REQUEST);
	refuses(GET "a\r\n\r\n", PROBLEM_MALFORMED_REQUEST);
	refuses(GET "(a): c\r\n\r\n", PROBLEM_MALFORMED_REQUEST);
	refuses(GET "\xc3\xa4: c\r\n\r\n", PROBLEM_MALFORMED_REQUEST);
	refuses(GET "a: b\x01\r\n\r\n", PROBLEM_MALFORMED_REQUEST);
	refuses(GET "a: b\x7f\r\n\r\n", PROBLEM_MALFORMED_REQUEST);
	check(STR(GET "a: b\0c\r\n\r\n"), PARSE_PROBLEM, PROBLEM_MALFORMED_REQUEST);
	check(STR(GET "a\0b: c\r\n\r\n"), PARSE_PROBLEM, PROBLEM_MALFORMED_REQUEST);
}

TEST(each_llhttp_takes_the_same_bytes_wherever_they_stand)
{
	const struct str head = STR("GET / HTTP/1.1\r\nHost: a\r\n");
	char text[] = "GET / HTTP/1.1\r\nHost: a\r\n"
		      "name-of-more-than-thirty-two-bytes: a value that is as long as that\r\n\r\n";

	for (size_t at = head.len; at < sizeof(text) - 1; at++) {
		char kept = text[at];

		for (int byte = 0; byte < 256; byte++) {
			_cleanup_(parsed_deinit) struct parsed wide, plain;

			text[at] = (char)byte;
			llhttp_plain_set(false);
			parse(&wide, str_of(text, sizeof(text) - 1), SIZE_MAX);
			llhttp_plain_set(true);
			parse(&plain, str_of(text, sizeof(text) - 1), SIZE_MAX);
			assert_int_equal(wide.event, plain.event);
			assert_int_equal(problem_of(&wide), problem_of(&plain));
			assert_int_equal(wide.used, plain.used);
		}
		text[at] = kept;
	}
	llhttp_plain_set(false);
}

TEST(chunks_are_read_strictly)
{
	static const char *const bodies[] = { "\r\n", "x\r\n", "-1\r\na\r\n", "0x1\r\na\r\n",
		"+1\r\na\r\n", "1\na\r\n0\r\n\r\n", "1\r\na\n0\r\n\r\n", "1\r\na0\r\n\r\n",
		"1\r\nab\r\n0\r\n\r\n", "1 \r\na\r\n0\r\n\r\n", " 1\r\na\r\n0\r\n\r\n",
		"1;e\na\r\n0\r\n\r\n", "1\ra\r\n0\r\n\r\n", "1\r\na\r0\r\n\r\n",
		"1;\x01\r\na\r\n0\r\n\r\n", "0\r\n\n", "0\n\r\n", "0\r\nA: b\n\r\n",
		"0\r\nA : b\r\n\r\n", "0\r\nA: b\r\n c\r\n\r\n", "ffffffffffffffffff\r\na\r\n" };

	accepts(CHUNKED "0\r\n\r\n");
	accepts(CHUNKED "00\r\n\r\n");
	accepts(CHUNKED "a;b=c\r\n0123456789\r\n000\r\n\r\n");
	for (size_t i = 0; i < ARRAY_SIZE(bodies); i++) {
		static const size_t steps[] = { SIZE_MAX, 1 };
		char text[300];

		(void)snprintf(text, sizeof(text), CHUNKED "%s", bodies[i]);
		for (size_t j = 0; j < ARRAY_SIZE(steps); j++) {
			_cleanup_(parsed_deinit) struct parsed parsed;

			parse(&parsed, str_cstr(text), steps[j]);
			if (parsed.event != PARSE_PROBLEM)
				print_message("chunks %zu: %s\n", i, bodies[i]);
			assert_int_equal(parsed.event, PARSE_PROBLEM);
		}
	}
}

TEST(other_versions_are_refused)
{
	refuses("GET / HTTP/2.0\r\n" HOST "\r\n", PROBLEM_VERSION_NOT_SUPPORTED);
	refuses("GET / HTTP/0.9\r\n" HOST "\r\n", PROBLEM_VERSION_NOT_SUPPORTED);
	refuses("GET / HTTP/3.1\r\n" HOST "\r\n", PROBLEM_VERSION_NOT_SUPPORTED);
	refuses("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", PROBLEM_VERSION_NOT_SUPPORTED);
	refuses("GET / http/1.1\r\n" HOST "\r\n", PROBLEM_MALFORMED_REQUEST);
	refuses("\x16\x03\x01\x02", PROBLEM_MALFORMED_REQUEST); /* TLS */
	refuses("SSH-2.0-x\r\n", PROBLEM_MALFORMED_REQUEST);
}

TEST(connections_stay_as_rfc_9112_says)
{
	static const struct {
		const char *text;
		bool keeps_alive;
	} rows[] = {
		{ GET "\r\n", true },
		{ GET "Connection: close\r\n\r\n", false },
		{ GET "Connection: Close\r\n\r\n", false },
		{ GET "Connection: foo, close\r\n\r\n", false },
		{ GET "Connection: keep-alive\r\n\r\n", true },
		{ "GET / HTTP/1.0\r\n\r\n", false },
		{ "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", true },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_(parsed_deinit) struct parsed parsed;

		parse(&parsed, str_cstr(rows[i].text), SIZE_MAX);
		assert_int_equal(parsed.event, PARSE_COMPLETE);
		assert_int_equal(parser_keeps_alive(parsed.parser), rows[i].keeps_alive);
	}
}

TEST(an_upgrade_is_ignored)
{
	accepts(GET "Connection: upgrade\r\nUpgrade: websocket\r\n\r\n");
	accepts(POST "Connection: upgrade\r\nUpgrade: h2c\r\nContent-Length: 1\r\n\r\nx");
	accepts(POST
		"Connection: upgrade\r\nUpgrade: h2c\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
}

/* --- limits: at the limit and one past it --- */

static char big[512 * 1024];

/* prefix, `fill` times n, suffix */
static struct str text_of(const char *prefix, char fill, size_t n, const char *suffix)
{
	size_t before = strlen(prefix), after = strlen(suffix);

	assert_true(before + n + after <= sizeof(big));
	memcpy(big, prefix, before);
	memset(big + before, fill, n);
	memcpy(big + before + n, suffix, after);
	return str_of(big, before + n + after);
}

TEST(a_target_of_8_kib_is_the_longest)
{
	static const char rest[] = " HTTP/1.1\r\n" HOST "\r\n";

	check(text_of("GET /", 'a', HTTP_TARGET_BYTES_MAX - 1, rest), PARSE_COMPLETE, PROBLEM_NONE);
	check(text_of("GET /", 'a', HTTP_TARGET_BYTES_MAX, rest), PARSE_PROBLEM,
		PROBLEM_URI_TOO_LONG);
	check(text_of("GET /", 'a', 100 * 1024, ""), PARSE_PROBLEM, PROBLEM_URI_TOO_LONG);
}

TEST(a_head_of_16_kib_is_the_largest)
{
	static const char start[] = GET "X: ", end[] = "\r\n\r\n";
	size_t n = HTTP_HEADER_BYTES_MAX - strlen(start) - strlen(end);

	check(text_of(start, 'a', n, end), PARSE_COMPLETE, PROBLEM_NONE);
	check(text_of(start, 'a', n + 1, end), PARSE_PROBLEM, PROBLEM_HEADERS_TOO_LARGE);
	check(text_of(start, ' ', n + 1, end), PARSE_PROBLEM, PROBLEM_HEADERS_TOO_LARGE);
	check(text_of(start, 'a', 100 * 1024, ""), PARSE_PROBLEM, PROBLEM_HEADERS_TOO_LARGE);
	check(text_of(GET, 'a', 100 * 1024, ""), PARSE_PROBLEM, PROBLEM_HEADERS_TOO_LARGE);
}

static struct str fields_of(unsigned count)
{
	size_t len = strlen(GET);

	memcpy(big, GET, len);
	for (unsigned i = 1; i < count; i++)
		len += (size_t)snprintf(big + len, sizeof(big) - len, "x%u: y\r\n", i);
	memcpy(big + len, "\r\n", 2);
	return str_of(big, len + 2);
}

TEST(a_hundred_fields_are_the_most)
{
	check(fields_of(HTTP_HEADERS_MAX), PARSE_COMPLETE, PROBLEM_NONE);
	check(fields_of(HTTP_HEADERS_MAX + 1), PARSE_PROBLEM, PROBLEM_HEADERS_TOO_LARGE);
}

TEST(a_body_in_chunks_may_not_grow_past_its_maximum)
{
	check(text_of(CHUNKED "10000\r\n", 'a', HTTP_BODY_BYTES_MAX, "\r\n0\r\n\r\n"),
		PARSE_COMPLETE, PROBLEM_NONE);
	check(text_of(CHUNKED "10001\r\n", 'a', HTTP_BODY_BYTES_MAX + 1, "\r\n0\r\n\r\n"),
		PARSE_PROBLEM, PROBLEM_BODY_TOO_LARGE);
}

TEST(a_chunk_that_cannot_fit_is_not_waited_for)
{
	refuses(CHUNKED "10001\r\n", PROBLEM_BODY_TOO_LARGE);
	refuses(CHUNKED "ffffffffffffffff\r\n", PROBLEM_BODY_TOO_LARGE);
	refuses(CHUNKED "1\r\nx\r\n10000\r\n", PROBLEM_BODY_TOO_LARGE);
}

TEST(extensions_and_trailers_are_bounded)
{
	check(text_of(CHUNKED "1;a=", 'b', 15 * 1024, "\r\nx\r\n0\r\n\r\n"), PARSE_COMPLETE,
		PROBLEM_NONE);
	check(text_of(CHUNKED "1;a=", 'b', 100 * 1024, ""), PARSE_PROBLEM, PROBLEM_BODY_TOO_LARGE);
	check(text_of(CHUNKED "0\r\nX: ", 'b', 100 * 1024, ""), PARSE_PROBLEM,
		PROBLEM_BODY_TOO_LARGE);
	check(text_of(CHUNKED, '0', 100 * 1024, ""), PARSE_PROBLEM, PROBLEM_BODY_TOO_LARGE);
}

TEST(a_body_in_single_bytes_costs_no_more_memory)
{
	_cleanup_(parsed_deinit) struct parsed parsed;
	struct str text =
		text_of(POST "Content-Length: 65536\r\n\r\n", 'a', HTTP_BODY_BYTES_MAX, "");

	parse(&parsed, text, 1);
	assert_int_equal(parsed.event, PARSE_COMPLETE);
	assert_int_equal(parsed.request.body.len, HTTP_BODY_BYTES_MAX);
	assert_in_range(parsed.arena.bytes_used, 0, HTTP_BODY_BYTES_MAX + 4096);
}
