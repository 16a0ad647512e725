/* What is one RFC 8259 value and what is not, text by text. */
#include "support/test.h"

#include <stdio.h>
#include <string.h>

#include "shared/err.h"
#include "shared/json.h"
#include "shared/macros.h"

static void check_all(const struct str *texts, size_t count, int wanted)
{
	for (size_t i = 0; i < count; i++) {
		int r = json_check(texts[i], &json_limits_body, NULL);

		if (r != wanted)
			print_message("%d for: " STR_FORMAT "\n", r, STR_ARGS(texts[i]));
		assert_int_equal(r, wanted);
	}
}

#define ACCEPTED(...)                                                                              \
	check_all((const struct str[]){ __VA_ARGS__ },                                             \
		sizeof((const struct str[]){ __VA_ARGS__ }) / sizeof(struct str), 0)
#define REFUSED(...)                                                                               \
	check_all((const struct str[]){ __VA_ARGS__ },                                             \
		sizeof((const struct str[]){ __VA_ARGS__ }) / sizeof(struct str), -ERR_MALFORMED)

TEST(any_kind_of_value_may_be_the_whole_text)
{
	ACCEPTED(STR("{}"), STR("[]"), STR("\"\""), STR("0"), STR("true"), STR("false"),
		STR("null"), STR("[[],{}]"), STR("{\"a\":{\"b\":[1,\"c\",null]}}"));
}

TEST(no_value_at_all_is_refused)
{
	REFUSED(STR(""), STR(" "), STR("\r\n"), (struct str){});
}

TEST(white_space_is_four_characters_and_no_others)
{
	ACCEPTED(STR(" \t\r\n1 \t\r\n"), STR("[ \t1\n,\r2 ]"), STR("{ \"a\" \n:\t1\r}"));
	REFUSED(STR("\f1"), STR("1\v"), STR("[1\f]"), STR("[\xc2\xa0]"), STR("[\xe2\x80\xa8]"),
		STR("\xef\xbb\xbf{}"), STR("{}\xef\xbb\xbf"), STR("\0{}"), STR("{}\0"));
}

TEST(nothing_but_white_space_follows_the_value)
{
	REFUSED(STR("1 2"), STR("{}}"), STR("[]]"), STR("{}{}"), STR("[],"), STR("\"a\"\"b\""),
		STR("null x"), STR("{}#"), STR("1//"), STR("[]/**/"), STR("\"\"x"));
}

TEST(numbers_are_written_as_the_grammar_says)
{
	ACCEPTED(STR("0"), STR("-0"), STR("1"), STR("-1"), STR("10"), STR("0.0"), STR("-0.5"),
		STR("1.25"), STR("0e1"), STR("0E0"), STR("1e5"), STR("1E+2"), STR("1e-2"),
		STR("1.5e00"), STR("123456789012345678901234567890"), STR("1e400"), STR("-1e-400"));
	REFUSED(STR("01"), STR("-01"), STR("00"), STR("+1"), STR(".5"), STR("-.5"), STR("1."),
		STR("1.e1"), STR("1e"), STR("1e+"), STR("1E-"), STR("0x10"), STR("1_0"), STR("-"),
		STR("--1"), STR("- 1"), STR("NaN"), STR("Infinity"), STR("-Infinity"), STR("1e1.5"),
		STR("1.2.3"), STR("1a"), STR("0e"), STR("1 e2"), STR("\xd9\xa1"),
		STR("\xef\xbc\x91"), STR("1e\xd9\xa1"), STR("[1,-]"), STR("2e]"));
}

TEST(a_number_has_at_most_63_characters)
{
	char text[64];

	memset(text, '7', sizeof(text));
	ACCEPTED(str_of(text, 63));
	REFUSED(str_of(text, 64));
	text[0] = '-';
	ACCEPTED(str_of(text, 63));
	REFUSED(str_of(text, 64));
}

TEST(words_are_spelt_exactly)
{
	REFUSED(STR("True"), STR("TRUE"), STR("tru"), STR("truee"), STR("nul"), STR("nulll"),
		STR("Null"), STR("fals"), STR("falsey"), STR("undefined"), STR("[tru]"), STR("[nu"),
		STR("t"), STR("t\0ue"));
}

