/* Fields of URLs and forms: what is read, and what is refused. */
#include "shared/urlencoded.h"

#include <errno.h>
#include <stdio.h>

#include "shared/err.h"
#include "support/test.h"

static struct arena arena;

static int parse(const char *text, struct urlencoded *fields)
{
	arena_deinit(&arena);
	arena_init(&arena, 4096, 65536);
	return urlencoded_parse(&arena, str_cstr(text), fields);
}

static void assert_value(const struct urlencoded *fields, const char *name, const char *value)
{
	struct str found = urlencoded_value(fields, str_cstr(name));

	assert_non_null(found.data);
	assert_true(str_equal(found, str_cstr(value)));
}

TEST(nothing_has_no_fields)
{
	struct urlencoded fields = { .count = 7 };

	assert_int_equal(parse("", &fields), 0);
	assert_int_equal(fields.count, 0);
}

TEST(names_and_values_are_decoded)
{
	struct urlencoded fields;

	assert_int_equal(parse("email=a%2Bb%40example.org&n%61me=Ann+B%c3%a4r&x==&y", &fields), 0);
	assert_int_equal(fields.count, 4);
	assert_value(&fields, "email", "a+b@example.org");
	assert_value(&fields, "name", "Ann B\xc3\xa4r");
	assert_value(&fields, "x", "=");
	assert_value(&fields, "y", "");
	assert_null(urlencoded_value(&fields, STR("z")).data);
}

TEST(what_is_malformed_is_refused)
{
	static const char *const texts[] = { "&", "a=1&", "&a=1", "a=1&&b=2", "=1", "a=%", "a=%4",
		"a=%4g", "a=%g4", "%=1", "a=%00", "a=%0a", "a=\n", "a=%7f", "a=%ff", "a=\xc3",
		"a=%c3&b=%a4", "a=%ed%a0%80", "a=1&a=2", "a=1&%61=2" };
	struct urlencoded fields;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (parse(texts[i], &fields) != -ERR_MALFORMED)
			fail_msg("accepted: %s", texts[i]);
}

TEST(there_are_sixteen_fields_at_most)
{
	struct urlencoded fields;
	char text[256] = "";
	size_t len = 0;

	for (int i = 0; i < URLENCODED_FIELDS_MAX; i++)
		len += (size_t)snprintf(
			text + len, sizeof(text) - len, "%sf%d=%d", i ? "&" : "", i, i);
	assert_int_equal(parse(text, &fields), 0);
	assert_int_equal(fields.count, URLENCODED_FIELDS_MAX);
	assert_value(&fields, "f15", "15");
	(void)snprintf(text + len, sizeof(text) - len, "&more=1");
	assert_int_equal(parse(text, &fields), -ERR_MALFORMED);
}

TEST(a_text_without_room_in_the_arena_is_no_memory)
{
	struct urlencoded fields;

	arena_deinit(&arena);
	arena_init(&arena, 16, 16);
	assert_int_equal(urlencoded_parse(&arena,
				 STR("name=a-value-that-is-longer-than-all-there-is"), &fields),
		-ENOMEM);
}
