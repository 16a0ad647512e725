/*
 * What the control thread must do through code that may suspend (the store, sessions): it is sent
 * to a core and runs there on a fiber with a deadline. The control thread never waits for it.
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

/* Accepts NULL. One under way is released, and its data wiped, when it returns. */
void errand_free(struct errand *errand);

bool errand_is_done(const struct errand *errand);

/* Once it is done: 0 when it ran, or -ERR_OVERLOADED when the core had no fiber for it. */
int errand_result(const struct errand *errand);
/* Once it is done: the copy, with what run_await left in it. */
void *errand_data(struct errand *errand);
