/* authctl's frames: cutting lines, reading requests, refusing with a reason. */
#include "support/test.h"

#include <errno.h>
#include <string.h>

#include "shared/err.h"
#include "shared/frame.h"
#include "shared/macros.h"

static struct arena arena;

static void append(struct buf *in, struct str text)
{
	assert_int_equal(buf_append(in, text), 0);
}

TEST(a_line_is_taken_when_it_is_whole)
{
	_cleanup_(buf_deinit) struct buf in = buf_init(100);
	struct str line;
	size_t used;

	assert_int_equal(frame_line(&in, 10, &line, &used), 0);
	append(&in, STR("abc"));
	assert_int_equal(frame_line(&in, 10, &line, &used), 0);
	append(&in, STR("d\nef\n"));
	assert_int_equal(frame_line(&in, 10, &line, &used), 1);
	assert_true(str_equal(line, STR("abcd")));
	assert_int_equal(used, 5);
	buf_consume(&in, used);
	assert_int_equal(frame_line(&in, 10, &line, &used), 1);
	assert_true(str_equal(line, STR("ef")));
}

TEST(an_empty_line_is_a_line)
{
	_cleanup_(buf_deinit) struct buf in = buf_init(100);
	struct str line;
	size_t used;

	append(&in, STR("\n"));
	assert_int_equal(frame_line(&in, 10, &line, &used), 1);
	assert_int_equal(line.len, 0);
	assert_int_equal(used, 1);
}

TEST(a_line_ends_within_its_maximum)
{
	_cleanup_(buf_deinit) struct buf in = buf_init(100);
	struct str line;
	size_t used;

	append(&in, STR("12345"));
	assert_int_equal(frame_line(&in, 5, &line, &used), 0);
	append(&in, STR("\n"));
	assert_int_equal(frame_line(&in, 5, &line, &used), 1);
	assert_int_equal(frame_line(&in, 4, &line, &used), -ENOBUFS);
	buf_clear(&in);
	append(&in, STR("123456"));
	assert_int_equal(frame_line(&in, 5, &line, &used), -ENOBUFS);
}

static int parse(const char *text, struct frame_request *request, const char **why)
{
	arena_deinit(&arena);
	arena_init(&arena, 4096, 65536);
	return frame_parse_request(&arena, str_cstr(text), request, why);
}

static void done(void)
{
	arena_deinit(&arena);
}

TEST(a_request_is_taken_apart)
{
	struct frame_request request;
	const char *why;
	struct str wanted;

	assert_int_equal(
		parse("{\"t\":\"req\",\"id\":7,\"v\":1,\"cmd\":\"conn.list\",\"args\":{\"state\":"
		      "\"idle\"},\"deadline_ms\":2500,\"req_key\":\"k\",\"dry_run\":true,"
		      "\"later\":[]}",
			&request, &why),
		0);
	assert_int_equal(request.type, FRAME_REQ);
	assert_int_equal(request.id, 7);
	assert_int_equal(request.version, 1);
	assert_true(str_equal(request.command, STR("conn.list")));
	assert_int_equal(json_get_str(json_member(request.args, "state"), &wanted), 0);
	assert_true(str_equal(wanted, STR("idle")));
	assert_int_equal(request.deadline_ms, 2500);
	assert_true(str_equal(request.req_key, STR("k")));
	assert_true(request.is_dry_run);
	done();
}

TEST(what_may_be_missing_has_its_default)
{
	struct frame_request request;
	const char *why;

	assert_int_equal(parse("{\"t\":\"req\",\"id\":1,\"cmd\":\"status\"}", &request, &why), 0);
	assert_int_equal(request.version, 1);
	assert_int_equal(request.deadline_ms, 0);
	assert_int_equal(request.req_key.len, 0);
	assert_false(request.is_dry_run);
	done();
}

TEST(a_cancel_needs_only_its_id)
{
	struct frame_request request;
	const char *why;

	assert_int_equal(parse("{\"t\":\"cancel\",\"id\":3}", &request, &why), 0);
	assert_int_equal(request.type, FRAME_CANCEL);
	assert_int_equal(request.id, 3);
	done();
}

