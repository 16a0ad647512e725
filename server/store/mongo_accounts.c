/* Accounts, lockout and logins in MongoDB. */
#include "store/mongo_db.h"

#include <errno.h>
#include <string.h>

#include "shared/err.h"
#include "store/records.h"

#define FIELD(name) (mongo_shared.fields.name)
#define SET "$set"

/* --- finding --- */

/* An update of these fields: {operator: fields}. */
static bson_t *update_of(const char *operator, const bson_t * fields)
{
	bson_t *update = bson_new();

	bson_append_document(update, operator, - 1, fields);
	return update;
}

int mongo_account_by_id(struct mongo *c, const char *id, struct account *account)
{
	_bson_ bson_t *filter = mongo_id_filter(id), *document = NULL;
	int r = mongo_find(c, c->users, filter, false, &document);

	return r <= 0 ? r : mongo_account_read(document, account);
}

/* Without case, as the unique index has it; but the server also thinks that "ss" and sharp s are
 * equal, and that somebody else's account must not be found. */
int mongo_account_by_key(struct mongo *c, const char *key, struct account *account)
{
	_bson_ bson_t *filter = BCON_NEW(FIELD(email), BCON_UTF8(key)), *document = NULL;
	int r = mongo_find(c, c->users, filter, true, &document);

	if (r <= 0)
		return r;
	return mongo_account_read(document, account) && strcmp(account->email_key, key) == 0;
}

static int stranger_find(struct mongo *c, const char *key, struct login_attempts *attempts)
{
	_bson_ bson_t *filter = BCON_NEW("_id", BCON_UTF8(key)), *document = NULL;
	int r = mongo_find(c, c->strangers, filter, false, &document);

	*attempts = (struct login_attempts){};
	if (r == 1)
		mongo_attempts_read(document, "count", "lockUntil", attempts);
	return r;
}

int mongo_account_find(struct mongo *c, struct store_call *call)
{
	int r = mongo_account_by_key(c, call->key, &call->account);

	if (r == 0) {
		r = stranger_find(c, call->key, &call->account.attempts);
		r = MIN(r, 0);
	}
	return r;
}

int mongo_account_get(struct mongo *c, struct store_call *call)
{
	return mongo_account_by_id(c, call->key, &call->account);
}

/* --- making and changing --- */

int mongo_account_insert(struct mongo *c, const struct account *account)
{
	_bson_ bson_t *filter = mongo_id_filter(account->id), *fields = bson_new(), *update = NULL;
	int r;

	/* An upsert, because only updates understand the dots of nested fields. */
	mongo_account_append(fields, account);
	update = update_of("$setOnInsert", fields);
	r = mongo_update(c, c->users, filter, update, true);
	if (r == -EEXIST)
		return 0;
	return r < 0 ? r : r == 0;
}

static void stranger_forget(struct mongo *c, const char *key)
{
	_bson_ bson_t *filter = BCON_NEW("_id", BCON_UTF8(key));

	/* What stays after a failure is forgotten in a day: nobody asks for it any more. */
	(void)mongo_delete(c, c->strangers, filter, false);
}

/*
 * The session first: one without an account is found by nobody, and is swept in the end. The other
 * way round, who dies in between leaves an account that its owner believes was never made.
 */
int mongo_account_create(struct mongo *c, struct store_call *call)
{
	bool has_session = call->session_new.session.id[0];
	int r = has_session ? mongo_session_insert(c, &call->session_new) : 0;

	if (r < 0)
		return r;
	r = mongo_account_insert(c, &call->account);
	if (r == 1)
		stranger_forget(c, call->account.email_key);
	else if (has_session)
		(void)mongo_session_delete(c, call->session_new.session.id);
	return r;
}

