/*
 * What the allocator says of itself, giving memory back, and profiles of the heap. glibc's unless
 * jemalloc is there: linked (-Djemalloc=enabled) or preloaded. It is not linked by default, because
 * it costs 2.5 MB of an idle daemon's 12. Any thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct allocator_stats {
	const char *name;   /* static text: "glibc", "jemalloc" */
	uint64_t allocated; /* in use by us */
	uint64_t resident;  /* what it holds for that, at most so much of it in memory */
	uint64_t retained;  /* free, but not given back */
	uint64_t metadata;  /* its own; 0 when it does not tell */
	uint64_t mapped;    /* of resident: what is in anonymous mappings, not in heaps by brk() or
			       arenas */
};
void allocator_stats(struct allocator_stats *ret_stats);

/* Gives free pages back to the system. */
void allocator_purge(void);

/*
 * Samples of what is allocated: 0; -EOPNOTSUPP: this allocator cannot; -ENODEV: jemalloc can, but
 * was not started with "prof:true".
 */
int allocator_profile(bool is_on);
/* Whether it could. */
int allocator_profile_check(void);
/* Writes what was sampled to an open file: 0, as above, -EIO. */
int allocator_profile_dump(int fd);
