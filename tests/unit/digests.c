/* Remembered digests: always the ones that SHA-256 gives. */
#include "auth/digests.h"

#include <stdlib.h>

#include "shared/random.h"
#include "support/test.h"

static void assert_right(struct digests *digests, struct str token)
{
	uint8_t got[SHA256_BYTES], expected[SHA256_BYTES];

	sha256(token, expected);
	digests_get(digests, token, got);
	assert_memory_equal(got, expected, SHA256_BYTES);
}

TEST(a_digest_is_right_the_first_time_and_again)
{
	struct digests *digests = digests_new();

	assert_right(digests, STR("header.claims.signature"));
	assert_right(digests, STR("header.claims.signature"));
	digests_free(digests);
}

TEST(tokens_with_one_ending_are_told_apart)
{
	struct digests *digests = digests_new();

	for (int i = 0; i < 3; i++) {
		assert_right(digests, STR("one.claims.signature"));
		assert_right(digests, STR("two.claims.signature"));
		assert_right(digests, STR("longer.claims.signature"));
	}
	digests_free(digests);
}

TEST(every_length_is_served)
{
	char text[DIGEST_TOKEN_BYTES_MAX + 1];
	struct digests *digests = digests_new();

	random_bytes(text, sizeof(text));
	for (size_t length = 0; length <= sizeof(text); length++)
		for (int i = 0; i < 2; i++)
			assert_right(digests, str_of(text, length));
	digests_free(digests);
}

TEST(more_tokens_than_places_push_each_other_out)
{
	struct digests *digests = digests_new();
	char text[64];

	for (int i = 0; i < 8 * DIGESTS_MAX; i++) {
		random_bytes(text, sizeof(text));
		assert_right(digests, str_of(text, sizeof(text)));
		assert_right(digests, str_of(text, sizeof(text)));
	}
	digests_free(digests);
}
