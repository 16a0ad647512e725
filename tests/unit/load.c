/* The load generator's parts that need no socket: reading answers, making requests, plans. */
#include "support/test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "load/answer.h"
#include "load/plan.h"
#include "load/renewal.h"
#include "shared/err.h"

/* --- answers --- */

/* Feeds text in pieces of `step` bytes; the result of the last piece, and how much was taken. */
static int feed(struct answer *answer, struct str text, size_t step, size_t *ret_used)
{
	int r = 0;

	*ret_used = 0;
	while (r == 0 && *ret_used < text.len) {
		struct str rest = str_skip(text, *ret_used);
		size_t used = 0;

		r = answer_feed(
			answer, str_of(rest.data, step < rest.len ? step : rest.len), &used);
		*ret_used += used;
	}
	return r;
}

/* A whole answer, however it is cut, ends at its last byte and not before or behind it. */
static void check_whole(struct str text, bool is_to_head, unsigned status, bool is_closing)
{
	char longer[512];

	assert_true(text.len < sizeof(longer));
	(void)snprintf(longer, sizeof(longer), STR_FORMAT "X", STR_ARGS(text));
	for (size_t step = 1; step <= text.len + 1; step++) {
		struct answer answer;
		size_t used;

		answer_init(&answer, is_to_head);
		assert_int_equal(feed(&answer, str_of(longer, text.len + 1), step, &used), 1);
		assert_int_equal(used, text.len);
		assert_int_equal(answer.status, status);
		assert_int_equal(answer.is_closing, is_closing);
	}
}

TEST(an_answer_ends_with_its_length)
{
	check_whole(STR("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"), false, 200, false);
	check_whole(STR("HTTP/1.1 503 No\r\ncontent-length:  2\r\nConnection: Close\r\n\r\n{}"),
		false, 503, true);
	check_whole(STR("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), false, 200, false);
}

TEST(an_answer_without_a_body_ends_with_its_head)
{
	check_whole(
		STR("HTTP/1.1 204 No Content\r\nX-Long: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n\r\n"),
		false, 204, false);
	check_whole(
		STR("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n"), false, 304, false);
	check_whole(STR("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"), true, 200, false);
}

TEST(an_answer_in_chunks_ends_with_its_trailer)
{
	check_whole(STR("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
			"5\r\nhello\r\nA;x=y\r\n0123456789\r\n0\r\nT: 1\r\n\r\n"),
		false, 200, false);
}

TEST(an_interim_answer_is_skipped)
{
	check_whole(STR("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\n"
			"Content-Length: 1\r\n\r\n1"),
		false, 201, false);
}

TEST(an_answer_without_length_ends_with_the_connection)
{
	struct answer answer;
	size_t used;

	answer_init(&answer, false);
	assert_int_equal(answer_end(&answer), 0);
	assert_int_equal(feed(&answer, STR("HTTP/1.0 200 OK\r\n\r\nabc"), 4, &used), 0);
	assert_int_equal(answer_end(&answer), 1);
	assert_true(answer.is_closing);
}

TEST(what_is_no_answer_is_malformed)
{
	const struct str texts[] = { STR("SSH-2.0-x\r\n"), STR("HTTP/1.1 20\r\n"),
		STR("HTTP/1.1 xyz OK\r\n"), STR("HTTP/1.1 200 OK\r\nno colon\r\n"),
		STR("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n"),
		STR("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\ngg\r\n"),
		STR("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n") };

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct answer answer;
		size_t used;

		answer_init(&answer, false);
		assert_int_equal(feed(&answer, texts[i], 3, &used), -ERR_MALFORMED);
	}
}

TEST(a_head_without_end_is_malformed_at_its_maximum)
{
	struct answer answer;
	size_t used, fed = 0;
	int r = 0;

	answer_init(&answer, false);
	assert_int_equal(feed(&answer, STR("HTTP/1.1 200 OK\r\n"), 64, &used), 0);
	while (r == 0 && fed < 2 * ANSWER_HEAD_BYTES_MAX) {
		r = answer_feed(&answer, STR("A: b\r\n"), &used);
		fed += used;
	}
	assert_int_equal(r, -ERR_MALFORMED);
	assert_in_range(fed, ANSWER_HEAD_BYTES_MAX - 64, ANSWER_HEAD_BYTES_MAX + 64);
}

/* --- plans and requests --- */

static int plan_of(const char *text, struct plan *plan)
{
	char path[] = "/tmp/authd-plan-XXXXXX";
	int r, fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	r = plan_load(path, plan);
	unlink(path);
	return r;
}

TEST(a_plan_is_read_with_its_defaults)
{
	_cleanup_(plan_deinit) struct plan plan;

	assert_int_equal(plan_of("{\"target\":\"127.0.0.1:80\",\"seconds\":0.5,\"streams\":["
				 "{\"name\":\"a\",\"rate\":2.5},{\"kind\":\"closed\","
				 "\"connections\":7,\"reuse\":false}]}",
				 &plan),
		0);
	assert_int_equal(plan.stream_count, 2);
	assert_int_equal(plan.seconds_ns, 500000000);
	assert_string_equal(plan.streams[0].name, "a");
	assert_int_equal(plan.streams[0].kind, STREAM_OPEN);
	assert_true(plan.streams[0].rate == 2.5);
	assert_true(plan.streams[0].is_poisson && plan.streams[0].is_reusing);
	assert_int_equal(plan.streams[1].kind, STREAM_CLOSED);
	assert_int_equal(plan.streams[1].connections, 7);
	assert_false(plan.streams[1].is_reusing);
}

TEST(only_loopback_is_a_target)
{
	const char *const refused[] = { "10.0.0.1:80", "8.8.8.8:80", "0.0.0.0:80", "128.0.0.1:80",
		"[::]:80", "[2001:db8::1]:80", "localhost:80", "127.0.0.1", "127.0.0.1:0",
		"127.0.0.1:65536", "" };
	const char *const taken[] = { "127.0.0.1:80", "127.9.9.9:65535", "[::1]:80" };
	char text[128];

	for (size_t i = 0; i < ARRAY_SIZE(refused) + ARRAY_SIZE(taken); i++) {
		bool is_refused = i < ARRAY_SIZE(refused);
		_cleanup_(plan_deinit) struct plan plan;

		(void)snprintf(text, sizeof(text), "{\"target\":\"%s\",\"streams\":[{\"rate\":1}]}",
			is_refused ? refused[i] : taken[i - ARRAY_SIZE(refused)]);
		assert_int_equal(plan_of(text, &plan), is_refused ? -EINVAL : 0);
	}
}

TEST(a_wrong_plan_is_refused)
{
	const char *const members[] = { "\"rate\":0", "\"rate\":-1", "\"rate\":\"1\"",
		"\"rate\":1,\"kind\":\"fast\"", "\"rate\":1,\"timeout\":0",
		"\"rate\":1,\"lines\":\"/nonexistent\"", "\"rate\":1,\"headers\":[1]",
		"\"rate\":1,\"headers\":[\"A: b\\nC: d\"]",
		"\"kind\":\"closed\",\"connections\":1.5" };
	char text[256];

	for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
		_cleanup_(plan_deinit) struct plan plan;

		(void)snprintf(text, sizeof(text),
			"{\"target\":\"127.0.0.1:80\",\"streams\":[{%s}]}", members[i]);
		assert_int_equal(plan_of(text, &plan), -EINVAL);
	}
}

