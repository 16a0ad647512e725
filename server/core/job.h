/*
 * Work that a fiber hands to other threads (store, hashing) and waits for. A queue is bounded in
 * number and in time: it refuses at once what it could not begin soon enough at its measured pace.
 * A job owns copies of all that it needs, because its fiber may give up (deadline, client gone)
 * while a thread still works on it: the job is then released when the thread is done.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/inbox.h"
#include "core/pace.h"
#include "core/registry.h"

struct fiber;
struct job;

#define JOB_MAGIC UINT32_C(0x4a4f4221)

struct job {
	uint32_t magic;
	int result; /* what run() left; read by the fiber after job_await() */
	void (*run)(struct job *job, void *thread_context); /* on a worker thread */
	void (*release)(struct job *job); /* on the submitting core, once nobody needs it */
	/* Not started after this. job_await() lowers it to the fiber's; 0: that alone. */
	uint64_t deadline_ns;
	uint64_t queued_ns, started_ns, ended_ns;
	_Atomic bool is_abandoned; /* its fiber has gone: skip it if not started */
	/* Private to job.c: */
	struct job *next;
	struct inbox *home;
	struct job_queue *queue; /* NULL: handed over otherwise */
	struct fiber *waiter;
	bool is_submitted, is_done, is_put;
	bool is_patient; /* its fiber's */
	struct inbox_item done;
};

/*
 * Jobs of patient fibers (logins) wait behind all others (the look-up of a /verify), but are not
 * starved: one take in JOB_PATIENT_TURN begins with them.
 */
enum job_line { JOB_LINE_FIRST, JOB_LINE_PATIENT, JOB_LINES };
#define JOB_PATIENT_TURN 8

struct job_queue {
	const char *name;    /* static text: "store-write", "hash" */
	unsigned queued_max; /* in each line, so that neither can fill the other's place */
	/* Guards line, turn, idle, leaving, is_closed; no other lock is taken under it. */
	pthread_mutex_t lock;
	pthread_cond_t has_work;
	struct {
		struct job *head, *tail;
	} line[JOB_LINES];
	unsigned turn;
	unsigned idle; /* threads that wait for work */
	bool is_closed;
	unsigned leaving; /* threads asked to end */
	/* What follows is for any thread to read. */
	_Atomic uint32_t queued, running;  /* queued: in both lines */
	_Atomic uint32_t lined[JOB_LINES]; /* queued, in each */
	_Atomic uint32_t left;             /* whose fiber has gone, queued or running */
	_Atomic uint64_t busy_since_ns;    /* somebody has always waited since; 0: nobody does */
	_Atomic uint64_t refused_until_ns; /* job_queue_refuse() */
	_Atomic uint64_t done, expired;    /* expired: nobody needed them when their turn came */
	_Atomic uint64_t refused, refused_late; /* no place; a wait that would be too long */
	struct pace pace;
	struct registry_member member;
};

void job_queue_init(struct job_queue *queue, const char *name, unsigned queued_max);

/*
 * Before the first job: how many its threads can work on side by side and what one takes (0: not
 * known). Measured from then on.
 */
void job_queue_expect(struct job_queue *queue, unsigned parallel, uint64_t service_ns);

/* For all queues: what would wait longer is refused, what has waited twice as long is not begun
 * any more. 0: no limit, which is how it starts. */
void job_wait_max_set(uint64_t ms);

/* How many wait that will be begun; any thread. */
uint32_t job_queue_waiting(const struct job_queue *queue);

/* Since when, from now, no job was taken or done though some are worked on; 0: none is. Any thread.
 */
uint64_t job_queue_stall_ns(const struct job_queue *queue, uint64_t now_ns);

/* How long a job that came now would wait behind `ahead` others, at the present pace; any thread.
 */
uint64_t job_queue_wait_ns(const struct job_queue *queue, uint32_t ahead, uint64_t now_ns);

void job_queue_deinit(struct job_queue *queue);

/* Makes job_queue_take() return 0 once the queue is empty: the threads then end. */
void job_queue_close(struct job_queue *queue);

