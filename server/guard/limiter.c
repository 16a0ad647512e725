/* The table of a limit: see limiter.h. Buckets of eight entries, under a lock for each stripe. */
#include "guard/limiter.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "core/claims.h"
#include "core/core.h"
#include "shared/siphash.h"

#define WAYS 8     /* entries that compete for a place: three cache lines */
#define STRIPES 64 /* a few times the cores of most machines: they rarely meet in one */
#define COUNTS 16  /* cores that count apart; more share, and lose a little time by it */
#define CACHE_LINE 64

struct entry {
	uint64_t key;
	uint64_t whole_ns; /* when the allowance is whole: until then the entry means something */
	uint32_t refused;
	uint32_t kind;
};

struct bucket {
	struct entry entries[WAYS];
};

/*
 * The lock guards every STRIPES-th bucket, and the rate by which they are judged; no other is taken
 * under it. It is held for a few dozen instructions and never across a system call.
 */
struct stripe {
	_Alignas(CACHE_LINE) pthread_mutex_t lock;
	uint64_t interval_ns; /* one of the allowance comes back in this */
	uint64_t count;
	uint64_t latest_ns;
};

struct counts {
	_Alignas(CACHE_LINE) _Atomic uint64_t allowed;
	_Atomic uint64_t refused, evicted;
};

struct limiter {
	struct siphash_key secret;
	uint64_t bucket_mask;
	struct bucket *buckets;
	struct stripe stripes[STRIPES];
	struct counts counts[COUNTS];
};

int limiter_new(
	const struct limiter_rate *rate, uint32_t subjects_max, struct limiter **ret_limiter)
{
	_cleanup_(limiter_free_p) struct limiter *limiter =
		aligned_alloc(CACHE_LINE, sizeof(*limiter));
	uint64_t buckets = 1;

	if (!limiter)
		return -ENOMEM;
	while (buckets * WAYS < subjects_max)
		buckets *= 2;
	memset(limiter, 0, sizeof(*limiter));
	limiter->secret = siphash_key_new();
	limiter->bucket_mask = buckets - 1;
	for (unsigned i = 0; i < STRIPES; i++)
		pthread_mutex_init(&limiter->stripes[i].lock, NULL);
	limiter_tune(limiter, rate);
	/* Zeroed pages come from the kernel as they are touched. */
	limiter->buckets = calloc(buckets, sizeof(*limiter->buckets));
	if (!limiter->buckets)
		return -ENOMEM;
	claim(CLAIM_LIMITS, CLAIM_FROM_HEAP, limiter->buckets, buckets * sizeof(*limiter->buckets));
	*ret_limiter = TAKE(limiter);
	return 0;
}

void limiter_free(struct limiter *limiter)
{
	if (!limiter)
		return;
	for (unsigned i = 0; i < STRIPES; i++)
		pthread_mutex_destroy(&limiter->stripes[i].lock);
	claim_end(limiter->buckets);
	free(limiter->buckets);
	free(limiter);
}

size_t limiter_bytes(const struct limiter *limiter)
{
	return sizeof(*limiter) + (limiter->bucket_mask + 1) * sizeof(*limiter->buckets);
}

void limiter_tune(struct limiter *limiter, const struct limiter_rate *rate)
{
	assert(rate->count > 0 && rate->window_ns >= rate->count);
	for (unsigned i = 0; i < STRIPES; i++) {
		struct stripe *stripe = &limiter->stripes[i];

		pthread_mutex_lock(&stripe->lock);
		stripe->count = rate->count;
		/* Rounded up: what does not divide evenly comes back later, not earlier. */
		stripe->interval_ns = (rate->window_ns + rate->count - 1) / rate->count;
		pthread_mutex_unlock(&stripe->lock);
	}
}

struct limiter_rate limiter_rate(struct limiter *limiter)
{
	struct stripe *stripe = &limiter->stripes[0];
	struct limiter_rate rate;

	pthread_mutex_lock(&stripe->lock);
	rate = (struct limiter_rate){ stripe->count, stripe->interval_ns * stripe->count };
	pthread_mutex_unlock(&stripe->lock);
	return rate;
}

/* --- one bucket, under its lock --- */

static uint64_t bucket_of(const struct limiter *limiter, const struct subject *subject)
{
	const uint64_t words[2] = { subject->key, subject->kind };

	return siphash(&limiter->secret, words, sizeof(words)) & limiter->bucket_mask;
}

/*
 * The clocks of cores differ by a pass of their loops. Time in a stripe never goes back, or what
 * one core has used would look like more to another, and the last one allowed would be refused.
 */
static struct stripe *bucket_lock(struct limiter *limiter, uint64_t index, uint64_t *now_ns)
{
	struct stripe *stripe = &limiter->stripes[index % STRIPES];

	pthread_mutex_lock(&stripe->lock);
	*now_ns = stripe->latest_ns = MAX(stripe->latest_ns, *now_ns);
	return stripe;
}

static void bucket_unlock(struct stripe *stripe)
{
	pthread_mutex_unlock(&stripe->lock);
}

static struct entry *entry_find(struct bucket *bucket, const struct subject *subject)
{
	for (unsigned i = 0; i < WAYS; i++) {
		struct entry *entry = &bucket->entries[i];

		if (entry->key == subject->key && entry->kind == subject->kind)
			return entry;
	}
	return NULL;
}

/* The nearest to being whole: the one that says least. */
static struct entry *entry_least(struct bucket *bucket)
{
	struct entry *least = &bucket->entries[0];

	for (unsigned i = 1; i < WAYS; i++)
		if (bucket->entries[i].whole_ns < least->whole_ns)
			least = &bucket->entries[i];
	return least;
}

