/*
 * The store in memory, for tests: the same transactions and bounds as the real ones, nothing on a
 * disk, and faults on demand (faults.h). All connections share the tables. One that writes holds
 * the lock from begin to commit, so a write that a fault holds up holds up reading too. Rows are
 * searched one by one: tests have few.
 */
#include "store/store_backend.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/err.h"
#include "shared/macros.h"
#include "shared/secret.h"
#include "store/faults.h"
#include "store/memory_tables.h"

struct memory_connection {
	bool is_in_transaction; /* and so holds the lock */
	char reason[128];
};

/* What a full table is to a caller, and a fault's error: with a reason that can be shown. */
static int answer(struct memory_connection *c, const char *what, int r)
{
	if (r >= 0)
		return r;
	(void)snprintf(c->reason, sizeof(c->reason), "memory: %s%s", what,
		r == -ENOSPC ? ": a table is full" : "");
	return r == -ENOSPC ? -ERR_STORE_DOWN : r;
}

static int pass(struct memory_connection *c, enum fault_point point, int op, const char *what)
{
	return answer(c, what, fault_pass(point, op));
}

/* --- transactions --- */

static int memory_begin(void *connection)
{
	struct memory_connection *c = connection;
	int r = pass(c, FAULT_BEGIN, FAULT_EVERY_OP, "begin failed");

	if (r < 0)
		return r;
	pthread_rwlock_wrlock(&tables.lock);
	c->is_in_transaction = true;
	tables.saved = NULL;
	return 0;
}

static void transaction_end(struct memory_connection *c, bool is_undone)
{
	changes_drop(NULL, is_undone);
	c->is_in_transaction = false;
	pthread_rwlock_unlock(&tables.lock);
}

static int memory_commit(void *connection)
{
	int r = pass(connection, FAULT_COMMIT, FAULT_EVERY_OP, "commit failed");

	if (r == 0)
		transaction_end(connection, false);
	return r;
}

static void memory_rollback(void *connection)
{
	struct memory_connection *c = connection;

	if (c->is_in_transaction)
		transaction_end(c, true);
}

static int memory_save(void *connection)
{
	tables.saved = tables.changes;
	return pass(connection, FAULT_SAVE, FAULT_EVERY_OP, "savepoint failed");
}

static int memory_save_end(_unused_ void *connection, bool is_undone)
{
	if (is_undone)
		changes_drop(tables.saved, true);
	return 0;
}

/* --- the calls --- */

static int memory_run(void *connection, struct store_call *call)
{
	struct memory_connection *c = connection;
	const char *name = store_op_name(call->op);
	int r = pass(c, FAULT_RUN, call->op, name);

	if (r < 0)
		return r;
	/* A connection without a transaction only reads. */
	assert(c->is_in_transaction || !store_op_writes(call->op));
	if (!c->is_in_transaction)
		pthread_rwlock_rdlock(&tables.lock);
	r = answer(c, name, memory_call(call));
	if (!c->is_in_transaction)
		pthread_rwlock_unlock(&tables.lock);
	if (r >= 0) {
		int late = pass(c, FAULT_RAN, call->op, name);

		r = late < 0 ? late : r;
	}
	return r;
}

static int memory_ping(void *connection, bool is_writing)
{
	int r = pass(connection, FAULT_PING, FAULT_EVERY_OP, "ping failed");

	if (r < 0 || !is_writing)
		return r;
	r = memory_begin(connection);
	if (r == 0)
		r = memory_commit(connection);
	if (r < 0)
		memory_rollback(connection);
	return r;
}

static int memory_sweep(void *connection, int64_t now_ms)
{
	int r = pass(connection, FAULT_SWEEP, FAULT_EVERY_OP, "sweep failed"), swept = 0;

	if (r == 0)
		r = memory_begin(connection);
	if (r == 0)
		r = swept = memory_sweep_part(now_ms);
	if (r >= 0)
		r = memory_commit(connection);
	if (r < 0)
		memory_rollback(connection);
	return r < 0 ? r : swept;
}

/* --- keys --- */

static int key_compare(const void *a, const void *b)
{
	const struct store_key *x = a, *y = b;

	if (x->is_active != y->is_active)
		return x->is_active ? -1 : 1;
	return (x->created_ms < y->created_ms) - (x->created_ms > y->created_ms);
}

static int memory_keys_load(_unused_ void *connection, struct store_key *keys)
{
	int count;

	pthread_rwlock_rdlock(&tables.lock);
	count = (int)tables.keys.count;
	if (count)
		memcpy(keys, tables.keys.rows, (size_t)count * sizeof(*keys));
	pthread_rwlock_unlock(&tables.lock);
	qsort(keys, (size_t)count, sizeof(*keys), key_compare);
	return count;
}