/*
 * Takes no job until then: who comes is told -ERR_DRAINING at once, and so are those who wait; how
 * many those were. What is worked on is finished. 0: takes jobs again. Any thread.
 */
unsigned job_queue_refuse(struct job_queue *queue, uint64_t until_ns);

/* How long from now it takes no job; 0: it does. Any thread. */
static inline uint64_t job_queue_refusal_ns(const struct job_queue *queue, uint64_t now_ns)
{
	uint64_t until_ns = atomic_load_explicit(&queue->refused_until_ns, memory_order_relaxed);

	return until_ns > now_ns ? until_ns - now_ns : 0;
}

/* Asks so many worker threads to end: job_queue_take() returns 0 to the next that find no work. */
void job_queue_leave(struct job_queue *queue, unsigned threads);

/*
 * A worker thread: waits for work and takes up to jobs_max of it, oldest first in each line,
 * linked by job->next in `*ret_first`. Jobs whose fiber has gone, whose deadline has passed or that
 * have waited too long are answered (-ERR_CANCELED, -ETIMEDOUT, -ERR_OVERLOADED) and not returned.
 * 0 when the queue is closed and empty, or this thread is to leave.
 */
unsigned job_queue_take(struct job_queue *queue, unsigned jobs_max, struct job **ret_first);

/*
 * A worker thread that works on several jobs side by side and looks at their staleness itself: as
 * job_queue_take(), but stale jobs are returned too, and it waits until until_ns at most. 0: it
 * does not wait, because it has other work in hand, and leaves what idle threads will take. Returns
 * how many were taken, or -ERR_CANCELED where job_queue_take() returns 0.
 */
int job_queue_take_until(
	struct job_queue *queue, unsigned jobs_max, uint64_t until_ns, struct job **ret_first);

/*
 * Any thread, for a job in hand. Does its fiber still wait for it? 0, -ERR_CANCELED, -ETIMEDOUT.
 * And is it worth beginning? Then -ERR_OVERLOADED too, when it has waited too long.
 */
int job_leave_reason(const struct job *job, uint64_t now_ns);
int job_stale_reason(const struct job *job, uint64_t now_ns);

/* A worker thread: the job is done; job->result is set. The job must not be touched afterwards. */
void job_done(struct job_queue *queue, struct job *job);

/* A worker thread: the job was taken, and is answered without having been done. As untouchable. */
void job_drop(struct job_queue *queue, struct job *job, int result);

/* Any thread: answers a job that no queue was handed (job_await_by()). As untouchable. */
void job_answer(struct job *job, int result);

/* Prepares a zeroed job. */
void job_init(struct job *job, void (*run)(struct job *, void *), void (*release)(struct job *));

/*
 * On a fiber: queues the job and waits until it is done. Returns job->result; -ERR_OVERLOADED when
 * the queue is full, or could not begin it before its deadline or the longest wait allowed;
 * -ERR_DRAINING when it takes none (job_queue_refuse());
 * -ETIMEDOUT or -ERR_CANCELED when the fiber's wait ended first (the outputs of the job must not be
 * read then). In every case the caller ends with job_put().
 */
int job_await(struct job_queue *queue, struct job *job);

/*
 * As job_await(), for a job that may come to its answer otherwise than through a queue of its own:
 * hand_over(job, arg) has it answered some day and returns 0, or an error, which is returned.
 * job_queue_append() is what job_await() does there.
 */
int job_await_by(struct job *job, int (*hand_over)(struct job *job, void *arg), void *arg);
int job_queue_append(struct job *job, void *queue);

/* The fiber needs the job no more: releases it now, or when its thread is done with it. */
void job_put(struct job *job);

/* Is the job done, so that its outputs may be read? */
static inline bool job_is_done(const struct job *job)
{
	return job->is_done;
}

/* By its name; NULL if there is none. */
const struct job_queue *job_queue_find(const char *name);

/* Calls visit for every queue, from any thread (authctl pool list). */
void job_queue_each(void (*visit)(const struct job_queue *queue, void *arg), void *arg);
