/* base64url: one spelling for each run of bytes, and nothing else decodes. */
#include "support/test.h"

#include <errno.h>
#include <string.h>

#include "shared/base64url.h"
#include "shared/err.h"
#include "shared/macros.h"

static int decode(struct str text, size_t capacity)
{
	char bytes[64];
	size_t len;

	assert_true(capacity <= sizeof(bytes));
	return base64url_decode(text, bytes, capacity, &len);
}

TEST(rfc_4648_vectors_encode_without_padding)
{
	static const struct {
		struct str plain, text;
	} vectors[] = {
		{ STR(""), STR("") },
		{ STR("f"), STR("Zg") },
		{ STR("fo"), STR("Zm8") },
		{ STR("foo"), STR("Zm9v") },
		{ STR("foob"), STR("Zm9vYg") },
		{ STR("fooba"), STR("Zm9vYmE") },
		{ STR("foobar"), STR("Zm9vYmFy") },
		{ STR("\xfb\xff\xfe"), STR("-__-") },
	};

	for (size_t i = 0; i < ARRAY_SIZE(vectors); i++) {
		char text[16];
		size_t len = base64url_encode(vectors[i].plain.data, vectors[i].plain.len, text);

		assert_true(str_equal(str_of(text, len), vectors[i].text));
		assert_int_equal(len, BASE64URL_BYTES(vectors[i].plain.len));
	}
}

TEST(every_byte_survives_at_every_offset)
{
	unsigned char plain[259], back[259];
	char text[BASE64URL_BYTES(sizeof(plain))];

	for (size_t i = 0; i < sizeof(plain); i++)
		plain[i] = (unsigned char)i;
	for (size_t skip = 0; skip < 4; skip++) {
		size_t n = sizeof(plain) - skip, len, text_len;

		text_len = base64url_encode(plain + skip, n, text);
		assert_int_equal(
			base64url_decode(str_of(text, text_len), back, sizeof(back), &len), 0);
		assert_int_equal(len, n);
		assert_memory_equal(back, plain + skip, n);
	}
}

TEST(an_impossible_length_is_malformed)
{
	assert_int_equal(decode(STR("A"), 64), -ERR_MALFORMED);
	assert_int_equal(decode(STR("AAAAA"), 64), -ERR_MALFORMED);
}

TEST(bits_that_say_nothing_must_be_zero)
{
	assert_int_equal(decode(STR("Zg"), 64), 0);
	assert_int_equal(decode(STR("Zh"), 64), -ERR_MALFORMED);
	assert_int_equal(decode(STR("Zv"), 64), -ERR_MALFORMED);
	assert_int_equal(decode(STR("Zm8"), 64), 0);
	assert_int_equal(decode(STR("Zm9"), 64), -ERR_MALFORMED);
	assert_int_equal(decode(STR("Zm-"), 64), -ERR_MALFORMED);
}

TEST(other_alphabets_padding_and_white_space_are_malformed)
{
	static const struct str bad[] = { STR("Zg=="), STR("Zm8="), STR("+A"), STR("/A"),
		STR("Z g"), STR("Zm9v\n"), STR("\nZm9"), STR("Zm\0v"), STR("Zm9\xc3\xbc") };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(decode(bad[i], 64), -ERR_MALFORMED);
}

TEST(decoding_stops_at_the_capacity)
{
	assert_int_equal(decode(STR("Zm9v"), 3), 0);
	assert_int_equal(decode(STR("Zm9v"), 2), -ENOBUFS);
	assert_int_equal(decode(STR("Zm8"), 2), 0);
	assert_int_equal(decode(STR("Zm8"), 1), -ENOBUFS);
	assert_int_equal(decode(STR("Zg"), 1), 0);
	assert_int_equal(decode(STR("Zg"), 0), -ENOBUFS);
	assert_int_equal(decode(STR(""), 0), 0);
}

TEST(a_refused_text_leaves_the_length_alone)
{
	char bytes[8];
	size_t len = 77;

	assert_int_equal(base64url_decode(STR("Zm9!"), bytes, sizeof(bytes), &len), -ERR_MALFORMED);
	assert_int_equal(len, 77);
}