static void check_request(const struct stream_plan *stream, uint64_t number, const char *expected)
{
	_cleanup_(buf_deinit) struct buf out = buf_init(REQUEST_BYTES_MAX);

	assert_int_equal(request_render(stream, number, request_line(stream, number), &out), 0);
	assert_int_equal(buf_append_char(&out, '\0'), 0);
	assert_string_equal(out.data, expected);
}

TEST(numbers_and_lines_are_put_into_requests_and_other_braces_stay)
{
	const struct str lines[] = { STR("one"), STR("two") };
	struct stream_plan stream = { .head = STR("POST /{n} HTTP/1.1\r\nA: {line}\r\n"),
		.body = STR("{\"n\":{n},\"{x}\":\"{line}\"}{"),
		.has_body = true,
		.numbers = 3,
		.lines = lines,
		.line_count = 2 };

	check_request(&stream, 0,
		"POST /0 HTTP/1.1\r\nA: one\r\nContent-Length: 20\r\n\r\n"
		"{\"n\":0,\"{x}\":\"one\"}{");
	check_request(&stream, 5,
		"POST /2 HTTP/1.1\r\nA: two\r\nContent-Length: 20\r\n\r\n"
		"{\"n\":2,\"{x}\":\"two\"}{");
}

TEST(a_request_without_a_body_has_no_length)
{
	struct stream_plan stream = { .head = STR("GET / HTTP/1.1\r\n") };

	check_request(&stream, 7, "GET / HTTP/1.1\r\n\r\n");
}

TEST(a_request_past_its_maximum_is_refused)
{
	static char large[REQUEST_BYTES_MAX + 1];
	_cleanup_(buf_deinit) struct buf out = buf_init(REQUEST_BYTES_MAX);
	struct stream_plan stream = { .head = STR("POST / HTTP/1.1\r\n"),
		.body = str_of(large, sizeof(large)),
		.has_body = true };

	assert_int_equal(request_render(&stream, 0, request_line(&stream, 0), &out), -ENOBUFS);
}

/* --- what an answer gives for the next request --- */

static void check_renewal(struct str bytes, const char *expected)
{
	for (size_t step = 1; step <= bytes.len; step++) {
		struct renewal renewal;
		struct str text;

		renewal_init(&renewal);
		for (size_t at = 0; at < bytes.len; at += step)
			renewal_feed(&renewal, STR("\"token\":\""),
				str_of(bytes.data + at, MIN(step, bytes.len - at)));
		text = renewal_text(&renewal);
		if (!expected)
			assert_null(text.data);
		else
			assert_true(str_equal(text, str_cstr(expected)));
	}
}

TEST(the_text_of_a_key_is_found_however_the_answer_is_cut)
{
	check_renewal(STR("HTTP/1.1 200 OK\r\n\r\n{\"a\":{\"token\":\"one\"}}"), "one");
	check_renewal(STR("\"token\",\"token\":1,\"\"token\":\"two\",\"token\":\"three\""), "two");
	check_renewal(STR("{\"atoken\":\"no\",\"token\":\"\"}"), "");
}

TEST(a_key_without_a_whole_text_gives_nothing)
{
	check_renewal(STR("{\"token\":1}"), NULL);
	check_renewal(STR("{\"token\":\"cut"), NULL);
	check_renewal(STR("{\"tokens\":\"no\"}"), NULL);
}

TEST(a_text_past_its_maximum_is_not_taken)
{
	char bytes[RENEWAL_BYTES_MAX + 32];

	for (int extra = 0; extra < 2; extra++) {
		int len = snprintf(
			bytes, sizeof(bytes), "\"token\":\"%0*d\"", RENEWAL_BYTES_MAX + extra, 7);
		struct renewal renewal;

		renewal_init(&renewal);
		renewal_feed(&renewal, STR("\"token\":\""), str_of(bytes, (size_t)len));
		assert_int_equal(renewal_text(&renewal).len, extra ? 0 : RENEWAL_BYTES_MAX);
	}
}
