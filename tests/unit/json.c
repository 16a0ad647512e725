/* Reading a tree, printing it, and the writer: round trips and every refusal. */
#include "support/test.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "shared/err.h"
#include "shared/json.h"
#include "shared/macros.h"

static struct arena arena;

static const struct json *parse(const char *text)
{
	const struct json *root = NULL;

	arena_deinit(&arena);
	arena_init(&arena, 1024, 65536);
	assert_int_equal(json_parse(&arena, str_cstr(text), &json_limits_body, &root), 0);
	return root;
}

static void done(void)
{
	arena_deinit(&arena);
}

/* --- reading --- */

TEST(members_are_found_by_exact_name)
{
	const struct json *root = parse("{\"name\":\"x\",\"Name\":\"y\",\"\":\"z\"}");
	struct str value;

	assert_int_equal(json_get_str(json_member(root, "Name"), &value), 0);
	assert_true(str_equal(value, STR("y")));
	assert_int_equal(json_get_str(json_member(root, ""), &value), 0);
	assert_true(str_equal(value, STR("z")));
	assert_null(json_member(root, "NAME"));
	done();
}

TEST(a_member_of_what_is_no_object_is_missing)
{
	assert_null(json_member(parse("[1]"), "a"));
	assert_null(json_member(parse("\"a\""), "a"));
	assert_null(json_member(NULL, "a"));
	done();
}

TEST(missing_and_null_are_told_from_another_type)
{
	const struct json *root = parse("{\"n\":null,\"s\":\"1\",\"i\":1,\"b\":true,\"a\":[]}");
	struct str text = STR("kept");
	int64_t number = 7;
	bool flag = true;

	assert_int_equal(json_get_str(json_member(root, "none"), &text), -ENOENT);
	assert_int_equal(json_get_str(json_member(root, "n"), &text), -ENOENT);
	assert_int_equal(json_get_str(json_member(root, "i"), &text), -EINVAL);
	assert_int_equal(json_get_i64(json_member(root, "none"), &number), -ENOENT);
	assert_int_equal(json_get_i64(json_member(root, "n"), &number), -ENOENT);
	assert_int_equal(json_get_i64(json_member(root, "s"), &number), -EINVAL);
	assert_int_equal(json_get_bool(json_member(root, "none"), &flag), -ENOENT);
	assert_int_equal(json_get_bool(json_member(root, "n"), &flag), -ENOENT);
	assert_int_equal(json_get_bool(json_member(root, "i"), &flag), -EINVAL);
	assert_int_equal(json_get_bool(json_member(root, "a"), &flag), -EINVAL);
	assert_true(str_equal(text, STR("kept")) && number == 7 && flag);
	done();
}

static int integer(const char *text, int64_t *ret_value)
{
	int r = json_get_i64(parse(text), ret_value);

	done();
	return r;
}

TEST(integers_are_read_while_they_are_exact)
{
	int64_t value = 0;

	assert_int_equal(integer("9007199254740991", &value), 0);
	assert_true(value == INT64_C(9007199254740991));
	assert_int_equal(integer("-9007199254740991", &value), 0);
	assert_true(value == INT64_C(-9007199254740991));
	assert_int_equal(integer("1.50e1", &value), 0);
	assert_true(value == 15);
	assert_int_equal(integer("-0", &value), 0);
	assert_true(value == 0);
}

TEST(numbers_that_would_be_read_as_others_are_refused)
{
	int64_t value = 7;

	/* 2^53 is also what 2^53+1 looks like once it is a double. */
	assert_int_equal(integer("9007199254740992", &value), -EINVAL);
	assert_int_equal(integer("9007199254740993", &value), -EINVAL);
	assert_int_equal(integer("-9007199254740993", &value), -EINVAL);
	assert_int_equal(integer("1.5", &value), -EINVAL);
	assert_int_equal(integer("1e400", &value), -EINVAL);
	assert_int_equal(integer("-1e400", &value), -EINVAL);
	assert_true(value == 7);
}

TEST(escapes_are_read_as_what_they_mean)
{
	struct str value;

	assert_int_equal(
		json_get_str(parse("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00fc\\ud83d\\ude00\""), &value),
		0);
	assert_true(str_equal(value, STR("\"\\/\b\f\n\r\t\xc3\xbc\xf0\x9f\x98\x80")));
	done();
}

