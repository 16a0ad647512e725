/*
 * A circuit breaker: after too many failures calls are refused at once for a while, so that nobody
 * waits for what does not answer and it can recover; then a few calls try it again.
 *
 *   CLOSED -failures_percent of the calls in the window failed-> OPEN
 *   OPEN -open_ms, and a tenth of that at random-> HALF_OPEN
 *   HALF_OPEN -probes succeeded-> CLOSED, -one failed-> OPEN
 *
 * One breaker serves the whole process, because what is behind it fails for all cores at once: a
 * breaker per core would have to learn the same from 1/n of the calls, and would tell an operator n
 * answers. What it costs a call is one relaxed load before and one short lock after, beside a queue
 * that takes a lock too; nothing on the hot path of /verify comes here. Any thread may call.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/registry.h"

#define BREAKER_BUCKETS 10 /* of the window: its edge moves by a tenth of it */
#define BREAKER_HISTORY_MAX 32
#define BREAKER_ERROR_BYTES 128

enum breaker_state { BREAKER_CLOSED, BREAKER_OPEN, BREAKER_HALF_OPEN, BREAKER_STATES };
enum breaker_mode { BREAKER_AUTO, BREAKER_FORCED_OPEN, BREAKER_FORCED_CLOSED };
enum breaker_outcome {
	BREAKER_SUCCESS,
	BREAKER_FAILURE,
	BREAKER_NEITHER, /* refused by ourselves, or the client left: says nothing about it */
};

struct breaker_options {
	const char *name;          /* static text: "store-read" */
	uint64_t window_ms;        /* failures are counted over this */
	unsigned failures_percent; /* 1..100: so many of the calls open it... */
	unsigned calls_min;        /* ...but never fewer calls than this */
	uint64_t open_ms;
	unsigned probes; /* calls at a time while half open, and successes that close it */
};

/* One change of state. */
struct breaker_change {
	int64_t at_ms; /* wall clock */
	enum breaker_state from, to;
	const char *reason;       /* static text: "failures", "forced open" */
	uint32_t calls, failures; /* in the window then */
};

/* What a call was let through as; given back with its outcome. */
struct breaker_pass {
	uint32_t epoch; /* outcomes of calls from before the last change are not counted */
	bool is_probe;
};

struct breaker {
	struct breaker_options options;
	_Atomic bool is_plain; /* closed and not forced: calls pass without the lock */
	_Atomic uint32_t epoch;
	pthread_mutex_t lock; /* guards all below; no other lock is taken under it */
	enum breaker_state state;
	enum breaker_mode mode;
	uint64_t forced_until_ns; /* CLOCK_NEVER: until told otherwise */
	uint64_t open_until_ns;
	unsigned probing, probes_succeeded;
	uint64_t bucket_now; /* index of the newest bucket since the clock began */
	struct {
		uint32_t calls, failures;
	} bucket[BREAKER_BUCKETS];
	uint64_t successes_total, failures_total, refused_total, opened_total;
	uint64_t changed_total[BREAKER_STATES]; /* changes to each state */
	char error[BREAKER_ERROR_BYTES];        /* the last failure's */
	int64_t error_ms;
	struct breaker_change history[BREAKER_HISTORY_MAX]; /* a ring */
	uint64_t changes;
	struct registry_member member;
};

void breaker_init(struct breaker *breaker, const struct breaker_options *options);
void breaker_deinit(struct breaker *breaker);

/* Before a call. True: make it and tell how it went with breaker_leave(), whatever happens. */
bool breaker_enter(struct breaker *breaker, struct breaker_pass *ret_pass);

/* After it. error: a sentence for people, with BREAKER_FAILURE; may be NULL. */
void breaker_leave(struct breaker *breaker, const struct breaker_pass *pass,
	enum breaker_outcome outcome, const char *error);

/* How long from now calls are refused for sure; 0 when they may pass. */
uint64_t breaker_retry_ns(struct breaker *breaker);

/*
 * The operator's word: for_ms from now (0: until told otherwise) calls are all refused or all let
 * through, whatever the outcomes; then, or with BREAKER_AUTO, it starts as closed.
 */
void breaker_force(struct breaker *breaker, enum breaker_mode mode, uint64_t for_ms);

/* Everything that can be shown of a breaker. */
struct breaker_view {
	const char *name;
	enum breaker_state state; /* forced ones show as open or closed */
	enum breaker_mode mode;
	uint64_t forced_ns;       /* left of it; CLOCK_NEVER: until told otherwise; 0 not forced */
	uint64_t retry_ns;        /* breaker_retry_ns() */
	uint32_t calls, failures; /* in the window */
	uint64_t successes_total, failures_total, refused_total, opened_total;
	uint64_t changed_total[BREAKER_STATES];
	char error[BREAKER_ERROR_BYTES]; /* "" none */
	int64_t error_ms;                /* wall clock; 0 none */
	unsigned history_count;
	struct breaker_change history[BREAKER_HISTORY_MAX]; /* newest first */
};
void breaker_view(struct breaker *breaker, struct breaker_view *ret_view);

/* "closed", "open", "half-open"; "auto", "forced open", "forced closed". */
const char *breaker_state_name(enum breaker_state state);
const char *breaker_mode_name(enum breaker_mode mode);

/* Called at every change of any breaker, on any thread, to log it; must call nothing of these.
 * NULL, as it starts: nobody is told. Before the first breaker. */
void breakers_on_change(void (*tell)(const char *name, const struct breaker_change *change));

/* Calls visit for every breaker (authctl breaker list, metrics). Visit may call what is above. */
void breaker_each(void (*visit)(struct breaker *breaker, void *arg), void *arg);
/* By its name, NULL if there is none. */
struct breaker *breaker_find(const char *name);