int mongo_account_rename(struct mongo *c, struct store_call *call)
{
	_bson_ bson_t *filter = mongo_id_filter(call->key), *fields = bson_new(), *update = NULL;
	int r;

	bson_append_utf8(fields, FIELD(name), -1, call->name, -1);
	bson_append_date_time(fields, FIELD(updated), -1, call->now_ms);
	update = update_of(SET, fields);
	r = mongo_update(c, c->users, filter, update, false);
	return r <= 0 ? r : mongo_account_get(c, call);
}

/* --- counting failures --- */

/* Writes what attempts_count() said if the failures are still as they were read: 1, or 0. */
static int failure_put(
	struct mongo *c, const struct account *account, const struct login_attempts *attempts)
{
	_bson_ bson_t *filter = mongo_id_filter(account->id), *fields = bson_new(), *update = NULL;

	mongo_attempts_expect(filter, FIELD(attempts), FIELD(locked_until), &account->attempts);
	mongo_attempts_append(fields, FIELD(attempts), FIELD(locked_until), attempts);
	update = update_of(SET, fields);
	return mongo_update(c, c->users, filter, update, false);
}

static int stranger_insert(
	struct mongo *c, const char *key, const struct login_attempts *attempts, int64_t now_ms)
{
	_bson_ bson_t *document = BCON_NEW("_id", BCON_UTF8(key));
	int r;

	mongo_attempts_append(document, "count", "lockUntil", attempts);
	bson_append_date_time(document, "seenAt", -1, now_ms);
	r = mongo_insert(c, c->strangers, document);
	return r == -EEXIST ? 0 : r;
}

static int stranger_put(struct mongo *c, const char *key, const struct login_attempts *seen,
	const struct login_attempts *attempts, int64_t now_ms)
{
	_bson_ bson_t *filter = BCON_NEW("_id", BCON_UTF8(key)), *fields = bson_new();
	_bson_ bson_t *update = NULL;

	mongo_attempts_expect(filter, "count", "lockUntil", seen);
	mongo_attempts_append(fields, "count", "lockUntil", attempts);
	bson_append_date_time(fields, "seenAt", -1, now_ms);
	update = update_of(SET, fields);
	return mongo_update(c, c->strangers, filter, update, false);
}

/* One try: an outcome, or -EAGAIN when somebody else has counted meanwhile. */
static int login_fail_try(struct mongo *c, struct store_call *call)
{
	struct login_attempts seen;
	int account, stranger = 0, r;

	account = mongo_account_by_key(c, call->key, &call->account);
	if (account < 0)
		return account;
	seen = call->account.attempts;
	if (account == 0) {
		stranger = stranger_find(c, call->key, &seen);
		if (stranger < 0)
			return stranger;
	}
	call->attempts = seen;
	if (attempts_count(&call->attempts, &call->policy, call->now_ms) == LOGIN_LOCKED)
		return LOGIN_LOCKED;
	if (account)
		r = failure_put(c, &call->account, &call->attempts);
	else if (stranger)
		r = stranger_put(c, call->key, &seen, &call->attempts, call->now_ms);
	else
		r = stranger_insert(c, call->key, &call->attempts, call->now_ms);
	if (r == 0)
		return -EAGAIN;
	return r < 0 ? r : LOGIN_ACCEPTED;
}

int mongo_login_fail(struct mongo *c, struct store_call *call)
{
	return mongo_again(c, login_fail_try, call);
}

/* --- login --- */

/* Takes the login if login_judge() would, as far as the account alone decides it. A lock may be a
 * number, as applications write it; a comparison with a date finds dates only. */
static void login_expect(bson_t *filter, const struct store_call *call)
{
	bson_append_utf8(filter, FIELD(password), -1, call->hash, -1);
	BCON_APPEND(filter, FIELD(status), "{", "$in", "[", BCON_UTF8(FIELD(active)),
		BCON_BOOL(true), BCON_NULL, "]", "}");
	BCON_APPEND(filter, "$nor", "[", "{", FIELD(locked_until), "{", "$gt",
		BCON_DATE_TIME(call->now_ms), "}", "}", "{", FIELD(locked_until), "{", "$gt",
		BCON_INT64(call->now_ms), "}", "}", "]");
}

