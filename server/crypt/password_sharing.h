/*
 * Equal checks share one hash: a check whose stored hash and password equal those of one that is
 * queued or computed waits for that one's answer. The first of them is the leader; it stands in the
 * queue and in a lane for all. One that leaves takes nothing from the others: the hash is given up
 * only when nobody waits for it any more. Private to crypt/password*.c.
 */
#pragma once

#include "crypt/password_job.h"

/* So many may wait for one hash; the next one begins another. */
#define PASSWORD_SHARERS_MAX 256

/* Draws the secret key of the table. Before the first submit. */
void password_sharing_init(void);

/* For job_await_by(): joins a leader, or goes into the queue and may be joined. */
int password_sharing_submit(struct job *job, void *queue);

/*
 * A worker thread, about a job that was in the queue: does anybody wait for it, by what `reason`
 * says of each? Then 0. Otherwise nobody can join it any more; the reason, and in `*ret_sharers`
 * those who had joined (linked by sharing.next).
 */
int password_sharing_leave(struct password_job *p, uint64_t now_ns,
	int (*reason)(const struct job *job, uint64_t now_ns), struct password_job **ret_sharers);

/*
 * A worker thread, before it answers such a job: nobody can join it any more; those who had, linked
 * by sharing.next, each with the time before which it must not be told no.
 */
struct password_job *password_sharing_close(struct password_job *p, uint64_t now_ns);

/* How many have joined since the start; any thread. */
uint64_t password_sharing_count(void);
