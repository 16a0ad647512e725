/* The limits by name: see limits.h. */
#include "guard/limits.h"

#include <assert.h>
#include <stdatomic.h>

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
	[LIMIT_MAIL] = { "mail", "mails that an address asks for" },
	[LIMIT_MAILBOX] = { "mailbox", "mails to an account, whoever asks" },
};

/* A table that was made stays until the end: a core may be counting in it. */
static struct limit_state {
	_Atomic(struct limiter *) limiter;
	_Atomic bool is_on;
} states[LIMITS];

static struct limiter *limiter_of(enum limit limit)
{
	return atomic_load_explicit(&states[limit].limiter, memory_order_acquire);
}

/* NULL when it is off. */
static struct limiter *limiter_in_force(enum limit limit)
{
	return limit_is_on(limit) ? limiter_of(limit) : NULL;
}

static int limit_apply(enum limit limit, const struct limiter_rate *rate, uint32_t subjects_max)
{
	struct limit_state *state = &states[limit];
	struct limiter *limiter = limiter_of(limit);
	int r;

	if (rate->count && limiter) {
		limiter_tune(limiter, rate);
	} else if (rate->count) {
		r = limiter_new(rate, subjects_max, &limiter);
		if (r < 0)
			return r;
		atomic_store_explicit(&state->limiter, limiter, memory_order_release);
	}
	atomic_store_explicit(&state->is_on, rate->count > 0, memory_order_release);
	return 0;
}

int limits_apply(const struct limits_options *options)
{
	for (enum limit i = LIMIT_NONE + 1; i < LIMITS; i++) {
		int r = limit_apply(i, &options->rates[i], options->subjects_max);

		if (r < 0)
			return r;
	}
	return 0;
}

void limits_stop(void)
{
	for (enum limit i = LIMIT_NONE + 1; i < LIMITS; i++) {
		limiter_free(limiter_of(i));
		states[i] = (struct limit_state){};
	}
}

bool limit_is_on(enum limit limit)
{
	return atomic_load_explicit(&states[limit].is_on, memory_order_acquire);
}

struct limiter_verdict limit_take(enum limit limit, const struct subject *subject, uint64_t now_ns)
{
	struct limiter *limiter = limiter_in_force(limit);

	if (!limiter)
		return (struct limiter_verdict){ .is_allowed = true };
	return limiter_take(limiter, subject, now_ns);
}

struct limiter_verdict limit_look(enum limit limit, const struct subject *subject, uint64_t now_ns)
{
	struct limiter *limiter = limiter_in_force(limit);

	if (!limiter)
		return (struct limiter_verdict){ .is_allowed = true };
	return limiter_look(limiter, subject, now_ns);
}

const char *limit_name(enum limit limit)
{
	assert(limit < LIMITS);
	return rows[limit].name;
}

void limit_info(enum limit limit, struct limit_info *ret_info)
{
	struct limiter *limiter = limiter_of(limit);

	*ret_info = (struct limit_info){
		.name = rows[limit].name, .help = rows[limit].help, .is_on = limit_is_on(limit)
	};
	if (!limiter)
		return;
	ret_info->rate = limiter_rate(limiter);
	ret_info->bytes = limiter_bytes(limiter);
	ret_info->counts = limiter_counts(limiter);
}

/* --- for operators --- */

struct top {
	struct limit_offender *offenders; /* most refusals first */
	unsigned count, max;
	enum limit limit;
	uint64_t limit_count;
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
		.limit = top->limit, .count = top->limit_count, .entry = *entry
	};
	top->count++;
}

unsigned limits_top(struct limit_offender *ret_offenders, unsigned max, uint64_t now_ns)
{
	struct top top = { .offenders = ret_offenders, .max = max };

	if (!max)
		return 0;
	for (top.limit = LIMIT_NONE + 1; top.limit < LIMITS; top.limit++) {
		struct limiter *limiter = limiter_in_force(top.limit);

		if (!limiter)
			continue;
		top.limit_count = limiter_rate(limiter).count;
		limiter_each(limiter, now_ns, top_visit, &top);
	}
	return top.count;
}

int limits_clear(struct str subject, uint64_t now_ns)
{
	struct subject meanings[SUBJECT_MEANINGS_MAX];
	int count = subject_parse(subject, meanings), cleared = 0;

	if (count < 0)
		return count;
	for (enum limit i = LIMIT_NONE + 1; i < LIMITS; i++) {
		struct limiter *limiter = limiter_of(i);

		for (int j = 0; limiter && j < count; j++)
			cleared += limiter_clear(limiter, &meanings[j], now_ns);
	}
	return cleared;
}
