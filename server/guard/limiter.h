/*
 * One rate limit for many subjects: each may do `count` things at once and gets them back evenly
 * over `window`. The algorithm is the generic cell rate algorithm (GCRA, ITU-T I.371 annex A; the
 * ATM Forum's virtual scheduling), a token bucket whose whole state is one time: when the allowance
 * will be whole again.
 *
 * Any thread may call: all cores count in the same table, so a limit of N is N for the whole
 * process however the kernel spreads a client's connections. The table has a fixed size. When there
 * is no room for a newcomer, he takes over the entry nearest to being whole, with what was used of
 * it. So nobody is ever allowed more than his due because others came, nor can anyone's record be
 * washed out: an evicted subject that returns finds an entry at least as used as its own would be.
 * What a flood of addresses can do is make newcomers share allowances: of a table of M subjects it
 * takes M * count requests in a window, from M addresses, until they are refused.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guard/subject.h"
#include "shared/macros.h"

struct limiter;

struct limiter_rate {
	uint64_t count;     /* at least 1 */
	uint64_t window_ns; /* at least count */
};

struct limiter_verdict {
	bool is_allowed;
	uint64_t remaining;       /* more of the same that would be allowed now */
	uint64_t wait_ns;         /* until one more is */
	struct limiter_rate rate; /* that it was decided by */
};

/* What any thread may read; sums over the cores. */
struct limiter_counts {
	uint64_t allowed, refused;
	uint64_t evicted; /* entries that were taken over before they were whole */
};

/*
 * subjects_max is rounded up to a power of two; memory is taken from the system as it is used.
 * -ENOMEM.
 */
int limiter_new(
	const struct limiter_rate *rate, uint32_t subjects_max, struct limiter **ret_limiter);
void limiter_free(struct limiter *limiter);
CLEANUP_P(limiter_free, struct limiter)

/* Uses one of the subject's allowance; what is refused uses none. */
struct limiter_verdict limiter_take(
	struct limiter *limiter, const struct subject *subject, uint64_t now_ns);

/* As limiter_take(), but what is allowed is neither used nor counted. */
struct limiter_verdict limiter_look(
	struct limiter *limiter, const struct subject *subject, uint64_t now_ns);

/* Makes a subject's allowance whole; was there anything to forget? */
bool limiter_clear(struct limiter *limiter, const struct subject *subject, uint64_t now_ns);

/* Another rate from now on. Nobody waits longer for what he has used than the new window. */
void limiter_tune(struct limiter *limiter, const struct limiter_rate *rate);

struct limiter_rate limiter_rate(struct limiter *limiter);

struct limiter_counts limiter_counts(const struct limiter *limiter);

/* One subject whose allowance is not whole. */
struct limiter_entry {
	struct subject subject;
	uint64_t used;    /* of the rate's count */
	uint64_t wait_ns; /* until it is whole */
	uint32_t refused; /* since it last was whole */
};

/* Visits all of them; visit() runs under a lock that cores wait for: brief, and no limiter call. */
void limiter_each(struct limiter *limiter, uint64_t now_ns,
	void (*visit)(const struct limiter_entry *entry, void *arg), void *arg);

size_t limiter_bytes(const struct limiter *limiter);