TEST(items_and_members_come_in_their_order)
{
	const struct json *root = parse("{\"b\":1,\"a\":[10,20]}"), *node = json_first(root);
	int64_t value;

	assert_true(str_equal(json_key(node), STR("b")));
	node = json_next(node);
	assert_true(str_equal(json_key(node), STR("a")));
	assert_null(json_next(node));
	assert_true(json_is_array(node) && !json_is_object(node));
	node = json_first(node);
	assert_int_equal(json_key(node).len, 0);
	assert_int_equal(json_get_i64(json_next(node), &value), 0);
	assert_int_equal(value, 20);
	assert_null(json_first(parse("[]")));
	assert_null(json_first(NULL));
	assert_null(json_next(NULL));
	assert_int_equal(json_key(NULL).len, 0);
	assert_false(json_is_object(NULL) || json_is_array(NULL));
	done();
}

TEST(a_malformed_text_is_never_parsed)
{
	const struct json *root = NULL;

	arena_init(&arena, 1024, 65536);
	assert_int_equal(
		json_parse(&arena, STR("{\"a\":1}x"), &json_limits_body, &root), -ERR_MALFORMED);
	assert_null(root);
	assert_int_equal(arena.bytes_used, 0);
	done();
}

TEST(a_tree_that_the_arena_cannot_hold_is_an_error)
{
	const struct json *root = NULL;

	arena_init(&arena, 64, 256);
	assert_int_equal(
		json_parse(&arena, STR("[1,2,3,4,5,6,7,8]"), &json_limits_body, &root), -ENOMEM);
	assert_null(root);
	done();
}

/* --- printing --- */

static void check_print(const struct json *node, const char *wanted)
{
	_cleanup_(buf_deinit) struct buf out = buf_init(4096);

	assert_int_equal(json_print(node, &out), 0);
	assert_int_equal(buf_append_char(&out, '\0'), 0);
	assert_string_equal(out.data, wanted);
}

TEST(what_is_printed_is_what_was_parsed)
{
	static const char *const texts[] = { "{}", "[]", "null", "true", "false", "0", "-1", "\"\"",
		"[[],{},[[1]]]", "{\"a\":{\"b\":{\"c\":[1,2,{\"d\":null}]}},\"e\":1.5}",
		"[\"\\\"\\\\\xc3\xbc\",\"\\u0001\"]", "[0.1,-1e-07,1e+300,9007199254740991]",
		"{\"\":\"\"}", "[{},{\"a\":[]},[]]" };

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		check_print(parse(texts[i]), texts[i]);
	done();
}

TEST(a_node_is_printed_without_its_name_and_siblings)
{
	const struct json *root = parse("{\"a\":1,\"b\":\"x\",\"c\":[2],\"d\":{\"e\":3},\"f\":4}");

	check_print(json_member(root, "a"), "1");
	check_print(json_member(root, "b"), "\"x\"");
	check_print(json_member(root, "c"), "[2]");
	check_print(json_member(root, "d"), "{\"e\":3}");
	check_print(json_next(json_first(parse("[7,8,9]"))), "8");
	done();
}

TEST(numbers_that_json_cannot_hold_are_printed_as_null)
{
	check_print(parse("[1e400]"), "[null]");
	done();
}

TEST(printing_ends_at_the_writers_depth)
{
	_cleanup_(buf_deinit) struct buf out = buf_init(4096);
	char text[2 * JSON_WRITER_DEPTH_MAX + 3] = "";

	memset(text, '[', JSON_WRITER_DEPTH_MAX);
	memset(text + JSON_WRITER_DEPTH_MAX, ']', JSON_WRITER_DEPTH_MAX);
	check_print(parse(text), text);
	memset(text, '[', JSON_WRITER_DEPTH_MAX + 1);
	memset(text + JSON_WRITER_DEPTH_MAX + 1, ']', JSON_WRITER_DEPTH_MAX + 1);
	assert_int_equal(json_print(parse(text), &out), -ENOBUFS);
	done();
}

