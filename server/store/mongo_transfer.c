/* Reading all of a store in MongoDB, and writing what another one held. */
#include "store/mongo_db.h"

#include <errno.h>
#include <string.h>

/*
 * In the order of ids. Those that are text come before ObjectIds, as MongoDB sorts types; to scan
 * behind an ObjectId is to ask for that type alone.
 */
static mongoc_cursor_t *scan_begin(
	mongoc_collection_t *collection, const char *after, unsigned rows_max)
{
	_bson_ bson_t *filter = bson_new(), *behind = bson_new(), *text = NULL, *oid = NULL;
	_bson_ bson_t *opts =
		BCON_NEW("sort", "{", "_id", BCON_INT32(1), "}", "limit", BCON_INT64(rows_max));
	bson_iter_t iter;
	bson_t either;

	if (!*after)
		return mongoc_collection_find_with_opts(collection, filter, opts, NULL);
	mongo_id_append(behind, "$gt", after);
	text = bson_new();
	bson_append_document(text, "_id", -1, behind);
	if (bson_iter_init(&iter, behind) && bson_iter_next(&iter) && BSON_ITER_HOLDS_OID(&iter))
		return mongoc_collection_find_with_opts(collection, text, opts, NULL);
	/* A comparison with text finds text only: the ObjectIds are all still to come. */
	oid = BCON_NEW("_id", "{", "$type", BCON_UTF8("objectId"), "}");
	bson_append_array_begin(filter, "$or", -1, &either);
	bson_append_document(&either, "0", -1, text);
	bson_append_document(&either, "1", -1, oid);
	bson_append_array_end(filter, &either);
	return mongoc_collection_find_with_opts(collection, filter, opts, NULL);
}

int mongo_accounts_scan(
	void *connection, const char *after, struct account *rows, unsigned rows_max)
{
	struct mongo *c = connection;
	_cleanup_(mongoc_cursor_destroy_p) mongoc_cursor_t *cursor =
		scan_begin(c->users, after, rows_max);
	const bson_t *document;
	bson_error_t error;
	unsigned count = 0;

	while (count < rows_max && mongoc_cursor_next(cursor, &document))
		if (!mongo_account_read(document, &rows[count++]))
			return mongo_failed_why(c, "an account has no id or address that fits");
	return mongoc_cursor_error(cursor, &error) ? mongo_failed(c, &error) : (int)count;
}

static void record_read(const bson_t *document, struct session_record *record)
{
	struct tokens tokens;

	mongo_session_read(document, &record->session);
	mongo_tokens_read(document, &tokens);
	record->token_count = MIN(tokens.count, STORE_REFRESH_PER_SESSION_MAX);
	for (unsigned i = 0; i < record->token_count; i++) {
		memcpy(record->tokens[i].hash, tokens.items[i].hash, STORE_DIGEST_BYTES);
		record->tokens[i].created_ms = tokens.items[i].created_ms;
		record->tokens[i].used_ms = tokens.items[i].used_ms;
	}
}

int mongo_sessions_scan(
	void *connection, const char *after, struct session_record *rows, unsigned rows_max)
{
	struct mongo *c = connection;
	_cleanup_(mongoc_cursor_destroy_p) mongoc_cursor_t *cursor =
		scan_begin(c->sessions, after, rows_max);
	const bson_t *document;
	bson_error_t error;
	unsigned count = 0;

	while (count < rows_max && mongoc_cursor_next(cursor, &document))
		record_read(document, &rows[count++]);
	return mongoc_cursor_error(cursor, &error) ? mongo_failed(c, &error) : (int)count;
}

int mongo_account_put(void *connection, const struct account *account)
{
	return mongo_account_insert(connection, account);
}

int mongo_session_record_put(void *connection, const struct session_record *record)
{
	struct tokens tokens = { .count = record->token_count };
	struct account account;
	int r = mongo_account_by_id(connection, record->session.account_id, &account);

	if (r <= 0)
		return r;
	for (unsigned i = 0; i < record->token_count; i++) {
		memcpy(tokens.items[i].hash, record->tokens[i].hash, STORE_DIGEST_BYTES);
		tokens.items[i].created_ms = record->tokens[i].created_ms;
		tokens.items[i].used_ms = record->tokens[i].used_ms;
	}
	r = mongo_session_put(connection, &record->session, &tokens);
	return r == -EEXIST ? 0 : r;
}
