/*
 * Who has which large piece of memory: whoever takes one that lasts says so here, so that `authctl
 * mem` can look how much of it is resident and name its owner. Small objects are counted by their
 * owners instead. Any thread. Who reads: control/memory.h.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum claim_use {
	CLAIM_RINGS,   /* buffers of the loops' rings */
	CLAIM_CACHES,  /* tables and entries */
	CLAIM_DIGESTS, /* of tokens */
	CLAIM_LIMITS,
	CLAIM_HASHING,
	CLAIM_LOG,
	CLAIM_TRACES,
	CLAIM_METRICS,
	CLAIM_USES
};

enum claim_from { CLAIM_FROM_HEAP, CLAIM_MAPPED };

/* A dozen for each core of the largest machine. One more is not known, which is counted. */
#define CLAIMS_MAX 4096

struct claim {
	const void *start;
	size_t bytes;
	enum claim_use use;
	enum claim_from from;
};

/* start may be NULL: what could not be had. */
void claim(enum claim_use use, enum claim_from from, const void *start, size_t bytes);
/* Before it is given back; not known, or NULL: nothing happens. */
void claim_end(const void *start);

/* Under a lock that claim() takes: visit must be brief. Returns how many did not fit. */
uint64_t claims_each(void (*visit)(const struct claim *claim, void *arg), void *arg);