TEST(ids_and_deadlines_have_bounds)
{
	static const struct {
		const char *id, *deadline;
		int result;
	} cases[] = {
		{ "1", "0", 0 },
		{ "0", "0", -ERR_MALFORMED },
		{ "-1", "0", -ERR_MALFORMED },
		{ "1.5", "0", -ERR_MALFORMED },
		{ "null", "0", -ERR_MALFORMED },
		{ "9007199254740991", "0", 0 },
		{ "9007199254740992", "0", -ERR_MALFORMED },
		{ "9007199254740993", "0", -ERR_MALFORMED },
		{ "1", "86400000", 0 },
		{ "1", "86400001", -ERR_MALFORMED },
		{ "1", "-1", -ERR_MALFORMED },
		{ "1", "\"1\"", -ERR_MALFORMED },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(buf_deinit) struct buf text = buf_init(1024);
		struct frame_request request;
		const char *why = NULL;

		assert_int_equal(buf_printf(&text,
					 "{\"t\":\"req\",\"cmd\":\"x\",\"id\":%s,"
					 "\"deadline_ms\":%s}",
					 cases[i].id, cases[i].deadline),
			0);
		assert_int_equal(buf_append_char(&text, '\0'), 0);
		assert_int_equal(parse(text.data, &request, &why), cases[i].result);
		assert_true(cases[i].result == 0 || why);
	}
	done();
}

TEST(what_is_no_request_is_refused_with_a_sentence)
{
	static const char *const bad[] = { "", "x", "[]", "{}", "1", "{\"t\":1}",
		"{\"t\":\"nope\"}", "{\"t\":\"hello\",\"id\":1}", "{\"t\":\"row\",\"id\":1}",
		"{\"t\":\"req\"}", "{\"t\":\"req\",\"id\":1}", "{\"t\":\"req\",\"id\":1,\"cmd\":5}",
		"{\"t\":\"req\",\"id\":\"1\",\"cmd\":\"x\"}",
		"{\"t\":\"req\",\"id\":1,\"cmd\":\"x\",\"args\":[]}",
		"{\"t\":\"req\",\"id\":1,\"cmd\":\"x\",\"args\":\"\"}",
		"{\"t\":\"req\",\"id\":1,\"cmd\":\"x\",\"v\":\"1\"}",
		"{\"t\":\"req\",\"id\":1,\"cmd\":\"x\",\"req_key\":1}",
		"{\"t\":\"req\",\"id\":1,\"cmd\":\"x\",\"dry_run\":\"yes\"}",
		"{\"t\":\"req\",\"id\":1,\"cmd\":\"x\"} x",
		"{\"t\":\"req\",\"t\":\"req\",\"id\":1,\"cmd\":\"x\"}" };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct frame_request request;
		const char *why = NULL;

		assert_int_equal(parse(bad[i], &request, &why), -ERR_MALFORMED);
		assert_non_null(why);
		assert_true(strlen(why) > 10);
	}
	done();
}

TEST(every_type_is_known_by_its_name)
{
	static const char *const texts[FRAME_TYPES] = { "{\"t\":\"hello\"}", "{\"t\":\"req\"}",
		"{\"t\":\"cancel\"}", "{\"t\":\"head\"}", "{\"t\":\"row\"}", "{\"t\":\"evt\"}",
		"{\"t\":\"hb\"}", "{\"t\":\"end\"}" };

	arena_init(&arena, 4096, 65536);
	for (enum frame_type type = 0; type < FRAME_TYPES; type++) {
		const struct json *object;
		enum frame_type read;
		int64_t id;

		assert_int_equal(
			frame_parse(&arena, str_cstr(texts[type]), &read, &id, &object), 0);
		assert_int_equal(read, type);
		assert_int_equal(id, -1);
		assert_true(json_is_object(object));
	}
	done();
}