TEST(strings_may_hold_anything_but_controls)
{
	ACCEPTED(STR("\"\x7f\""), STR("\"\xc2\x80\""), STR("\"\xef\xbf\xbf\""),
		STR("\"\xf4\x8f\xbf\xbf\""), STR("\"'/`\""));
	for (char c = 0; c < ' '; c++) {
		char text[] = { '"', 'a', c, 'b', '"' };

		REFUSED(str_of(text, sizeof(text)));
	}
}

TEST(strings_must_end)
{
	REFUSED(STR("\""), STR("\"a"), STR("\"a\\\""), STR("\"\\"), STR("\"\\u"), STR("\"\\u12"),
		STR("'a'"), STR("a"), STR("[\"a]"), STR("{\"a:1}"), STR("\"a\nb\""));
}

TEST(escapes_are_those_of_the_grammar)
{
	ACCEPTED(STR("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""), STR("\"\\u0001\\u007f\\u00Ff\\uFFFF\""));
	REFUSED(STR("\"\\a\""), STR("\"\\v\""), STR("\"\\0\""), STR("\"\\x41\""), STR("\"\\'\""),
		STR("\"\\U0041\""), STR("\"\\u004\""), STR("\"\\u00g0\""), STR("\"\\u 041\""),
		STR("\"\\u+041\""), STR("\"\\\0\""), STR("\"\\\xc3\xbc\""), STR("\"\\ \""));
}

TEST(surrogates_come_in_pairs)
{
	ACCEPTED(STR("\"\\ud83d\\ude00\""), STR("\"\\uDBFF\\uDFFF\""), STR("\"\\ud800\\udc00\""));
	REFUSED(STR("\"\\ud800\""), STR("\"\\udc00\""), STR("\"\\udfff\""), STR("\"\\ud800x\""),
		STR("\"\\ud800\\n\""), STR("\"\\ud800\\u0041\""), STR("\"\\ud800\\ud800\""),
		STR("\"\\udc00\\ud800\""), STR("\"\\ud83d\\ude0\""), STR("\"\\ud83d\\\""),
		STR("\"\\ud83d\\u\""));
}

TEST(the_zero_character_is_refused_escaped_too)
{
	REFUSED(STR("\"\\u0000\""), STR("\"a\\u0000b\""), STR("{\"\\u0000\":1}"));
}

TEST(text_is_valid_utf_8_everywhere)
{
	REFUSED(STR("\"\x80\""), STR("\"\xc0\x80\""), STR("\"\xc3\""), STR("\"\xe0\x80\x80\""),
		STR("\"\xed\xa0\x80\""), STR("\"\xf0\x80\x80\x80\""), STR("\"\xf4\x90\x80\x80\""),
		STR("\"\xf8\x88\x80\x80\x80\""), STR("\"\xff\""), STR("\xff"), STR("{\"\xff\":1}"),
		STR("{\0\"\0a\0\"\0}\0"));
}

TEST(arrays_have_commas_between_items_only)
{
	ACCEPTED(STR("[1,2]"), STR("[[1],[2]]"));
	REFUSED(STR("[,]"), STR("[1,]"), STR("[,1]"), STR("[1,,2]"), STR("[1 2]"), STR("[1"),
		STR("[1,"), STR("["), STR("]"), STR("[1}"), STR("[\"a\":1]"), STR("[1;2]"),
		STR("[[1]"), STR("[}"));
}

TEST(objects_have_names_colons_and_commas)
{
	ACCEPTED(STR("{\"\":0}"), STR("{\"a\":1,\"b\":2}"));
	REFUSED(STR("{,}"), STR("{\"a\":1,}"), STR("{,\"a\":1}"), STR("{\"a\":1,,\"b\":2}"),
		STR("{\"a\" 1}"), STR("{\"a\"}"), STR("{\"a\":}"), STR("{\"a\":1"), STR("{\"a\":"),
		STR("{\"a\""), STR("{"), STR("}"), STR("{a:1}"), STR("{'a':1}"), STR("{1:1}"),
		STR("{null:1}"), STR("{\"a\":1]"), STR("{\"a\"::1}"), STR("{[]:1}"),
		STR("{\"a\":1 \"b\":2}"), STR("{\"a\",\"b\"}"), STR("{/**/\"a\":1}"), STR("{]"));
}

