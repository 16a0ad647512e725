/* The circuit breaker: see breaker.h. */
#include "guard/breaker.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "shared/clock.h"
#include "shared/macros.h"
#include "shared/random.h"

#define READ(field) atomic_load_explicit(&(field), memory_order_relaxed)

/* Guards the list of breakers. A breaker's lock may be taken under it, nothing else. */
static struct registry registry = REGISTRY_INITIALIZER;

static void (*on_change)(const char *name, const struct breaker_change *change);

void breaker_init(struct breaker *breaker, const struct breaker_options *options)
{
	assert(options->window_ms >= BREAKER_BUCKETS && options->probes && options->calls_min);
	assert(options->failures_percent >= 1 && options->failures_percent <= 100);
	*breaker = (struct breaker){ .options = *options, .is_plain = true };
	pthread_mutex_init(&breaker->lock, NULL);
	registry_add(&registry, &breaker->member);
}

void breaker_deinit(struct breaker *breaker)
{
	registry_remove(&registry, &breaker->member);
	pthread_mutex_destroy(&breaker->lock);
}

/* --- the window; under the lock --- */

static void window_clear(struct breaker *breaker)
{
	memset(breaker->bucket, 0, sizeof(breaker->bucket));
}

/* Empties the buckets that time has passed over. */
static void window_move(struct breaker *breaker, uint64_t now_ns)
{
	uint64_t bucket_ns = breaker->options.window_ms * NS_PER_MS / BREAKER_BUCKETS;
	uint64_t now = now_ns / bucket_ns;

	if (now >= breaker->bucket_now + BREAKER_BUCKETS)
		window_clear(breaker);
	else
		for (uint64_t i = breaker->bucket_now + 1; i <= now; i++)
			memset(&breaker->bucket[i % BREAKER_BUCKETS], 0,
				sizeof(breaker->bucket[0]));
	breaker->bucket_now = MAX(now, breaker->bucket_now);
}

static void window_sum(const struct breaker *breaker, uint32_t *ret_calls, uint32_t *ret_failures)
{
	*ret_calls = *ret_failures = 0;
	for (unsigned i = 0; i < BREAKER_BUCKETS; i++) {
		*ret_calls += breaker->bucket[i].calls;
		*ret_failures += breaker->bucket[i].failures;
	}
}

static bool window_is_bad(const struct breaker *breaker)
{
	uint32_t calls, failures;

	window_sum(breaker, &calls, &failures);
	return calls >= breaker->options.calls_min &&
	       (uint64_t)failures * 100 >= (uint64_t)calls * breaker->options.failures_percent;
}

/* --- changing; under the lock --- */

static void become(struct breaker *breaker, enum breaker_state to, const char *reason)
{
	struct breaker_change *change = &breaker->history[breaker->changes++ % BREAKER_HISTORY_MAX];

	*change = (struct breaker_change){
		.at_ms = clock_wall_ms(), .from = breaker->state, .to = to, .reason = reason
	};
	window_sum(breaker, &change->calls, &change->failures);
	breaker->opened_total += to == BREAKER_OPEN;
	breaker->changed_total[to]++;
	breaker->state = to;
	breaker->probing = breaker->probes_succeeded = 0;
	atomic_fetch_add_explicit(&breaker->epoch, 1, memory_order_relaxed);
	atomic_store_explicit(&breaker->is_plain,
		to == BREAKER_CLOSED && breaker->mode == BREAKER_AUTO, memory_order_relaxed);
	window_clear(breaker);
	if (on_change)
		on_change(breaker->options.name, change);
}

/* Up to a tenth longer, so that many nodes do not try a shared store in the same moment. */
static uint64_t open_end(const struct breaker *breaker, uint64_t now_ns)
{
	uint64_t ms = breaker->options.open_ms;
	uint32_t random;

	random_bytes(&random, sizeof(random));
	return clock_after_ms(now_ns, ms + random % (ms / 10 + 1));
}

static void open(struct breaker *breaker, const char *reason, uint64_t now_ns)
{
	breaker->open_until_ns = open_end(breaker, now_ns);
	become(breaker, BREAKER_OPEN, reason);
}

