/* traceparent: every rule of W3C Trace Context that a stranger may break. */
#include "support/test.h"

#include <errno.h>
#include <string.h>

#include "observe/traceparent.h"

#define TRACE "4bf92f3577b34da6a3ce929d0e0e4736"
#define SPAN "00f067aa0ba902b7"
#define GOOD "00-" TRACE "-" SPAN "-01"

TEST(a_good_one_is_read)
{
	struct span_ids ids;
	char hex[SPAN_TRACE_HEX];

	assert_int_equal(traceparent_parse(STR(GOOD), &ids), 0);
	assert_true(ids.is_sampled);
	assert_string_equal(span_hex(ids.trace, sizeof(ids.trace), hex).data, TRACE);
	assert_string_equal(span_hex(ids.span, sizeof(ids.span), hex).data, SPAN);
	assert_int_equal(traceparent_parse(STR("00-" TRACE "-" SPAN "-fe"), &ids), 0);
	assert_false(ids.is_sampled); /* bits that we do not know say nothing */
}

TEST(a_later_version_may_have_more_behind_a_dash)
{
	struct span_ids ids;

	assert_int_equal(traceparent_parse(STR("cc-" TRACE "-" SPAN "-01"), &ids), 0);
	assert_int_equal(traceparent_parse(STR("cc-" TRACE "-" SPAN "-01-what.else"), &ids), 0);
	assert_int_equal(traceparent_parse(STR("cc-" TRACE "-" SPAN "-01.what"), &ids), -EINVAL);
}

TEST(what_is_wrong_is_refused_and_nothing_is_written)
{
	static const char *const wrong[] = { "", "00", GOOD "-", GOOD "-00", GOOD " ",
		"ff-" TRACE "-" SPAN "-01", "0g-" TRACE "-" SPAN "-01",
		"00-4BF92F3577B34DA6A3CE929D0E0E4736-" SPAN "-01",
		"00-00000000000000000000000000000000-" SPAN "-01",
		"00-" TRACE "-0000000000000000-01", "00_" TRACE "-" SPAN "-01",
		"00-" TRACE "_" SPAN "-01", "00-" TRACE "-" SPAN "_01", "00-" TRACE "-" SPAN "-0",
		"00-" TRACE "-" SPAN "-0x" };
	struct span_ids ids = {};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(traceparent_parse(str_cstr(wrong[i]), &ids), -EINVAL);
	assert_false(span_ids_are_set(&ids));
}

TEST(every_byte_of_it_counts)
{
	const char good[] = GOOD;
	char text[sizeof(good)];
	struct span_ids ids;

	for (size_t i = 0; i + 1 < sizeof(good); i++) {
		memcpy(text, good, sizeof(good));
		text[i] = 'G';
		assert_int_equal(traceparent_parse(str_cstr(text), &ids), -EINVAL);
		assert_int_equal(traceparent_parse(str_of(good, i), &ids), -EINVAL);
	}
}
