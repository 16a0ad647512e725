/*
 * The store's threads. A worker is a thread with a connection of its own; a group of them takes the
 * calls of one queue. A group starts with threads_min workers; one more is started when all are
 * busy, up to threads_max; what was not needed for a while ends again.
 */
#pragma once

#include "core/job.h"
#include "store/store_backend.h"

#define WORKERS_MAX 64 /* of one group; config/options.c allows no more */

enum worker_state { WORKER_NONE, WORKER_CONNECTING, WORKER_IDLE, WORKER_BUSY };

struct worker {
	struct workers *group;
	pthread_t thread;
	bool is_joinable; /* guarded by the group's lock */
	void *connection; /* the worker's alone */
	/* For whoever looks (authctl pool list): */
	_Atomic uint8_t state; /* enum worker_state */
	_Atomic uint8_t op;    /* enum store_op, when busy */
	_Atomic uint64_t since_ns;
	_Atomic uint64_t calls, failures;
};

struct workers_options {
	const char *name; /* static text: "store-read" */
	const struct store_backend *backend;
	const struct store_options *store;
	unsigned queued_max;
	unsigned threads_min, threads_max;
	unsigned batch_max; /* calls in one transaction; 0: each call alone */
};

struct workers {
	struct workers_options options;
	struct job_queue queue;
	/* Guards the slots' threads, is_closing; the queue's lock may follow. */
	pthread_mutex_t lock;
	bool is_closing;
	_Atomic unsigned count, busy;
	_Atomic unsigned threads_max; /* of options, until workers_resize() */
	_Atomic unsigned busy_peak;   /* since the last workers_trim() */
	struct worker slots[WORKERS_MAX];
};

/* Connects and starts threads_min workers. 0; negative and a sentence in *ret_why: then call
 * workers_stop(). */
int workers_start(
	struct workers *workers, const struct workers_options *options, const char **ret_why);

/* Runs what is queued, then ends every thread and connection. */
void workers_stop(struct workers *workers);

/*
 * How many there may be from now on, WORKERS_MAX at most and never fewer than threads_min. Those
 * too many end once they find no work. Any thread, while the group runs.
 */
void workers_resize(struct workers *workers, unsigned threads_max);

/* Called now and then: ends the workers above threads_min that were not needed since last time. */
void workers_trim(struct workers *workers);
