/* Buffers: bounded growth, all or nothing. */
#include "support/test.h"

#include <errno.h>

#include "shared/buf.h"

TEST(an_append_past_the_maximum_changes_nothing)
{
	_cleanup_(buf_deinit) struct buf buf = buf_init(4);

	assert_int_equal(buf_append(&buf, STR("abc")), 0);
	assert_int_equal(buf_append(&buf, STR("de")), -ENOBUFS);
	assert_true(str_equal(buf_str(&buf), STR("abc")));
	assert_int_equal(buf_append_char(&buf, 'd'), 0);
	assert_int_equal(buf_append_char(&buf, 'e'), -ENOBUFS);
}

TEST(formatted_text_is_bounded_too)
{
	_cleanup_(buf_deinit) struct buf buf = buf_init(8);

	assert_int_equal(buf_printf(&buf, "%d", 1234567), 0);
	assert_int_equal(buf_printf(&buf, "%s", "xy"), -ENOBUFS);
	assert_true(str_equal(buf_str(&buf), STR("1234567")));
}

TEST(consuming_moves_the_rest_to_the_front)
{
	_cleanup_(buf_deinit) struct buf buf = buf_init(16);

	assert_int_equal(buf_append(&buf, STR("line one")), 0);
	buf_consume(&buf, 5);
	assert_true(str_equal(buf_str(&buf), STR("one")));
}
