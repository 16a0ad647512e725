/* Steps that outlive who asked for them: see shield.h. */
#include "core/shield.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/fiber.h"
#include "core/span.h"
#include "shared/clock.h"
#include "shared/secret.h"

struct shield {
	struct fiber *waiter; /* NULL: the caller has gone, or does not wait yet */
	bool is_left;         /* the caller has gone */
	bool is_done;
	int (*step_await)(void *arg);
	int result;
	uint64_t spent_ns[FIBER_SPENT_MAX]; /* the caller's, if it still waits */
	size_t arg_bytes;
	_Alignas(16) char arg[];
};

static void shield_free(struct shield *shield)
{
	secret_wipe(shield->arg, shield->arg_bytes);
	free(shield);
}

static void shield_main(void *arg)
{
	struct shield *shield = arg;

	shield->result = shield->step_await(shield->arg);
	shield->is_done = true;
	memcpy(shield->spent_ns, fiber_spent(fiber_current()), sizeof(shield->spent_ns));
	if (shield->is_left)
		shield_free(shield);
	else if (shield->waiter)
		fiber_wake(shield->waiter, 0); /* the caller frees it: not touched after this */
}

static uint64_t deadline_ns(void)
{
	uint64_t caller_ns = fiber_deadline_ns(fiber_current());

	return caller_ns == CLOCK_NEVER ? caller_ns : clock_after_ms(caller_ns, SHIELD_EXTRA_MS);
}

int shield_await(struct fiber_pool *pool, int (*step_await)(void *arg), void *arg, size_t arg_bytes)
{
	struct shield *shield;
	struct fiber *fiber;
	int r;

	assert(fiber_current() && arg_bytes <= SHIELD_ARG_BYTES_MAX);
	shield = calloc(1, sizeof(*shield) + arg_bytes);
	if (!shield)
		return -ENOMEM;
	shield->step_await = step_await;
	shield->arg_bytes = arg_bytes;
	memcpy(shield->arg, arg, arg_bytes);
	r = fiber_start(pool, shield_main, shield, deadline_ns(), &fiber);
	if (r == 0 && !shield->is_done) {
		struct span *span = span_begin("change", NULL, SPAN_INTERNAL);

		shield->waiter = fiber_current();
		r = fiber_wait_await();
		shield->waiter = NULL;
		span_end(span, r);
		if (!shield->is_done) {
			shield->is_left = true;
			return r;
		}
	}
	for (unsigned i = 0; i < FIBER_SPENT_MAX && shield->is_done; i++)
		fiber_spend(i, shield->spent_ns[i]);
	if (r == 0) {
		r = shield->result;
		memcpy(arg, shield->arg, arg_bytes);
	}
	shield_free(shield);
	return r;
}