TEST(a_name_is_said_once_however_it_is_spelt)
{
	REFUSED(STR("{\"a\":1,\"a\":1}"), STR("{\"a\":1,\"b\":2,\"a\":3}"),
		STR("{\"a\":1,\"\\u0061\":2}"), STR("{\"\":1,\"\":2}"), STR("{\"/\":1,\"\\/\":2}"),
		STR("{\"\\n\":1,\"\\u000A\":2}"), STR("{\"\xc3\xbc\":1,\"\\u00fc\":2}"),
		STR("{\"\xe2\x82\xac\":1,\"\\u20AC\":2}"),
		STR("{\"\xf0\x9f\x98\x80\":1,\"\\ud83d\\ude00\":2}"),
		STR("[{\"x\":{\"a\":1,\"a\":2}}]"), STR("{\"a\":{\"b\":1},\"a\":2}"));
}

TEST(objects_do_not_share_names)
{
	ACCEPTED(STR("[{\"a\":1},{\"a\":1}]"), STR("{\"a\":{\"a\":{\"a\":1}}}"),
		STR("{\"b\":{\"a\":1},\"c\":{\"a\":1},\"a\":1}"),
		STR("{\"a\":1,\"A\":2,\"a \":3,\"aa\":4}"));
}

/* `depth` brackets around nothing. */
static struct str nested(char *text, char open, char close, unsigned depth)
{
	memset(text, open, depth);
	memset(text + depth, close, depth);
	return str_of(text, 2 * (size_t)depth);
}

TEST(nesting_ends_at_the_named_depth)
{
	char text[256];

	ACCEPTED(nested(text, '[', ']', json_limits_body.depth_max));
	REFUSED(nested(text, '[', ']', json_limits_body.depth_max + 1));
	assert_int_equal(json_check(nested(text, '[', ']', json_limits_frame.depth_max),
				 &json_limits_frame, NULL),
		0);
	assert_int_equal(json_check(nested(text, '[', ']', json_limits_frame.depth_max + 1),
				 &json_limits_frame, NULL),
		-ERR_MALFORMED);
}

TEST(a_hundred_thousand_brackets_cost_no_stack)
{
	static char text[100000];

	memset(text, '[', sizeof(text));
	REFUSED(str_of(text, sizeof(text)));
	for (size_t i = 0; i + 5 <= sizeof(text); i += 5)
		memcpy(text + i, "{\"a\":", 5);
	REFUSED(str_of(text, sizeof(text)));
}

/* An object, or objects in an array, with `count` names in all. */
static struct str keyed(struct buf *buf, unsigned count, bool is_spread)
{
	int r = buf_append(buf, is_spread ? STR("[") : STR("{"));

	for (unsigned i = 0; r == 0 && i < count; i++)
		r = buf_printf(buf, is_spread ? "%s{\"k%u\":0}" : "%s\"k%u\":0", i ? "," : "", i);
	if (r == 0)
		r = buf_append(buf, is_spread ? STR("]") : STR("}"));
	assert_int_equal(r, 0);
	return buf_str(buf);
}

TEST(names_of_all_objects_together_are_bounded)
{
	for (int is_spread = 0; is_spread < 2; is_spread++) {
		_cleanup_(buf_deinit) struct buf most = buf_init(65536), more = buf_init(65536);

		ACCEPTED(keyed(&most, json_limits_body.keys_max, is_spread));
		REFUSED(keyed(&more, json_limits_body.keys_max + 1, is_spread));
	}
}

TEST(what_was_seen_in_one_text_is_forgotten_for_the_next)
{
	for (unsigned i = 0; i < 3; i++) {
		ACCEPTED(STR("{\"a\":1,\"b\":2}"));
		REFUSED(STR("{\"a\":1,\"a\":2"));
	}
}

TEST(the_offset_says_where_it_went_wrong)
{
	size_t at = 999;

	assert_int_equal(json_check(STR("{\"a\":1,]"), &json_limits_body, &at), -ERR_MALFORMED);
	assert_int_equal(at, 7);
	assert_int_equal(json_check(STR("[1, x]"), &json_limits_body, &at), -ERR_MALFORMED);
	assert_int_equal(at, 4);
	assert_int_equal(json_check((struct str){}, &json_limits_body, &at), -ERR_MALFORMED);
	assert_int_equal(at, 0);
}

TEST(a_cut_anywhere_in_an_object_is_refused)
{
	static const char text[] = "{\"a\\u00e9\":[1.5e+1,true,{\"\xc3\xbc\":null}],\"b\":\"c\"}";

	for (size_t n = 0; n < sizeof(text) - 1; n++)
		REFUSED(str_of(text, n));
	ACCEPTED(STR("{\"a\\u00e9\":[1.5e+1,true,{\"\xc3\xbc\":null}],\"b\":\"c\"}"));
}
