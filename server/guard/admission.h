/*
 * Who may begin what is costly: a login or anything else that hashes a password. A request is
 * refused at once, before its body is parsed and before it has a stack, when too many are in
 * progress, or when at the measured pace of the queues it would wait too long or past its deadline.
 * So what is let in finishes, and what is refused costs next to nothing.
 *
 * How long is too long: a burst may fill queue_time_max of waiting. When somebody has waited all
 * the time for as long as that, it is no burst but overload, and only queue_time_standing of
 * waiting is let in: as many requests finish, but each of them sooner (the idea of CoDel, RFC 8289,
 * with the drop moved to where the request comes in). The queues stay first in, first out: with so
 * short a queue nobody gains by serving the newest first, and nobody is left waiting in vain.
 */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

#include "core/job.h"

/* However long the queue: longer than people wait, and much may have changed by then. */
#define ADMISSION_RETRY_S_MAX 60

enum admission_reason {
	ADMISSION_CONCURRENT, /* concurrent_max */
	ADMISSION_CORE,       /* core_max */
	ADMISSION_WAIT,       /* it would wait too long */
	ADMISSION_DEADLINE,   /* it would wait past its deadline */
	ADMISSION_REASONS
};

struct admission_options {
	unsigned concurrent_max; /* in the whole process */
	unsigned core_max;       /* on one core, so that stacks are left for what is not costly */
	uint64_t queue_time_max_ms, queue_time_standing_ms;
	/* What a costly request passes through: look-ups, then hashing, then writing. writes is
	 * NULL where a store writes as it reads. */
	const struct job_queue *reads, *hashing, *writes;
};

/* Before the cores start. */
void admission_init(const struct admission_options *options);

/*
 * On a core: may a costly request with this deadline begin? 0: yes, and admission_leave() ends it,
 * on the same core; else the seconds after which it may try again.
 */
unsigned admission_enter(uint64_t deadline_ns, uint64_t now_ns);
void admission_leave(void);

/* When one that was refused elsewhere should try again, in seconds: 1..ADMISSION_RETRY_S_MAX. */
unsigned admission_retry_s(uint64_t now_ns);

/* For whoever shows it; any thread. */
struct admission_view {
	uint32_t in_progress, concurrent_max;
	uint64_t admitted, refused[ADMISSION_REASONS];
	uint64_t wait_ns;  /* what one that came now would wait */
	uint64_t limit_ns; /* what it may */
};
void admission_view(struct admission_view *ret_view, uint64_t now_ns);

/* "concurrent", "core", "wait", "deadline". */
const char *admission_reason_name(enum admission_reason reason);
