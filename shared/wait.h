/*
 * Waiting for a condition for some time. By the monotonic clock, so that setting the time of day
 * moves no deadline; and by the real one even while a test has frozen shared/clock.h, because
 * nobody could wake the thread then. Conditions need no attributes.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

/* When ms from now have passed. */
struct timespec wait_end_ms(uint64_t ms);

/* As pthread_cond_wait(), but false when it is time: woken for no reason counts as woken. */
bool wait_until(pthread_cond_t *condition, pthread_mutex_t *lock, const struct timespec *end);