/* What time alone has changed. */
static void update(struct breaker *breaker, uint64_t now_ns)
{
	if (breaker->mode != BREAKER_AUTO && now_ns >= breaker->forced_until_ns) {
		breaker->mode = BREAKER_AUTO;
		become(breaker, BREAKER_CLOSED, "forced time over");
	}
	if (breaker->mode == BREAKER_AUTO && breaker->state == BREAKER_OPEN &&
		now_ns >= breaker->open_until_ns)
		become(breaker, BREAKER_HALF_OPEN, "open time over");
}

/* --- calls --- */

static bool is_let_through(struct breaker *breaker, struct breaker_pass *pass)
{
	if (breaker->mode != BREAKER_AUTO)
		return breaker->mode == BREAKER_FORCED_CLOSED;
	if (breaker->state == BREAKER_HALF_OPEN) {
		pass->is_probe = breaker->probing < breaker->options.probes;
		breaker->probing += pass->is_probe;
		return pass->is_probe;
	}
	return breaker->state == BREAKER_CLOSED;
}

bool breaker_enter(struct breaker *breaker, struct breaker_pass *ret_pass)
{
	struct breaker_pass pass = { .epoch = READ(breaker->epoch) };
	bool passes = true;

	if (!READ(breaker->is_plain)) {
		pthread_mutex_lock(&breaker->lock);
		update(breaker, clock_now_ns());
		passes = is_let_through(breaker, &pass);
		breaker->refused_total += !passes;
		pass.epoch = READ(breaker->epoch);
		pthread_mutex_unlock(&breaker->lock);
	}
	if (passes)
		*ret_pass = pass;
	return passes;
}

static void remember_error(struct breaker *breaker, const char *error)
{
	breaker->error_ms = clock_wall_ms();
	(void)snprintf(breaker->error, sizeof(breaker->error), "%s", error ? error : "");
}

static void probe_done(struct breaker *breaker, enum breaker_outcome outcome, uint64_t now_ns)
{
	breaker->probing--; /* whatever came of it: a place that stays taken would keep it open */
	if (outcome == BREAKER_FAILURE)
		open(breaker, "a probe failed", now_ns);
	else if (outcome == BREAKER_SUCCESS &&
		 ++breaker->probes_succeeded >= breaker->options.probes)
		become(breaker, BREAKER_CLOSED, "probes succeeded");
}

void breaker_leave(struct breaker *breaker, const struct breaker_pass *pass,
	enum breaker_outcome outcome, const char *error)
{
	uint64_t now_ns = clock_now_ns();

	pthread_mutex_lock(&breaker->lock);
	window_move(breaker, now_ns);
	breaker->successes_total += outcome == BREAKER_SUCCESS;
	breaker->failures_total += outcome == BREAKER_FAILURE;
	if (outcome == BREAKER_FAILURE)
		remember_error(breaker, error);
	if (pass->epoch == READ(breaker->epoch)) {
		if (outcome != BREAKER_NEITHER) {
			breaker->bucket[breaker->bucket_now % BREAKER_BUCKETS].calls++;
			breaker->bucket[breaker->bucket_now % BREAKER_BUCKETS].failures +=
				outcome == BREAKER_FAILURE;
		}
		if (pass->is_probe)
			probe_done(breaker, outcome, now_ns);
		else if (outcome == BREAKER_FAILURE && breaker->mode == BREAKER_AUTO &&
			 breaker->state == BREAKER_CLOSED && window_is_bad(breaker))
			open(breaker, "failures", now_ns);
	}
	pthread_mutex_unlock(&breaker->lock);
}

/* --- the operator --- */

