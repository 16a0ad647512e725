/*
 * THE limits by name: what each counts, and for whom. limiter.h is how one works; what a refusal
 * looks like is api/'s business, which routes have which limit is in its table. Any thread may call
 * everything here but limits_start() and limits_stop().
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
	LIMITS
};

struct limits_options {
	uint32_t subjects_max; /* of each limit */
	struct {
		uint64_t count; /* 0: this limit is off */
		uint64_t window_ms;
	} rates[LIMITS];
};

/* Before the cores: 0, -ENOMEM. Without it, every limit is off. */
int limits_start(const struct limits_options *options);
/* After the cores. */
void limits_stop(void);

/* limiter_take(), limiter_give(). What is off allows everything and counts nothing. */
bool limit_is_on(enum limit limit);
struct limiter_verdict limit_take(enum limit limit, const struct subject *subject, uint64_t now_ns);
void limit_give(enum limit limit, const struct subject *subject, uint64_t now_ns);

/* "login"; the quota policy of the RateLimit-Policy field: "login";q=300;w=60. */
const char *limit_name(enum limit limit);
struct str limit_policy(enum limit limit);

/* One row of `authctl limit list`, and the numbers of authd_rate_limit_decisions_total. Cheap. */
struct limit_info {
	const char *name, *help;
	bool is_on;
	uint64_t count, window_ms;
	uint64_t subjects_max, bytes; /* of its table; pages never touched take no memory */
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
