/*
 * THE limits by name: what each counts, and for whom. limiter.h is how one works; what a refusal
 * looks like is api/'s business, which routes have which limit is in its table. Any thread may call
 * what does not say otherwise.
 */
#pragma once

#include "guard/limiter.h"

enum limit {
	LIMIT_NONE, /* always allowed */
	LIMIT_LOGIN,
	LIMIT_REGISTER,
	LIMIT_REFRESH,
	LIMIT_OTHER,
	LIMIT_VERIFY,
	LIMIT_ACCOUNT,
	LIMIT_FAILURES,
	LIMIT_MAIL,
	LIMIT_MAILBOX,
	LIMITS
};

struct limits_options {
	uint32_t subjects_max;             /* of each limit; what counts is what it was first */
	struct limiter_rate rates[LIMITS]; /* count 0: this limit is off */
};

/*
 * Before the cores, and again when the rates have changed; one thread at a time. What was used of a
 * limit stays used. 0; -ENOMEM: some limits may have changed. Until then every limit is off.
 */
int limits_apply(const struct limits_options *options);
/* After the cores. */
void limits_stop(void);

/* limiter_take(), limiter_look(); what is off allows everything and counts nothing. */
bool limit_is_on(enum limit limit);
struct limiter_verdict limit_take(enum limit limit, const struct subject *subject, uint64_t now_ns);
struct limiter_verdict limit_look(enum limit limit, const struct subject *subject, uint64_t now_ns);

/* "login". */
const char *limit_name(enum limit limit);

/* One row of `authctl limit list`, and the numbers of authd_rate_limit_decisions_total. Cheap. */
struct limit_info {
	const char *name, *help;
	bool is_on;
	struct limiter_rate rate;
	size_t bytes; /* of its table; pages never touched take no memory */
	struct limiter_counts counts;
};
void limit_info(enum limit limit, struct limit_info *ret_info);

/*
 * The worst offenders of all limits, most refusals first; returns how many, at most `max`. Looks at
 * every entry: for operators, not for metrics.
 */
struct limit_offender {
	enum limit limit;
	uint64_t count; /* the limit's */
	struct limiter_entry entry;
};
unsigned limits_top(struct limit_offender *ret_offenders, unsigned max, uint64_t now_ns);

/*
 * Forgets what was used of every limit by whom the text names (subject_parse()): in how many
 * limits, or -EINVAL.
 */
int limits_clear(struct str subject, uint64_t now_ns);
