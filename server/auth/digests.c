/* Remembered digests of tokens: see digests.h. A token has one place, found by its last bytes. */
#include "auth/digests.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "core/claims.h"
#include "shared/random.h"
#include "shared/secret.h"

struct place {
	uint8_t digest[SHA256_BYTES];
	uint32_t len; /* 0: empty */
	char token[DIGEST_TOKEN_BYTES_MAX];
};

struct digests {
	uint64_t seed; /* so that nobody can choose which tokens push each other out */
	struct place places[DIGESTS_MAX];
};

/* Mapped: pages that were never needed cost nothing. */
struct digests *digests_new(void)
{
	struct digests *digests = mmap(
		NULL, sizeof(*digests), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (digests == MAP_FAILED)
		return NULL;
	(void)madvise(digests, sizeof(*digests), MADV_NOHUGEPAGE);
	(void)madvise(digests, sizeof(*digests), MADV_DONTDUMP);
	random_bytes(&digests->seed, sizeof(digests->seed));
	claim(CLAIM_DIGESTS, CLAIM_MAPPED, digests, sizeof(*digests));
	return digests;
}

void digests_free(struct digests *digests)
{
	if (!digests)
		return;
	for (unsigned i = 0; i < DIGESTS_MAX; i++)
		if (digests->places[i].len)
			secret_wipe(&digests->places[i], sizeof(digests->places[i]));
	claim_end(digests);
	munmap(digests, sizeof(*digests));
}

/* A token ends in its signature, which is as good as random. */
static struct place *place_of(struct digests *digests, struct str token)
{
	uint64_t tail;

	memcpy(&tail, token.data + token.len - sizeof(tail), sizeof(tail));
	tail = (tail ^ digests->seed) * UINT64_C(0x9e3779b97f4a7c15);
	return &digests->places[tail >> 32 & (DIGESTS_MAX - 1)];
}

void digests_get(struct digests *digests, struct str token, uint8_t ret_digest[static SHA256_BYTES])
{
	struct place *place;

	if (token.len < sizeof(uint64_t) || token.len > DIGEST_TOKEN_BYTES_MAX) {
		sha256(token, ret_digest);
		return;
	}
	place = place_of(digests, token);
	/* In constant time: what is remembered is somebody's secret. */
	if (!secret_equal(str_of(place->token, place->len), token)) {
		sha256(token, place->digest);
		memcpy(place->token, token.data, token.len);
		place->len = (uint32_t)token.len;
	}
	memcpy(ret_digest, place->digest, SHA256_BYTES);
}
