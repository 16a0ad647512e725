/*
 * SipHash-2-4 (Aumasson and Bernstein, 2012): a keyed hash of short inputs for tables whose keys
 * strangers choose. Without the secret nobody can find inputs that fall into the same bucket. Not
 * for signatures.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct siphash_key {
	uint64_t k0, k1;
};

/* A new secret. */
struct siphash_key siphash_key_new(void);

uint64_t siphash(const struct siphash_key *key, const void *data, size_t bytes);
