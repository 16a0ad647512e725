/* Borrowed strings: splitting, numbers, UTF-8. */
#include "support/test.h"

#include <errno.h>

#include "shared/str.h"

TEST(splitting_yields_empty_parts_and_the_last_one)
{
	struct str rest = STR("a,,b"), part;

	assert_true(str_split(&rest, ',', &part) && str_equal(part, STR("a")));
	assert_true(str_split(&rest, ',', &part) && part.len == 0);
	assert_true(str_split(&rest, ',', &part) && str_equal(part, STR("b")));
	assert_false(str_split(&rest, ',', &part));
}

TEST(numbers_end_at_the_largest_that_fits)
{
	uint64_t value;

	assert_int_equal(str_to_u64(STR("18446744073709551615"), &value), 0);
	assert_true(value == UINT64_MAX);
	assert_int_equal(str_to_u64(STR("18446744073709551616"), &value), -ERANGE);
	assert_int_equal(str_to_u64(STR(""), &value), -EINVAL);
	assert_int_equal(str_to_u64(STR("1a"), &value), -EINVAL);
	assert_int_equal(str_to_u64(STR("-1"), &value), -EINVAL);
}

TEST(utf8_refuses_overlong_forms_surrogates_and_cut_sequences)
{
	assert_true(str_is_utf8(STR("gr\xc3\xbc\xc3\x9f \xf0\x9f\x98\x80")));
	assert_false(str_is_utf8(STR("\xc0\x80")));
	assert_false(str_is_utf8(STR("\xed\xa0\x80")));
	assert_false(str_is_utf8(STR("\xf4\x90\x80\x80")));
	assert_false(str_is_utf8(STR("\xe2\x82")));
	assert_int_equal(str_utf8_count(STR("\xc3\xbc"
					    "b\xf0\x9f\x98\x80")),
		3);
}

TEST(trimming_takes_white_space_at_both_ends_only)
{
	assert_true(str_equal(str_trim(STR(" \t a b\r\n")), STR("a b")));
	assert_true(str_trim(STR("  ")).len == 0);
}
