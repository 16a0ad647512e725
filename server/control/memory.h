/* What the resident memory is used for, so that the parts add up to it. Any thread. */
#pragma once

#include <stdint.h>

struct memory_parts {
	uint64_t rss;           /* 0: /proc does not tell */
	uint64_t pools, caches; /* objects of both, in use and kept */
	uint64_t tls;           /* of the heap, for sessions of TLS */
	uint64_t heap_other;    /* in use, allocated by everybody else */
	uint64_t heap_slack;    /* the allocator's own and what was given back to it */
	uint64_t program;       /* pages of files: the program and its libraries */
	uint64_t rest;          /* stacks, rings: what is neither */
};

struct control_context;

/* Resident bytes of the process. */
uint64_t memory_rss(void);
void memory_parts(const struct control_context *context, struct memory_parts *ret_parts);
