/* The limits by name: see limits.h. */
#include "guard/limits.h"

#include <assert.h>
#include <stdio.h>

#include "shared/clock.h"

#define POLICY_BYTES 64 /* a name and two numbers */

static const struct limit_row {
	const char *name, *help;
} rows[LIMITS] = {
	[LIMIT_NONE] = { "none", "no limit" },
	[LIMIT_LOGIN] = { "login", "logins of an address" },
	[LIMIT_REGISTER] = { "register", "registrations of an address" },
	[LIMIT_REFRESH] = { "refresh", "refreshed sessions of an address" },
	[LIMIT_OTHER] = { "other", "other requests of an address" },
	[LIMIT_VERIFY] = { "verify", "verified tokens of an address" },
	[LIMIT_ACCOUNT] = { "account", "logins into an account, from anywhere" },
	[LIMIT_FAILURES] = { "failures", "wrong passwords of a network" },
};

/* Written before the cores start and after they have ended. */
static struct limit_state {
	struct limiter *limiter; /* NULL: off */
	uint64_t count, window_ms;
	uint32_t subjects_max;
	char policy[POLICY_BYTES];
} states[LIMITS];

int limits_start(const struct limits_options *options)
{
	for (enum limit i = LIMIT_NONE + 1; i < LIMITS; i++) {
		struct limit_state *state = &states[i];
		const struct limiter_options limiter = { .count = options->rates[i].count,
			.window_ns = options->rates[i].window_ms * NS_PER_MS,
			.subjects_max = options->subjects_max };
		int r;

		if (!limiter.count)
			continue;
		r = limiter_new(&limiter, &state->limiter);
		if (r < 0) {
			limits_stop();
			return r;
		}
		state->count = limiter.count;
		state->window_ms = options->rates[i].window_ms;
		state->subjects_max = options->subjects_max;
		(void)snprintf(state->policy, sizeof(state->policy), "\"%s\";q=%llu;w=%llu",
			rows[i].name, (unsigned long long)state->count,
			(unsigned long long)(state->window_ms + 999) / 1000);
	}
	return 0;
}

void limits_stop(void)
{
	for (enum limit i = LIMIT_NONE + 1; i < LIMITS; i++) {
		limiter_free(states[i].limiter);
		states[i] = (struct limit_state){};
	}
}

bool limit_is_on(enum limit limit)
{
	return states[limit].limiter;
}

struct limiter_verdict limit_take(enum limit limit, const struct subject *subject, uint64_t now_ns)
{
	if (!states[limit].limiter)
		return (struct limiter_verdict){ .is_allowed = true };
	return limiter_take(states[limit].limiter, subject, now_ns);
}

void limit_give(enum limit limit, const struct subject *subject, uint64_t now_ns)
{
	if (states[limit].limiter)
		limiter_give(states[limit].limiter, subject, now_ns);
}

const char *limit_name(enum limit limit)
{
	assert(limit < LIMITS);
	return rows[limit].name;
}

struct str limit_policy(enum limit limit)
{
	return str_cstr(states[limit].policy);
}

void limit_info(enum limit limit, struct limit_info *ret_info)
{
	const struct limit_state *state = &states[limit];

	*ret_info = (struct limit_info){
		.name = rows[limit].name,
		.help = rows[limit].help,
		.is_on = state->limiter,
		.count = state->count,
		.window_ms = state->window_ms,
		.subjects_max = state->subjects_max,
	};
	if (state->limiter) {
		ret_info->bytes = limiter_bytes(state->limiter);
		ret_info->counts = limiter_counts(state->limiter);
	}
}

/* --- for operators --- */

struct top {
	struct limit_offender *offenders; /* most refusals first */
	unsigned count, max;
	enum limit limit;
};

static bool is_worse(const struct limiter_entry *a, const struct limiter_entry *b)
{
	return a->refused != b->refused ? a->refused > b->refused : a->wait_ns > b->wait_ns;
}

/* Insertion into a short sorted list: most entries are not worse than its last. */
static void top_visit(const struct limiter_entry *entry, void *arg)
{
	struct top *top = arg;
	unsigned at;

	if (!entry->refused)
		return;
	if (top->count == top->max) {
		if (!is_worse(entry, &top->offenders[top->max - 1].entry))
			return;
		top->count--;
	}
	for (at = top->count; at > 0 && is_worse(entry, &top->offenders[at - 1].entry); at--)
		top->offenders[at] = top->offenders[at - 1];
	top->offenders[at] = (struct limit_offender){
		.limit = top->limit, .count = states[top->limit].count, .entry = *entry
	};
	top->count++;
}

unsigned limits_top(struct limit_offender *ret_offenders, unsigned max, uint64_t now_ns)
{
	struct top top = { .offenders = ret_offenders, .max = max };

	if (!max)
		return 0;
	for (top.limit = LIMIT_NONE + 1; top.limit < LIMITS; top.limit++)
		if (states[top.limit].limiter)
			limiter_each(states[top.limit].limiter, now_ns, top_visit, &top);
	return top.count;
}

int limits_clear(struct str subject, uint64_t now_ns)
{
	struct subject meanings[SUBJECT_MEANINGS_MAX];
	int count = subject_parse(subject, meanings), cleared = 0;

	if (count < 0)
		return count;
	for (enum limit i = LIMIT_NONE + 1; i < LIMITS; i++)
		for (int j = 0; states[i].limiter && j < count; j++)
			cleared += limiter_clear(states[i].limiter, &meanings[j], now_ns);
	return cleared;
}
