/* SipHash-2-4: see siphash.h. Two rounds for each word, four at the end. */
#include "shared/siphash.h"

#include <string.h>

#include "shared/random.h"

struct state {
	uint64_t v0, v1, v2, v3;
};

static inline uint64_t rotated(uint64_t word, unsigned bits)
{
	return word << bits | word >> (64 - bits);
}

static inline void round_once(struct state *s)
{
	s->v0 += s->v1;
	s->v2 += s->v3;
	s->v1 = rotated(s->v1, 13) ^ s->v0;
	s->v3 = rotated(s->v3, 16) ^ s->v2;
	s->v0 = rotated(s->v0, 32) + s->v3;
	s->v2 += s->v1;
	s->v1 = rotated(s->v1, 17) ^ s->v2;
	s->v3 = rotated(s->v3, 21) ^ s->v0;
	s->v2 = rotated(s->v2, 32);
}

static inline void absorb(struct state *s, uint64_t word)
{
	s->v3 ^= word;
	round_once(s);
	round_once(s);
	s->v0 ^= word;
}

/* Up to eight bytes, the first in the lowest place. */
static inline uint64_t word_of(const unsigned char *data, size_t bytes)
{
	uint64_t word = 0;

	for (size_t i = 0; i < bytes; i++)
		word |= (uint64_t)data[i] << 8 * i;
	return word;
}

struct siphash_key siphash_key_new(void)
{
	struct siphash_key key;

	random_bytes(&key, sizeof(key));
	return key;
}

uint64_t siphash(const struct siphash_key *key, const void *data, size_t bytes)
{
	const unsigned char *at = data;
	size_t left = bytes;
	struct state s = {
		/* "somepseudorandomlygeneratedbytes", the authors' constants */
		.v0 = key->k0 ^ UINT64_C(0x736f6d6570736575),
		.v1 = key->k1 ^ UINT64_C(0x646f72616e646f6d),
		.v2 = key->k0 ^ UINT64_C(0x6c7967656e657261),
		.v3 = key->k1 ^ UINT64_C(0x7465646279746573),
	};

	for (; left >= 8; left -= 8, at += 8)
		absorb(&s, word_of(at, 8));
	absorb(&s, word_of(at, left) | (uint64_t)bytes << 56);
	s.v2 ^= 0xff;
	for (unsigned i = 0; i < 4; i++)
		round_once(&s);
	return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}