/*
 * How much of the allowance is used, in time; never more than all of it, though the entry may be of
 * a longer window that was.
 */
static uint64_t used_ns(const struct stripe *stripe, const struct entry *entry, uint64_t now_ns)
{
	uint64_t used = entry->whole_ns > now_ns ? entry->whole_ns - now_ns : 0;

	return MIN(used, stripe->interval_ns * stripe->count);
}

/* --- deciding --- */

static struct counts *counts_here(struct limiter *limiter)
{
	const struct core *core = core_current();

	return &limiter->counts[core ? core->index % COUNTS : 0];
}

static void count(_Atomic uint64_t *counter)
{
	atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

/* used: before the decision. */
static struct limiter_verdict decide(const struct stripe *stripe, uint64_t used)
{
	uint64_t after = used + stripe->interval_ns, all = stripe->interval_ns * stripe->count;
	struct limiter_verdict verdict = { .rate = { stripe->count, all } };

	verdict.is_allowed = after <= all;
	if (verdict.is_allowed) {
		verdict.remaining = (all - after) / stripe->interval_ns;
		verdict.wait_ns = (after - 1) % stripe->interval_ns + 1;
	} else {
		verdict.wait_ns = after - all;
	}
	return verdict;
}

/* whole_ns: what it is by the rate that holds now. */
static void entry_refuse(struct entry *entry, uint64_t whole_ns)
{
	entry->whole_ns = whole_ns;
	entry->refused += entry->refused < UINT32_MAX;
}

struct limiter_verdict limiter_take(
	struct limiter *limiter, const struct subject *subject, uint64_t now_ns)
{
	uint64_t index = bucket_of(limiter, subject), used;
	struct stripe *stripe = bucket_lock(limiter, index, &now_ns);
	struct bucket *bucket = &limiter->buckets[index];
	struct entry *entry = entry_find(bucket, subject);
	bool is_new = !entry;
	struct limiter_verdict verdict;
	struct counts *counts;

	if (is_new)
		entry = entry_least(bucket);
	used = used_ns(stripe, entry, now_ns);
	verdict = decide(stripe, used);
	if (verdict.is_allowed) {
		if (is_new || !used)
			*entry = (struct entry){ .key = subject->key, .kind = subject->kind };
		entry->whole_ns = now_ns + used + stripe->interval_ns;
	} else if (!is_new) {
		entry_refuse(entry, now_ns + used);
	}
	bucket_unlock(stripe);

	counts = counts_here(limiter);
	count(verdict.is_allowed ? &counts->allowed : &counts->refused);
	if (verdict.is_allowed && is_new && used)
		count(&counts->evicted);
	return verdict;
}

struct limiter_verdict limiter_look(
	struct limiter *limiter, const struct subject *subject, uint64_t now_ns)
{
	uint64_t index = bucket_of(limiter, subject), used;
	struct stripe *stripe = bucket_lock(limiter, index, &now_ns);
	struct bucket *bucket = &limiter->buckets[index];
	struct entry *own = entry_find(bucket, subject);
	struct limiter_verdict verdict;

	used = used_ns(stripe, own ? own : entry_least(bucket), now_ns);
	verdict = decide(stripe, used);
	if (!verdict.is_allowed && own)
		entry_refuse(own, now_ns + used);
	bucket_unlock(stripe);

	if (!verdict.is_allowed)
		count(&counts_here(limiter)->refused);
	return verdict;
}

bool limiter_clear(struct limiter *limiter, const struct subject *subject, uint64_t now_ns)
{
	uint64_t index = bucket_of(limiter, subject);
	struct stripe *stripe = bucket_lock(limiter, index, &now_ns);
	struct entry *entry = entry_find(&limiter->buckets[index], subject);
	bool had_used = entry && used_ns(stripe, entry, now_ns);

	if (entry)
		*entry = (struct entry){};
	bucket_unlock(stripe);
	return had_used;
}

/* --- looking --- */

struct limiter_counts limiter_counts(const struct limiter *limiter)
{
	struct limiter_counts sum = {};

	for (unsigned i = 0; i < COUNTS; i++) {
		const struct counts *counts = &limiter->counts[i];

		sum.allowed += atomic_load_explicit(&counts->allowed, memory_order_relaxed);
		sum.refused += atomic_load_explicit(&counts->refused, memory_order_relaxed);
		sum.evicted += atomic_load_explicit(&counts->evicted, memory_order_relaxed);
	}
	return sum;
}

static void bucket_visit(struct limiter *limiter, uint64_t index, uint64_t now_ns,
	void (*visit)(const struct limiter_entry *entry, void *arg), void *arg)
{
	struct stripe *stripe = bucket_lock(limiter, index, &now_ns);

	for (unsigned i = 0; i < WAYS; i++) {
		const struct entry *entry = &limiter->buckets[index].entries[i];
		uint64_t used = used_ns(stripe, entry, now_ns);

		if (used)
			visit(&(struct limiter_entry){ { entry->key, entry->kind },
				      (used + stripe->interval_ns - 1) / stripe->interval_ns, used,
				      entry->refused },
				arg);
	}
	bucket_unlock(stripe);
}

void limiter_each(struct limiter *limiter, uint64_t now_ns,
	void (*visit)(const struct limiter_entry *entry, void *arg), void *arg)
{
	/* A bucket at a time: a core never waits for more than eight visits. */
	for (uint64_t i = 0; i <= limiter->bucket_mask; i++)
		bucket_visit(limiter, i, now_ns, visit, arg);
}
