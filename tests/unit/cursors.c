/* Cursors: what is written is read again, and nothing else is. */
#include "api/cursors.h"

#include <string.h>

#include "shared/err.h"
#include "support/test.h"

static void assert_survives(const char *id)
{
	char text[CURSOR_BYTES], read[STORE_ID_BYTES_MAX + 1];

	assert_int_equal(cursor_read(cursor_write(id, text), read), 0);
	assert_string_equal(read, id);
}

TEST(a_cursor_is_read_as_it_was_written)
{
	char longest[STORE_ID_BYTES_MAX + 1] = "";

	memset(longest, 'z', STORE_ID_BYTES_MAX);
	assert_survives("1");
	assert_survives("0190163d-8694-739b-aea5-966c26f8ad91");
	assert_survives("65a1b2c3d4e5f60718293a4b");
	assert_survives(longest);
}

TEST(what_is_no_cursor_is_refused)
{
	char text[BASE64URL_BYTES(2 + STORE_ID_BYTES_MAX)], id[STORE_ID_BYTES_MAX + 1];
	char bytes[2 + STORE_ID_BYTES_MAX];
	static const struct str inside[] = { STR(""), STR("1"), STR("2abc"), STR("1a\0b"),
		STR("1\xff") };

	for (size_t i = 0; i < sizeof(inside) / sizeof(inside[0]); i++)
		assert_int_equal(cursor_read(str_of(text, base64url_encode(inside[i].data,
								  inside[i].len, text)),
					 id),
			-ERR_MALFORMED);
	memset(bytes, '1', sizeof(bytes));
	assert_int_equal(
		cursor_read(str_of(text, base64url_encode(bytes, sizeof(bytes), text)), id),
		-ERR_MALFORMED);
	assert_int_equal(cursor_read(STR("MQ=="), id), -ERR_MALFORMED);
	assert_int_equal(cursor_read(STR("!"), id), -ERR_MALFORMED);
}
