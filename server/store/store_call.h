/*
 * How calls of the store are made: allocated, filled, queued and awaited. For store.c and
 * store_admin.c.
 */
#pragma once

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "shared/macros.h"
#include "shared/secret.h"
#include "store/keeper.h"
#include "store/store_backend.h"
#include "store/store_guard.h"

struct store_call *store_call_new(enum store_op op); /* NULL: no memory */

static inline void call_put(struct store_call **call)
{
	if (*call)
		job_put(&(*call)->job);
}
#define CALL(op) _cleanup_(call_put) struct store_call *call = store_call_new(op)

static inline void copy(char *to, size_t bytes, const char *from)
{
	size_t length = strlen(from);

	assert(length < bytes);
	memcpy(to, from, length + 1);
}
#define COPY(to, from) copy((to), sizeof(to), (from))

static inline int read_await(struct store_call *call)
{
	return store_guard_await(KEEPER_READING, store_queue(KEEPER_READING), call);
}

static inline int write_await(struct store_call *call)
{
	return store_guard_await(KEEPER_WRITING, store_queue(KEEPER_WRITING), call);
}

/* Room for the rows of a call that finds several. False: no memory. */
static inline bool call_rows_new(struct store_call *call, unsigned rows_max, size_t row_bytes)
{
	call->rows = calloc(rows_max, row_bytes);
	call->rows_max = rows_max;
	call->rows_bytes = rows_max * row_bytes;
	return call->rows;
}