TEST(printing_into_a_full_buffer_is_an_error)
{
	_cleanup_(buf_deinit) struct buf out = buf_init(8);

	assert_int_equal(json_print(parse("[1,2,3,4,5,6]"), &out), -ENOBUFS);
	done();
}

/* --- writing --- */

static void check_written(struct buf *out, struct json_writer *w, const char *wanted)
{
	assert_int_equal(json_writer_finish(w), 0);
	assert_int_equal(json_check(buf_str(out), &json_limits_body, NULL), 0);
	assert_int_equal(buf_append_char(out, '\0'), 0);
	assert_string_equal(out->data, wanted);
}

TEST(the_writer_puts_commas_and_names)
{
	_cleanup_(buf_deinit) struct buf out = buf_init(4096);
	struct json_writer w = json_writer_init(&out);

	json_begin_object(&w, NULL);
	json_put_str(&w, "s", STR("x"));
	json_begin_array(&w, "a");
	json_put_i64(&w, NULL, INT64_MIN);
	json_put_u64(&w, NULL, UINT64_MAX);
	json_begin_object(&w, NULL);
	json_end_object(&w);
	json_put_bool(&w, NULL, false);
	json_end_array(&w);
	json_put_null(&w, "n");
	json_put_raw(&w, "r", STR("[1]"));
	json_put_bool(&w, "q\"", true);
	json_end_object(&w);
	check_written(&out, &w,
		"{\"s\":\"x\",\"a\":[-9223372036854775808,18446744073709551615,{},false],"
		"\"n\":null,\"r\":[1],\"q\\\"\":true}");
}

TEST(any_bytes_are_written_as_a_valid_string)
{
	static const struct {
		struct str value;
		const char *text;
	} cases[] = {
		{ (struct str){}, "\"\"" },
		{ STR("\0\x1f\x7f"), "\"\\u0000\\u001f\\u007f\"" },
		{ STR("\xff"), "\"\xef\xbf\xbd\"" },
		{ STR("a\xc3"), "\"a\xef\xbf\xbd\"" },
		{ STR("\xc3\xbc\x80z"), "\"\xc3\xbc\xef\xbf\xbdz\"" },
		{ STR("\xed\xa0\x80"), "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"" },
		{ STR("\xf0\x9f\x98\x80\xf0\x9f\x98"),
			"\"\xf0\x9f\x98\x80\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(buf_deinit) struct buf out = buf_init(4096);
		struct json_writer w = json_writer_init(&out);

		json_put_str(&w, NULL, cases[i].value);
		assert_int_equal(json_writer_finish(&w), 0);
		assert_true(str_is_utf8(buf_str(&out)));
		assert_true(str_equal(buf_str(&out), str_cstr(cases[i].text)));
	}
}

TEST(doubles_are_as_short_as_reads_back_equal)
{
	static const struct {
		double value;
		const char *text;
	} cases[] = { { 0, "0" }, { 0.1, "0.1" }, { 0.41, "0.41" }, { 1e300, "1e+300" },
		{ 1.0 / 3, "0.3333333333333333" }, { -2.5, "-2.5" }, { NAN, "null" },
		{ INFINITY, "null" }, { -INFINITY, "null" } };

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(buf_deinit) struct buf out = buf_init(4096);
		struct json_writer w = json_writer_init(&out);

		json_put_double(&w, NULL, cases[i].value);
		check_written(&out, &w, cases[i].text);
	}
}

TEST(the_first_error_of_a_writer_stays)
{
	_cleanup_(buf_deinit) struct buf out = buf_init(8);
	struct json_writer w = json_writer_init(&out);

	json_begin_object(&w, NULL);
	json_put_str(&w, "a", STR("a long text"));
	json_put_i64(&w, "b", 1);
	json_put_double(&w, "c", 1.5);
	json_end_object(&w);
	assert_int_equal(json_writer_finish(&w), -ENOBUFS);
}

TEST(an_unfinished_writer_with_an_error_may_be_finished)
{
	_cleanup_(buf_deinit) struct buf out = buf_init(2);
	struct json_writer w = json_writer_init(&out);

	json_begin_object(&w, NULL);
	json_begin_object(&w, "a");
	assert_int_equal(json_writer_finish(&w), -ENOBUFS);
}
