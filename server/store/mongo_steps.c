/*
 * Single steps on MongoDB: one round trip each, with our choice of concerns. See mongo_db.h.
 *
 * Writes wait for a majority: an answer must survive the loss of the primary, and a lockout or a
 * revocation that is rolled back would open a door again. Reads ask the primary for what a majority
 * has: what was answered before is seen, and nothing that may still be rolled back is believed.
 */
#include "store/mongo_db.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "shared/clock.h"
#include "shared/err.h"

#define CODE_DUPLICATE 11000
#define CODE_MAX_TIME 50

int mongo_failed_why(struct mongo *c, const char *why)
{
	(void)snprintf(c->reason, sizeof(c->reason), "mongodb: %.110s", why);
	return -ERR_STORE_DOWN;
}

int mongo_failed(struct mongo *c, const bson_error_t *error)
{
	if (error->code == CODE_DUPLICATE)
		return -EEXIST;
	(void)mongo_failed_why(c, error->message);
	return error->code == CODE_MAX_TIME ? -ETIMEDOUT : -ERR_STORE_DOWN;
}

int64_t mongo_time_left_ms(const struct mongo *c)
{
	uint64_t now_ns = clock_now_ns();
	uint64_t left_ms = c->deadline_ns > now_ns ? (c->deadline_ns - now_ns) / NS_PER_MS : 0;

	return (int64_t)MAX(MIN(left_ms, mongo_shared.op_timeout_ms), 1u);
}

bool mongo_collation_append(bson_t *opts)
{
	bool is_collating = atomic_load_explicit(&mongo_shared.is_collating, memory_order_relaxed);

	if (is_collating)
		BCON_APPEND(opts, "collation", "{", "locale", BCON_UTF8("en"), "strength",
			BCON_INT32(2), "}");
	return is_collating;
}

int mongo_find(struct mongo *c, mongoc_collection_t *collection, const bson_t *filter,
	bool collation, bson_t **ret_document)
{
	_cleanup_(mongoc_cursor_destroy_p) mongoc_cursor_t *cursor = NULL;
	_bson_ bson_t *opts = BCON_NEW("limit", BCON_INT64(1), "singleBatch", BCON_BOOL(true),
		"maxTimeMS", BCON_INT64(mongo_time_left_ms(c)));
	const bson_t *document;
	bson_error_t error;

	if (collation)
		(void)mongo_collation_append(opts);
	cursor = mongoc_collection_find_with_opts(collection, filter, opts, NULL);
	if (mongoc_cursor_next(cursor, &document)) {
		*ret_document = bson_copy(document);
		return 1;
	}
	return mongoc_cursor_error(cursor, &error) ? mongo_failed(c, &error) : 0;
}

static int reply_count(const bson_t *reply, const char *name)
{
	bson_iter_t iter;

	return bson_iter_init_find(&iter, reply, name) ? (int)bson_iter_as_int64(&iter) : 0;
}

int mongo_update(struct mongo *c, mongoc_collection_t *collection, const bson_t *filter,
	const bson_t *update, bool is_upsert)
{
	_bson_ bson_t *opts = BCON_NEW("upsert", BCON_BOOL(is_upsert));
	bson_error_t error;
	bson_t reply;
	int r;

	if (mongoc_collection_update_one(collection, filter, update, opts, &reply, &error))
		r = reply_count(&reply, "matchedCount");
	else
		r = mongo_failed(c, &error);
	bson_destroy(&reply);
	return r;
}

int mongo_insert(struct mongo *c, mongoc_collection_t *collection, const bson_t *document)
{
	bson_error_t error;

	return mongoc_collection_insert_one(collection, document, NULL, NULL, &error)
		       ? 1
		       : mongo_failed(c, &error);
}

int mongo_delete(struct mongo *c, mongoc_collection_t *collection, const bson_t *filter, bool all)
{
	bson_error_t error;
	bson_t reply;
	bool is_done;
	int r;

	if (all)
		is_done = mongoc_collection_delete_many(collection, filter, NULL, &reply, &error);
	else
		is_done = mongoc_collection_delete_one(collection, filter, NULL, &reply, &error);
	r = is_done ? reply_count(&reply, "deletedCount") : mongo_failed(c, &error);
	bson_destroy(&reply);
	return r;
}

int mongo_again(struct mongo *c, mongo_call *try, struct store_call *call)
{
	for (unsigned i = 0; i < CAS_TRIES_MAX; i++) {
		int r = try(c, call);

		if (r != -EAGAIN)
			return r;
	}
	return mongo_failed_why(c, "others were always faster");
}
