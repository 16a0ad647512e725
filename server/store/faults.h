/*
 * Faults of the store in memory, for tests only: which calls fail, and how late they answer. A unit
 * test sets them with fault_set(); for the daemon, [store] path names a script, which is read again
 * whenever it has changed (so write a new file and rename it). A line of it:
 *
 *   POINT[:CALL] [after=N] [times=N] [error=down|memory|overloaded] [delay=MS|held]
 *
 *   run:login times=3 error=down     the next three logins fail
 *   run after=100 delay=50           from the 101st call on, each takes 50 ms more
 *   commit error=down                no transaction can be committed while this line stands
 *   run:account_find delay=held      lookups wait until this line is gone
 *
 * A line without error and delay fails with "down". A call is named as in store_op_name().
 */
#pragma once

#include "store/store_backend.h"

enum fault_point {
	FAULT_CONNECT,
	FAULT_BEGIN,
	FAULT_SAVE,
	FAULT_RUN, /* before a call has changed anything */
	FAULT_RAN, /* after it has: tests that it is undone */
	FAULT_COMMIT,
	FAULT_PING,
	FAULT_SWEEP,
	FAULT_POINTS
};

#define FAULT_EVERY_OP (-1)
#define FAULT_HELD UINT32_MAX /* as delay_ms: until it is taken away */
#define FAULTS_MAX 16

struct fault {
	enum fault_point point;
	int op;         /* enum store_op for RUN and RAN, or FAULT_EVERY_OP */
	uint32_t after; /* so many pass first */
	uint32_t times; /* so many are hit then; 0: every one */
	int error;      /* negative; 0: late only */
	uint32_t delay_ms;
};

/* Adds a fault; any thread. -ENOBUFS when there are FAULTS_MAX. */
int fault_set(const struct fault *fault);

/* Takes all away and lets go whoever is held. */
void faults_clear(void);

/* Both in one step: whoever is let go meets this one next. */
void faults_replace(const struct fault *fault);

/* Calls that a fault has hit, late or failed, since faults_clear(). */
unsigned faults_hit(void);

/* How many are held now. */
unsigned faults_held(void);

/* Names the script; "" for none. 0; negative and a sentence with its line in *ret_why. */
int faults_script(const char *path, const char **ret_why);

/* Passes a point: waits as long as a fault says, and returns its error, or 0. */
int fault_pass(enum fault_point point, int op);