/* 1, or 0 when the account is not as it must be. */
static int login_put(struct mongo *c, struct store_call *call)
{
	_bson_ bson_t *filter = mongo_id_filter(call->session_new.session.account_id);
	_bson_ bson_t *fields = bson_new(), *update = NULL;
	struct account account = {};

	memcpy(account.hash, call->hash, sizeof(account.hash));
	login_apply(&account, call);
	login_expect(filter, call);
	mongo_attempts_append(fields, FIELD(attempts), FIELD(locked_until), &account.attempts);
	bson_append_utf8(fields, FIELD(password), -1, account.hash, -1);
	bson_append_date_time(fields, FIELD(last_login), -1, account.last_login_ms);
	update = update_of(SET, fields);
	return mongo_update(c, c->users, filter, update, false);
}

/* Why not; -EAGAIN when nothing is in the way any more. */
static int login_refusal(struct mongo *c, struct store_call *call)
{
	const struct session *session = &call->session_new.session;
	int r = mongo_session_delete(c, session->id);

	if (r >= 0)
		r = mongo_account_by_id(c, session->account_id, &call->account);
	if (r <= 0)
		return r < 0 ? r : LOGIN_GONE;
	r = login_judge(&call->account, call);
	return r == LOGIN_ACCEPTED ? -EAGAIN : r;
}

/*
 * The session first, then one step that takes the login only from an account as it must be. Whoever
 * changes a password writes that first and ends the sessions then: either he sees our session, or
 * our step sees what he wrote. Nobody knows the token of a session that was not taken; that of a
 * node that dies in between is swept in the end.
 */
static int login_try(struct mongo *c, struct store_call *call)
{
	const struct session *session = &call->session_new.session;
	int r = mongo_session_insert(c, &call->session_new);

	if (r < 0)
		return r;
	r = login_put(c, call);
	if (r <= 0)
		return r < 0 ? r : login_refusal(c, call);
	r = mongo_account_by_id(c, session->account_id, &call->account);
	if (r <= 0)
		return r < 0 ? r : LOGIN_GONE;
	r = mongo_session_make_room(c, session, call->id);
	return r < 0 ? r : LOGIN_ACCEPTED;
}

int mongo_login(struct mongo *c, struct store_call *call)
{
	return mongo_again(c, login_try, call);
}

/* --- the sweep --- */

/* The time at which the oldest that are too many were seen last; 0 when there are not too many. */
static int64_t strangers_limit(struct mongo *c)
{
	_cleanup_(mongoc_cursor_destroy_p) mongoc_cursor_t *cursor = NULL;
	_bson_ bson_t *filter = bson_new(), *opts = NULL;
	const bson_t *document;
	bson_error_t error;
	int64_t count;

	count = mongoc_collection_estimated_document_count(c->strangers, NULL, NULL, NULL, &error);
	if (count <= mongo_shared.strangers_max)
		return 0;
	opts = BCON_NEW("sort", "{", "seenAt", BCON_INT32(1), "}", "skip",
		BCON_INT64(MIN(count - mongo_shared.strangers_max, SWEEP_ROWS) - 1), "limit",
		BCON_INT64(1));
	cursor = mongoc_collection_find_with_opts(c->strangers, filter, opts, NULL);
	return mongoc_cursor_next(cursor, &document) ? mongo_time_read(document, "seenAt") : 0;
}

int mongo_strangers_sweep(struct mongo *c, int64_t now_ms)
{
	int64_t limit_ms = MAX(strangers_limit(c), now_ms - STORE_STRANGER_MS);
	_bson_ bson_t *filter = BCON_NEW("seenAt", "{", "$lte", BCON_DATE_TIME(limit_ms), "}");

	return mongo_delete(c, c->strangers, filter, true);
}
