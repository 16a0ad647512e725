/*
 * The caches of a core, as a whole: verified tokens (verified.h) and users (users.h). Their numbers
 * are listed by cache_each() of cache/cache.h.
 */
#pragma once

#include <stdint.h>

#include "shared/str.h"

/* Negative answers (a revoked session, nobody of that id) are kept for this long: a flood of one
 * revoked token asks the store once in five seconds, and what becomes true elsewhere is seen soon.
 */
#define CACHES_NEGATIVE_MS 5000

struct caches_options {
	uint32_t users_max, tokens_max; /* entries, on each core */
	uint64_t ttl_ms, sweep_ms;
	uint32_t waiters_max; /* for one load of a core: cache/lookup.h */
};

/* On each core's thread. 0 or -ENOMEM. */
int caches_start(const struct caches_options *options);
void caches_stop(void);

/*
 * On a core's thread: empties the cache of that name on this core, or removes from it what concerns
 * one id: an account's for "users", an account's or a session's for "tokens"; id "" is everything.
 * 0, or -ENOENT: there is no cache of that name.
 */
int caches_flush_here(struct str name, const char *id);
