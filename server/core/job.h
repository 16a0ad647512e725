/*
 * Work that a fiber hands to other threads (store, hashing) and waits for. A queue is bounded; a
 * full one refuses at once. A job owns copies of all that it needs, because its fiber may give up
 * (deadline, client gone) while a thread still works on it: the job is then released when the
 * thread is done.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/inbox.h"

struct fiber;
struct job;

#define JOB_MAGIC UINT32_C(0x4a4f4221)

struct job {
	uint32_t magic;
	int result; /* what run() left; read by the fiber after job_await() */
	void (*run)(struct job *job, void *thread_context); /* on a worker thread */
	void (*release)(struct job *job); /* on the submitting core, once nobody needs it */
	uint64_t deadline_ns;             /* not started after this; set by job_await() */
	uint64_t queued_ns, started_ns, ended_ns;
	_Atomic bool is_abandoned; /* its fiber has gone: skip it if not started */
	/* Private to job.c: */
	struct job *next;
	struct inbox *home;
	struct fiber *waiter;
	bool is_submitted, is_done, is_put;
	struct inbox_item done;
};

struct job_queue {
	const char *name; /* static text: "store-write", "hash" */
	unsigned queued_max;
	pthread_mutex_t lock; /* guards head, tail, is_closed; no other lock is taken under it */
	pthread_cond_t has_work;
	struct job *head, *tail;
	bool is_closed;
	_Atomic uint32_t queued, running;
	_Atomic uint64_t done, refused, expired;
	struct job_queue *registry_next;
};

void job_queue_init(struct job_queue *queue, const char *name, unsigned queued_max);
void job_queue_deinit(struct job_queue *queue);

/* Makes job_queue_take() return 0 once the queue is empty: the threads then end. */
void job_queue_close(struct job_queue *queue);

/*
 * A worker thread: waits for work and takes up to jobs_max of it, oldest first, linked by
 * job->next in `*ret_first`. Jobs whose fiber has gone or whose deadline has passed are answered
 * (-ERR_CANCELED, -ETIMEDOUT) and not returned. 0 when the queue is closed and empty.
 */
unsigned job_queue_take(struct job_queue *queue, unsigned jobs_max, struct job **ret_first);

/* A worker thread: the job is done; job->result is set. The job must not be touched afterwards. */
void job_done(struct job_queue *queue, struct job *job);

/* Prepares a zeroed job. */
void job_init(struct job *job, void (*run)(struct job *, void *), void (*release)(struct job *));

/*
 * On a fiber: queues the job and waits until it is done. Returns job->result; -ERR_OVERLOADED when
 * the queue is full; -ETIMEDOUT or -ERR_CANCELED when the fiber's wait ended first (the outputs of
 * the job must not be read then). In every case the caller ends with job_put().
 */
int job_await(struct job_queue *queue, struct job *job);

/* The fiber needs the job no more: releases it now, or when its thread is done with it. */
void job_put(struct job *job);

/* Is the job done, so that its outputs may be read? */
static inline bool job_is_done(const struct job *job)
{
	return job->is_done;
}

/* Calls visit for every queue, from any thread (authctl pool list). */
void job_queue_each(void (*visit)(const struct job_queue *queue, void *arg), void *arg);
