/*
 * What the control thread must do through code that may suspend (the store, sessions): it is sent
 * to a core and runs there on a fiber with a deadline. Or through code that blocks: then a thread
 * of its own runs it (blocking.h), for which a deadline means only that nobody waits any more. The
 * control thread never waits for either.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct errand;

/*
 * Copies data (bytes of it) and sends run_await to a core that turns. wake_fd is an eventfd that is
 * written to when it has returned; it must stay open until cores end. 0; -ERR_DRAINING: no
 * core is left; -ENOMEM.
 */
int errand_new(void (*run_await)(void *data), const void *data, size_t bytes, uint64_t deadline_ns,
	int wake_fd, struct errand **ret_errand);

/* As errand_new(), on the thread for what blocks; data may be NULL: zeros. 0; -ERR_OVERLOADED: too
 * many wait for it; -ERR_DRAINING; -ENOMEM. */
int errand_block(void (*run)(void *data), const void *data, size_t bytes, int wake_fd,
	struct errand **ret_errand);

/* Accepts NULL. One under way is released, and its data wiped, when it returns. */
void errand_free(struct errand *errand);

/* Is it what errand_block() made? */
bool errand_is_blocking(const struct errand *errand);

bool errand_is_done(const struct errand *errand);

/* Once it is done: 0 when it ran, or -ERR_OVERLOADED when the core had no fiber for it. */
int errand_result(const struct errand *errand);
/* Once it is done: the copy, with what run_await left in it. */
void *errand_data(struct errand *errand);
