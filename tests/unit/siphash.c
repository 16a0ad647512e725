/* SipHash-2-4 against the vectors of its authors. */
#include "support/test.h"

#include "shared/siphash.h"

TEST(the_authors_vectors_come_out)
{
	/* Their key is 00 01 .. 0f, their message 00 01 .. of growing length. */
	static const struct siphash_key key = { UINT64_C(0x0706050403020100),
		UINT64_C(0x0f0e0d0c0b0a0908) };
	unsigned char message[16];

	for (unsigned i = 0; i < sizeof(message); i++)
		message[i] = (unsigned char)i;
	assert_true(siphash(&key, message, 0) == UINT64_C(0x726fdb47dd0e0e31));
	assert_true(siphash(&key, message, 1) == UINT64_C(0x74f839c593dc67fd));
	assert_true(siphash(&key, message, 8) == UINT64_C(0x93f5f5799a932462));
	assert_true(siphash(&key, message, 15) == UINT64_C(0xa129ca6149be45e5));
	assert_true(siphash(&key, message, 16) == UINT64_C(0x3f2acc7f57c29bdb));
}

TEST(another_key_gives_another_hash)
{
	struct siphash_key one = siphash_key_new(), other = siphash_key_new();

	assert_true(siphash(&one, "a", 1) != siphash(&other, "a", 1));
}
