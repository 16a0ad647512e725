/*
 * The inner loop of bcrypt for several hashes at once. One hash is a single chain of dependent
 * table look-ups, and a processor idles through most of their latency; lanes are independent
 * chains, interleaved statement by statement, that fill it. What a hash is lies in bcrypt.h.
 */
#pragma once

#include <stdalign.h>
#include <stdint.h>

/* Six gain a little over five; a seventh would find nothing left to fill (benchmarks/bcrypt.c). */
#define BCRYPT_LANES_MAX 6

#define BLOWFISH_SUBKEYS 18
#define BLOWFISH_WORDS (BLOWFISH_SUBKEYS + 4 * 256)

/* What a key schedule writes, as it reads it and as it writes it: word by word, through the whole.
 */
union blowfish {
	struct {
		uint32_t subkeys[BLOWFISH_SUBKEYS];
		uint32_t tables[4][256];
	};
	uint32_t words[BLOWFISH_WORDS];
};

/*
 * One hash in progress. Six of these are 26 KiB: they fit into a first-level cache of 32 KiB, and
 * lie one behind the other so that they share its sets evenly.
 */
struct bcrypt_lane {
	alignas(64) uint32_t key[BLOWFISH_SUBKEYS]; /* the password, repeated */
	uint32_t salt[BLOWFISH_SUBKEYS];            /* the salt, repeated */
	uint32_t iterations;                        /* still to do */
	uint32_t reserved[9];                       /* puts the tables at the start of a line */
	union blowfish state;
};

/*
 * One key schedule without salt (521 chained encryptions) in each of lanes[0..count-1]; count is
 * 1..BCRYPT_LANES_MAX.
 */
void bcrypt_expand(struct bcrypt_lane *lanes, unsigned count);
