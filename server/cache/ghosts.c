/* Fingerprints of keys that were turned away: see ghosts.h. */
#include "cache/ghosts.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "core/claims.h"

#define SET_WAYS 8 /* half a cache line: one look finds or misses */

struct ghosts {
	uint32_t set_mask;
	uint32_t sets[][SET_WAYS]; /* newest first; 0 is nobody */
};

int ghosts_new(uint32_t count, struct ghosts **ret_ghosts)
{
	struct ghosts *ghosts;
	uint32_t sets = 1;

	while (sets * SET_WAYS < count)
		sets *= 2;
	ghosts = calloc(1, sizeof(*ghosts) + sets * sizeof(ghosts->sets[0]));
	if (!ghosts)
		return -ENOMEM;
	claim(CLAIM_CACHES, CLAIM_FROM_HEAP, ghosts,
		sizeof(*ghosts) + sets * sizeof(ghosts->sets[0]));
	ghosts->set_mask = sets - 1;
	*ret_ghosts = ghosts;
	return 0;
}

void ghosts_free(struct ghosts *ghosts)
{
	claim_end(ghosts);
	free(ghosts);
}

/* The upper half chooses the set, the lower half is the fingerprint. */
static uint32_t *set_of(struct ghosts *ghosts, uint64_t hash)
{
	return ghosts->sets[(hash >> 32) & ghosts->set_mask];
}

static uint32_t fingerprint_of(uint64_t hash)
{
	return (uint32_t)hash ? (uint32_t)hash : 1;
}

void ghosts_add(struct ghosts *ghosts, uint64_t hash)
{
	uint32_t *set = set_of(ghosts, hash);

	memmove(set + 1, set, (SET_WAYS - 1) * sizeof(*set));
	set[0] = fingerprint_of(hash);
}

bool ghosts_take(struct ghosts *ghosts, uint64_t hash)
{
	uint32_t *set = set_of(ghosts, hash), fingerprint = fingerprint_of(hash);

	for (unsigned i = 0; i < SET_WAYS; i++) {
		if (set[i] != fingerprint)
			continue;
		memmove(set + i, set + i + 1, (SET_WAYS - 1 - i) * sizeof(*set));
		set[SET_WAYS - 1] = 0;
		return true;
	}
	return false;
}

void ghosts_clear(struct ghosts *ghosts)
{
	memset(ghosts->sets, 0, (ghosts->set_mask + 1) * sizeof(ghosts->sets[0]));
}
