/* Lists of accounts, and what administrators do to them, in MongoDB. */
#include "store/mongo_db.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "store/records.h"

#define FIELD(name) (mongo_shared.fields.name)

/* --- lists --- */

/* Ids behind this one. The server sorts texts before ObjectIds, and compares only within a type. */
static void behind_append(bson_t *filter, const char *after)
{
	bson_t behind;
	bool is_object_id;

	if (!*after)
		return;
	is_object_id = mongo_is_object_id(after);
	if (is_object_id) {
		bson_append_document_begin(filter, "_id", -1, &behind);
		mongo_id_append(&behind, "$gt", after);
		bson_append_document_end(filter, &behind);
		return;
	}
	BCON_APPEND(filter, "$or", "[", "{", "_id", "{", "$gt", BCON_UTF8(after), "}", "}", "{",
		"_id", "{", "$type", BCON_UTF8("objectId"), "}", "}", "]");
}

/* What mongo_account_read() takes for the status: nothing at all is an active account. */
static void status_append(bson_t *filter, int status)
{
	const char *operator= status == ACCOUNT_ACTIVE ? "$in" : "$nin";

	if (status >= 0)
		BCON_APPEND(filter, FIELD(status), "{", operator, "[", BCON_UTF8(FIELD(active)),
			BCON_BOOL(true), BCON_NULL, "]", "}");
}

/* Documents that are no accounts of ours (no address) are passed over, so a page may be short while
 * more follow: the rows are filled up from the same cursor. */
int mongo_accounts_list(struct mongo *c, struct store_call *call)
{
	_cleanup_(mongoc_cursor_destroy_p) mongoc_cursor_t *cursor = NULL;
	_bson_ bson_t *filter = bson_new(), *opts = NULL;
	struct account *accounts = call->rows;
	const bson_t *document;
	bson_error_t error;
	unsigned count = 0;

	behind_append(filter, call->account.id);
	status_append(filter, call->status);
	opts = BCON_NEW("sort", "{", "_id", BCON_INT32(1), "}", "batchSize",
		BCON_INT64(call->rows_max), "maxTimeMS", BCON_INT64(mongo_time_left_ms(c)));
	cursor = mongoc_collection_find_with_opts(c->users, filter, opts, NULL);
	while (count < call->rows_max && mongoc_cursor_next(cursor, &document))
		count += mongo_account_read(document, &accounts[count]);
	return mongoc_cursor_error(cursor, &error) ? mongo_failed(c, &error) : (int)count;
}

/* What stands behind all that may follow: U+10FFFF in the order of bytes; collations have U+FFFF
 * for that. */
#define LAST_BYTES "\xf4\x8f\xbf\xbf"
#define LAST_COLLATED "\xef\xbf\xbf"

/* Compared without case and accents, the range has a few that begin otherwise. */
int mongo_accounts_prefix(struct mongo *c, struct store_call *call)
{
	_cleanup_(mongoc_cursor_destroy_p) mongoc_cursor_t *cursor = NULL;
	_bson_ bson_t *filter = bson_new(), *opts = NULL;
	char last[sizeof(call->key) + sizeof(LAST_BYTES)];
	struct account *accounts = call->rows;
	const bson_t *document;
	bson_error_t error;
	unsigned count = 0;

	opts = BCON_NEW("sort", "{", FIELD(email), BCON_INT32(1), "}", "limit",
		BCON_INT64(2 * call->rows_max), "maxTimeMS", BCON_INT64(mongo_time_left_ms(c)));
	(void)snprintf(last, sizeof(last), "%s%s", call->key,
		mongo_collation_append(opts) ? LAST_COLLATED : LAST_BYTES);
	BCON_APPEND(filter, FIELD(email), "{", "$gte", BCON_UTF8(call->key), "$lt", BCON_UTF8(last),
		"}");
	cursor = mongoc_collection_find_with_opts(c->users, filter, opts, NULL);
	while (count < call->rows_max && mongoc_cursor_next(cursor, &document))
		count += mongo_account_read(document, &accounts[count]) &&
			 strncmp(accounts[count].email_key, call->key, strlen(call->key)) == 0;
	return mongoc_cursor_error(cursor, &error) ? mongo_failed(c, &error) : (int)count;
}

/* --- changes --- */

/* Only what was asked for is written: other fields may be the application's at the same time. */
int mongo_account_change(struct mongo *c, struct store_call *call)
{
	_bson_ bson_t *filter = mongo_id_filter(call->key), *update = bson_new();
	bool is_address_new = false;
	struct account account;
	int r;

	if (call->fields & ACCOUNT_FIELD_EMAIL) {
		/* The unique index decides; where an adopted collection has none, this must do. */
		r = mongo_account_by_key(c, call->account.email_key, &account);
		if (r != 0 && (r < 0 || strcmp(account.id, call->key) != 0))
			return r < 0 ? r : CHANGE_EMAIL_TAKEN;
		is_address_new = r == 0;
	}
	if (is_address_new && !(call->fields & ACCOUNT_FIELD_VERIFIED)) {
		call->fields |= ACCOUNT_FIELD_VERIFIED;
		call->account.is_email_verified = false;
	}
	mongo_change_append(update, call);
	r = mongo_update(c, c->users, filter, update, false);
	if (r <= 0)
		return r == -EEXIST ? CHANGE_EMAIL_TAKEN : r < 0 ? r : CHANGE_NOBODY;
	/* After the hash: see login_try(). */
	if (call->fields & ACCOUNT_FIELD_PASSWORD) {
		r = mongo_sessions_end(c, call);
		if (r >= 0)
			r = mongo_tickets_delete(c, call->key, TICKET_RESET);
		if (r < 0)
			return r;
	}
	r = mongo_account_by_id(c, call->key, &call->account);
	return r == 1 ? CHANGE_DONE : r;
}

/*
 * The account first: sessions without one are found by nobody, and are swept in the end. The other
 * way round, somebody could log in between.
 */
int mongo_account_delete(struct mongo *c, struct store_call *call)
{
	_bson_ bson_t *filter = mongo_id_filter(call->key);
	int r = mongo_delete(c, c->users, filter, false), ended, noted = 0;

	if (r <= 0)
		return r;
	ended = mongo_sessions_end(c, call);
	if (ended == 0) /* nodes that poll would not see that it has gone */
		noted = mongo_ended_note(c, STORE_ACCOUNT_CHANGED, call->key);
	return ended < 0 ? ended : noted < 0 ? noted : r;
}