/* The oldest gives way when the table is full. */
static int key_make_room(void)
{
	uint32_t oldest = 0;

	if (tables.keys.count < tables.keys.rows_max)
		return 0;
	ROWS_EACH(&tables.keys, i)
	if (key_compare(row_at(&tables.keys, oldest), row_at(&tables.keys, i)) < 0)
		oldest = i;
	return row_delete(&tables.keys, oldest);
}

static int key_add_locked(const struct store_key *key, int64_t newer_than_ms)
{
	struct store_key new = *key;
	int r = 0;

	ROWS_EACH(&tables.keys, i)
	{
		const struct store_key *other = row_at(&tables.keys, i);

		if (other->is_active && strcmp(other->algorithm, key->algorithm) == 0 &&
			other->created_ms > newer_than_ms)
			return 0;
	}
	for (uint32_t i = 0; i < tables.keys.count && r == 0; i++) {
		struct store_key other = *(struct store_key *)row_at(&tables.keys, i);

		other.is_active = false;
		r = row_update(&tables.keys, i, &other);
		secret_wipe(&other, sizeof(other));
	}
	if (r == 0)
		r = key_make_room();
	new.is_active = true;
	if (r == 0)
		r = row_insert(&tables.keys, &new);
	secret_wipe(&new, sizeof(new));
	return r < 0 ? r : 1;
}

static int memory_key_add(void *connection, const struct store_key *key, int64_t newer_than_ms)
{
	int r = memory_begin(connection), added = 0;

	if (r == 0)
		r = added = key_add_locked(key, newer_than_ms);
	if (r >= 0)
		r = memory_commit(connection);
	if (r < 0)
		memory_rollback(connection);
	return r < 0 ? r : added;
}

static int key_remove_locked(const char *kid)
{
	ROWS_EACH(&tables.keys, i)
	{
		const struct store_key *key = row_at(&tables.keys, i);
		int r;

		if (key->is_active || strcmp(key->kid, kid) != 0)
			continue;
		r = row_delete(&tables.keys, i);
		return r < 0 ? r : 1;
	}
	return 0;
}

static int memory_key_remove(void *connection, const char *kid)
{
	int r = memory_begin(connection), removed = 0;

	if (r == 0)
		r = removed = key_remove_locked(kid);
	if (r >= 0)
		r = memory_commit(connection);
	if (r < 0)
		memory_rollback(connection);
	return r < 0 ? r : removed;
}

/* --- opening --- */

static int memory_connect(
	const struct store_options *options, void **ret_connection, const char **ret_why)
{
	struct memory_connection *c;
	int r = 0;

	pthread_rwlock_wrlock(&tables.lock);
	if (tables.connections++ == 0)
		r = faults_script(options->path, ret_why);
	tables.strangers_max =
		options->strangers_max ? options->strangers_max : STORE_STRANGERS_MAX;
	pthread_rwlock_unlock(&tables.lock);
	if (r == 0) {
		*ret_why = "a fault forbids to connect";
		r = fault_pass(FAULT_CONNECT, FAULT_EVERY_OP);
	}
	c = r == 0 ? calloc(1, sizeof(*c)) : NULL;
	if (!c) {
		pthread_rwlock_wrlock(&tables.lock);
		tables.connections--;
		pthread_rwlock_unlock(&tables.lock);
		return r < 0 ? r : -ENOMEM;
	}
	*ret_connection = c;
	return 0;
}

/* With the last connection all is forgotten. */
static void memory_disconnect(void *connection)
{
	pthread_rwlock_wrlock(&tables.lock);
	if (--tables.connections == 0)
		tables_clear();
	pthread_rwlock_unlock(&tables.lock);
	free(connection);
}

static int memory_sessions_count(_unused_ void *connection, int64_t now_ms, uint64_t *ret_count)
{
	pthread_rwlock_rdlock(&tables.lock);
	*ret_count = memory_sessions_alive(now_ms);
	pthread_rwlock_unlock(&tables.lock);
	return 0;
}

static int memory_migrate(_unused_ void *connection, _unused_ const char **ret_why)
{
	return 0;
}

static const char *memory_reason(void *connection)
{
	return ((struct memory_connection *)connection)->reason;
}

const struct store_backend store_memory = {
	.name = "memory",
	.connect = memory_connect,
	.disconnect = memory_disconnect,
	.migrate = memory_migrate,
	.run = memory_run,
	.begin = memory_begin,
	.commit = memory_commit,
	.rollback = memory_rollback,
	.save = memory_save,
	.save_end = memory_save_end,
	.ping = memory_ping,
	.sweep = memory_sweep,
	.sessions_count = memory_sessions_count,
	.keys_load = memory_keys_load,
	.key_add = memory_key_add,
	.key_remove = memory_key_remove,
	.reason = memory_reason,
};