void breaker_force(struct breaker *breaker, enum breaker_mode mode, uint64_t for_ms)
{
	static const struct {
		enum breaker_state state;
		const char *reason;
	} forced[] = {
		[BREAKER_AUTO] = { BREAKER_CLOSED, "forced to automatic" },
		[BREAKER_FORCED_OPEN] = { BREAKER_OPEN, "forced open" },
		[BREAKER_FORCED_CLOSED] = { BREAKER_CLOSED, "forced closed" },
	};
	uint64_t now_ns = clock_now_ns();

	pthread_mutex_lock(&breaker->lock);
	window_move(breaker, now_ns);
	breaker->mode = mode;
	breaker->forced_until_ns = for_ms ? clock_after_ms(now_ns, for_ms) : CLOCK_NEVER;
	become(breaker, forced[mode].state, forced[mode].reason);
	pthread_mutex_unlock(&breaker->lock);
}

/* --- looking --- */

static uint64_t left(uint64_t until_ns, uint64_t now_ns)
{
	return until_ns == CLOCK_NEVER ? CLOCK_NEVER : until_ns > now_ns ? until_ns - now_ns : 0;
}

static uint64_t retry_ns(const struct breaker *breaker, uint64_t now_ns)
{
	if (breaker->mode == BREAKER_FORCED_OPEN)
		return left(breaker->forced_until_ns, now_ns);
	return breaker->mode == BREAKER_AUTO && breaker->state == BREAKER_OPEN
		       ? left(breaker->open_until_ns, now_ns)
		       : 0;
}

uint64_t breaker_retry_ns(struct breaker *breaker)
{
	uint64_t now_ns = clock_now_ns(), ns;

	if (READ(breaker->is_plain))
		return 0;
	pthread_mutex_lock(&breaker->lock);
	update(breaker, now_ns);
	ns = retry_ns(breaker, now_ns);
	pthread_mutex_unlock(&breaker->lock);
	return ns;
}

void breaker_view(struct breaker *breaker, struct breaker_view *ret_view)
{
	uint64_t now_ns = clock_now_ns();
	struct breaker_view *view = ret_view;

	pthread_mutex_lock(&breaker->lock);
	update(breaker, now_ns);
	window_move(breaker, now_ns);
	*view = (struct breaker_view){
		.name = breaker->options.name,
		.state = breaker->state,
		.mode = breaker->mode,
		.forced_ns =
			breaker->mode == BREAKER_AUTO ? 0 : left(breaker->forced_until_ns, now_ns),
		.retry_ns = retry_ns(breaker, now_ns),
		.successes_total = breaker->successes_total,
		.failures_total = breaker->failures_total,
		.refused_total = breaker->refused_total,
		.opened_total = breaker->opened_total,
		.error_ms = breaker->error_ms,
		.history_count = (unsigned)MIN(breaker->changes, BREAKER_HISTORY_MAX),
	};
	memcpy(view->error, breaker->error, sizeof(view->error));
	memcpy(view->changed_total, breaker->changed_total, sizeof(view->changed_total));
	window_sum(breaker, &view->calls, &view->failures);
	for (unsigned i = 0; i < view->history_count; i++)
		view->history[i] =
			breaker->history[(breaker->changes - 1 - i) % BREAKER_HISTORY_MAX];
	pthread_mutex_unlock(&breaker->lock);
}

const char *breaker_state_name(enum breaker_state state)
{
	static const char *const names[] = { "closed", "open", "half-open" };

	assert(state < ARRAY_SIZE(names));
	return names[state];
}

const char *breaker_mode_name(enum breaker_mode mode)
{
	static const char *const names[] = { "auto", "forced open", "forced closed" };

	assert(mode < ARRAY_SIZE(names));
	return names[mode];
}

void breakers_on_change(void (*tell)(const char *name, const struct breaker_change *change))
{
	on_change = tell;
}

void breaker_each(void (*visit)(struct breaker *breaker, void *arg), void *arg)
{
	for (struct registry_member *member = registry_hold(&registry); member;
		member = member->next)
		visit(container_of(member, struct breaker, member), arg);
	registry_release(&registry);
}

struct breaker *breaker_find(const char *name)
{
	struct registry_member *member = registry_hold(&registry);

	while (member &&
		strcmp(container_of(member, struct breaker, member)->options.name, name) != 0)
		member = member->next;
	registry_release(&registry);
	return member ? container_of(member, struct breaker, member) : NULL;
}
