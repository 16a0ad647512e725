/*
 * Sessions and refresh tokens in MongoDB. A session is one document with its tokens in it, so that
 * a rotation is one step: {_id, user, client, agent, address, createdAt, usedAt, idleUntil, endsAt,
 * version, tokens: [{h: hash, c: created, u: first used}]}. Every change of it counts `version` up
 * and is made only if that is still as it was read.
 */
#include "store/mongo_db.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "store/records.h"

/* --- documents --- */

static void digest_append(bson_t *bson, const char *key, const uint8_t *digest)
{
	bson_append_binary(bson, key, -1, BSON_SUBTYPE_BINARY, digest, STORE_DIGEST_BYTES);
}

static bool digest_take(bson_iter_t *iter, uint8_t *digest)
{
	const uint8_t *data;
	uint32_t bytes;

	if (!BSON_ITER_HOLDS_BINARY(iter))
		return false;
	bson_iter_binary(iter, NULL, &bytes, &data);
	if (bytes != STORE_DIGEST_BYTES)
		return false;
	memcpy(digest, data, bytes);
	return true;
}

static void tokens_append(bson_t *bson, const struct tokens *tokens)
{
	bson_t array, item;
	char index[16];

	bson_append_array_begin(bson, "tokens", -1, &array);
	for (unsigned i = 0; i < tokens->count; i++) {
		const struct token *token = &tokens->items[i];

		(void)snprintf(index, sizeof(index), "%u", i);
		bson_append_document_begin(&array, index, -1, &item);
		digest_append(&item, "h", token->hash);
		bson_append_date_time(&item, "c", -1, token->created_ms);
		if (token->used_ms)
			bson_append_date_time(&item, "u", -1, token->used_ms);
		bson_append_document_end(&array, &item);
	}
	bson_append_array_end(bson, &array);
}

static void token_take(const bson_iter_t *item, struct tokens *tokens)
{
	struct token token = {};
	bson_iter_t field;
	bool has_hash = false;

	if (tokens->count == ARRAY_SIZE(tokens->items) || !bson_iter_recurse(item, &field))
		return;
	while (bson_iter_next(&field)) {
		const char *key = bson_iter_key(&field);

		if (strcmp(key, "h") == 0)
			has_hash = digest_take(&field, token.hash);
		else if (strcmp(key, "c") == 0 && BSON_ITER_HOLDS_DATE_TIME(&field))
			token.created_ms = bson_iter_date_time(&field);
		else if (strcmp(key, "u") == 0 && BSON_ITER_HOLDS_DATE_TIME(&field))
			token.used_ms = bson_iter_date_time(&field);
	}
	if (has_hash)
		tokens->items[tokens->count++] = token;
}

void mongo_tokens_read(const bson_t *document, struct tokens *tokens)
{
	bson_iter_t iter, item;

	*tokens = (struct tokens){};
	if (bson_iter_init_find(&iter, document, "version"))
		tokens->version = bson_iter_as_int64(&iter);
	if (!bson_iter_init_find(&iter, document, "tokens") || !BSON_ITER_HOLDS_ARRAY(&iter) ||
		!bson_iter_recurse(&iter, &item))
		return;
	while (bson_iter_next(&item))
		token_take(&item, tokens);
}

void mongo_session_read(const bson_t *document, struct session *session)
{
	bson_iter_t iter;

	memset(session, 0, sizeof(*session));
	(void)mongo_text_read(document, "_id", session->id, sizeof(session->id));
	(void)mongo_text_read(document, "user", session->account_id, sizeof(session->account_id));
	if (bson_iter_init_find(&iter, document, "client"))
		(void)digest_take(&iter, session->client);
	(void)mongo_text_read(document, "agent", session->agent, sizeof(session->agent));
	(void)mongo_text_read(document, "address", session->address, sizeof(session->address));
	session->created_ms = mongo_time_read(document, "createdAt");
	session->used_ms = mongo_time_read(document, "usedAt");
	session->idle_until_ms = mongo_time_read(document, "idleUntil");
	session->ends_ms = mongo_time_read(document, "endsAt");
}

/* --- making and ending --- */

int mongo_session_put(struct mongo *c, const struct session *session, const struct tokens *tokens)
{
	_bson_ bson_t *document = BCON_NEW("_id", BCON_UTF8(session->id));

	mongo_id_append(document, "user", session->account_id);
	digest_append(document, "client", session->client);
	BCON_APPEND(document, "agent", BCON_UTF8(session->agent), "address",
		BCON_UTF8(session->address), "createdAt", BCON_DATE_TIME(session->created_ms),
		"usedAt", BCON_DATE_TIME(session->used_ms), "idleUntil",
		BCON_DATE_TIME(session->idle_until_ms), "endsAt", BCON_DATE_TIME(session->ends_ms),
		"version", BCON_INT64(0));
	tokens_append(document, tokens);
	return mongo_insert(c, c->sessions, document);
}

int mongo_session_insert(struct mongo *c, const struct session_new *new)
{
	struct tokens tokens = { .count = 1,
		.items = { { .created_ms = new->session.created_ms } } };
	int r;

	memcpy(tokens.items[0].hash, new->refresh_hash, STORE_DIGEST_BYTES);
	r = mongo_session_put(c, &new->session, &tokens);
	return r == -EEXIST ? mongo_failed_why(c, "the session exists") : r;
}

int mongo_session_delete(struct mongo *c, const char *id)
{
	_bson_ bson_t *filter = BCON_NEW("_id", BCON_UTF8(id));
	int r = mongo_delete(c, c->sessions, filter, false), noted = 0;

	if (r > 0)
		noted = mongo_ended_note(c, STORE_SESSION_ENDED, id);
	return noted < 0 ? noted : r;
}

/* Those used longest ago give way. The new one is there already, so of two logins at a time each
 * sees what the other one has made. */
int mongo_session_make_room(struct mongo *c, const struct session *new, char *ended)
{
	_cleanup_(mongoc_cursor_destroy_p) mongoc_cursor_t *cursor = NULL;
	_bson_ bson_t *filter = bson_new(), *opts = NULL;
	char id[STORE_ID_BYTES_MAX + 1];
	const bson_t *document;
	bson_error_t error;
	int r = 0;

	ended[0] = '\0';
	mongo_id_append(filter, "user", new->account_id);
	BCON_APPEND(filter, "_id", "{", "$ne", BCON_UTF8(new->id), "}");
	opts = BCON_NEW("projection", "{", "_id", BCON_INT32(1), "}", "sort", "{", "usedAt",
		BCON_INT32(-1), "}", "skip", BCON_INT64(STORE_SESSIONS_PER_ACCOUNT_MAX - 1),
		"limit", BCON_INT64(STORE_SESSIONS_PER_ACCOUNT_MAX), "maxTimeMS",
		BCON_INT64(mongo_time_left_ms(c)));
	cursor = mongoc_collection_find_with_opts(c->sessions, filter, opts, NULL);
	while (r >= 0 && mongoc_cursor_next(cursor, &document)) {
		(void)mongo_text_read(document, "_id", id, sizeof(id));
		if (!ended[0])
			memcpy(ended, id, sizeof(id));
		r = mongo_session_delete(c, id);
	}
	if (r >= 0 && mongoc_cursor_error(cursor, &error))
		r = mongo_failed(c, &error);
	return r;
}

int mongo_session_find(struct mongo *c, struct store_call *call)
{
	_bson_ bson_t *filter = BCON_NEW("_id", BCON_UTF8(call->key)), *document = NULL;
	int r = mongo_find(c, c->sessions, filter, false, &document);

	if (r <= 0)
		return r;
	mongo_session_read(document, &call->session);
	if (!session_lives(&call->session, call->now_ms))
		return 0;
	return mongo_account_by_id(c, call->session.account_id, &call->account);
}

int mongo_sessions_list(struct mongo *c, struct store_call *call)
{
	_cleanup_(mongoc_cursor_destroy_p) mongoc_cursor_t *cursor = NULL;
	_bson_ bson_t *filter = bson_new(), *opts = NULL;
	struct session *sessions = call->rows;
	const bson_t *document;
	bson_error_t error;
	unsigned count = 0;

	mongo_id_append(filter, "user", call->key);
	opts = BCON_NEW("sort", "{", "usedAt", BCON_INT32(-1), "}", "limit",
		BCON_INT64(call->rows_max), "maxTimeMS", BCON_INT64(mongo_time_left_ms(c)));
	cursor = mongoc_collection_find_with_opts(c->sessions, filter, opts, NULL);
	while (count < call->rows_max && mongoc_cursor_next(cursor, &document)) {
		mongo_session_read(document, &sessions[count]);
		count += session_lives(&sessions[count], call->now_ms);
	}
	return mongoc_cursor_error(cursor, &error) ? mongo_failed(c, &error) : (int)count;
}

int mongo_session_end(struct mongo *c, struct store_call *call)
{
	return mongo_session_delete(c, call->key);
}

/* 1 and the token's session, 0 when nobody knows the token. */
static int session_by_token(
	struct mongo *c, const uint8_t *hash, struct session *session, struct tokens *tokens)
{
	_bson_ bson_t *filter = bson_new(), *document = NULL;
	int r;

	digest_append(filter, "tokens.h", hash);
	r = mongo_find(c, c->sessions, filter, false, &document);
	if (r == 1) {
		mongo_session_read(document, session);
		mongo_tokens_read(document, tokens);
	}
	return r;
}

int mongo_session_end_by_refresh(struct mongo *c, struct store_call *call)
{
	struct tokens tokens;
	int r = session_by_token(c, call->refresh.hash, &call->session, &tokens);

	if (r <= 0)
		return r;
	memcpy(call->id, call->session.id, sizeof(call->id));
	return mongo_session_delete(c, call->id);
}

int mongo_sessions_end(struct mongo *c, struct store_call *call)
{
	_bson_ bson_t *filter = bson_new();
	int r, noted = 0;

	mongo_id_append(filter, "user", call->key);
	r = mongo_delete(c, c->sessions, filter, true);
	if (r > 0)
		noted = mongo_ended_note(c, STORE_ACCOUNT_CHANGED, call->key);
	return noted < 0 ? noted : r;
}

/* The first sessions in the order of their ids: how many, and the id of the last. */
static int some_find(struct mongo *c, char last[static STORE_ID_BYTES_MAX + 1])
{
	_cleanup_(mongoc_cursor_destroy_p) mongoc_cursor_t *cursor = NULL;
	_bson_ bson_t *filter = bson_new();
	_bson_ bson_t *opts = BCON_NEW("projection", "{", "_id", BCON_INT32(1), "}", "sort", "{",
		"_id", BCON_INT32(1), "}", "limit", BCON_INT64(STORE_ENDED_MAX), "maxTimeMS",
		BCON_INT64(mongo_time_left_ms(c)));
	const bson_t *document;
	bson_error_t error;
	int count = 0;

	cursor = mongoc_collection_find_with_opts(c->sessions, filter, opts, NULL);
	for (; count < STORE_ENDED_MAX && mongoc_cursor_next(cursor, &document); count++)
		(void)mongo_text_read(document, "_id", last, STORE_ID_BYTES_MAX + 1);
	return mongoc_cursor_error(cursor, &error) ? mongo_failed(c, &error) : count;
}

/* Those that somebody else has ended meanwhile count too: there may be more. */
int mongo_sessions_end_some(struct mongo *c, _unused_ struct store_call *call)
{
	char last[STORE_ID_BYTES_MAX + 1];
	int count = some_find(c, last), r = 0;

	if (count > 0) {
		_bson_ bson_t *filter = BCON_NEW("_id", "{", "$lte", BCON_UTF8(last), "}");

		r = mongo_delete(c, c->sessions, filter, true);
	}
	if (r > 0)
		r = mongo_ended_note(c, STORE_ANYTHING, "");
	return r < 0 ? r : count;
}

/* --- refreshing --- */

static struct token *token_find(struct tokens *tokens, const uint8_t *hash)
{
	for (unsigned i = 0; i < tokens->count; i++)
		if (memcmp(tokens->items[i].hash, hash, STORE_DIGEST_BYTES) == 0)
			return &tokens->items[i];
	return NULL;
}

int mongo_refresh_look(struct mongo *c, struct store_call *call)
{
	struct tokens tokens;
	struct token *token;
	int r = session_by_token(c, call->refresh.hash, &call->session, &tokens);

	if (r <= 0)
		return r;
	token = token_find(&tokens, call->refresh.hash);
	if (!token || token->used_ms || !session_lives(&call->session, call->now_ms))
		return 0;
	return mongo_account_by_id(c, call->session.account_id, &call->account);
}

/* Appends a token; the oldest is forgotten when there are too many. */
static void token_add(struct tokens *tokens, const uint8_t *hash, int64_t now_ms)
{
	struct token *token;

	if (tokens->count >= STORE_REFRESH_PER_SESSION_MAX) {
		unsigned dropped = tokens->count - STORE_REFRESH_PER_SESSION_MAX + 1;

		tokens->count -= dropped;
		memmove(tokens->items, tokens->items + dropped, tokens->count * sizeof(*token));
	}
	token = &tokens->items[tokens->count++];
	*token = (struct token){ .created_ms = now_ms };
	memcpy(token->hash, hash, sizeof(token->hash));
}

/* Writes session and tokens if the document is still what it was: 1, or 0. */
static int session_put(struct mongo *c, const struct session *session, const struct tokens *tokens)
{
	_bson_ bson_t *filter =
		BCON_NEW("_id", BCON_UTF8(session->id), "version", BCON_INT64(tokens->version));
	_bson_ bson_t *update = BCON_NEW("$inc", "{", "version", BCON_INT64(1), "}");
	bson_t fields;

	bson_append_document_begin(update, "$set", -1, &fields);
	bson_append_date_time(&fields, "usedAt", -1, session->used_ms);
	bson_append_date_time(&fields, "idleUntil", -1, session->idle_until_ms);
	tokens_append(&fields, tokens);
	bson_append_document_end(update, &fields);
	return mongo_update(c, c->sessions, filter, update, false);
}

static int refresh_rotate(
	struct mongo *c, struct store_call *call, struct tokens *tokens, struct token *token)
{
	const struct refresh_request *request = &call->refresh;
	int r;

	if (!token->used_ms)
		token->used_ms = request->now_ms;
	token_add(tokens, request->new_hash, request->now_ms);
	refresh_apply(&call->session, request);
	r = session_put(c, &call->session, tokens);
	return r == 0 ? -EAGAIN : r;
}

/* One try: an outcome, or -EAGAIN when the session has changed meanwhile. */
static int refresh_try(struct mongo *c, struct store_call *call)
{
	enum refresh_outcome outcome;
	struct tokens tokens;
	struct token *token;
	int r;

	r = session_by_token(c, call->refresh.hash, &call->session, &tokens);
	if (r == 1)
		r = mongo_account_by_id(c, call->session.account_id, &call->account);
	if (r <= 0)
		return r < 0 ? r : REFRESH_UNKNOWN;
	token = token_find(&tokens, call->refresh.hash);
	if (!token)
		return REFRESH_UNKNOWN;
	outcome = refresh_judge(&call->refresh, &call->session, &call->account, token->used_ms);
	if (outcome == REFRESH_ROTATED)
		r = refresh_rotate(c, call, &tokens, token);
	else if (outcome == REFRESH_REUSED)
		r = mongo_session_delete(c, call->session.id);
	return r < 0 ? r : (int)outcome;
}

int mongo_refresh(struct mongo *c, struct store_call *call)
{
	return mongo_again(c, refresh_try, call);
}

/* --- the sweep --- */

/* The TTL index does the same within a minute or so, where the server has one. */
int mongo_sessions_sweep(struct mongo *c, int64_t now_ms)
{
	_bson_ bson_t *filter = BCON_NEW("idleUntil", "{", "$lte", BCON_DATE_TIME(now_ms), "}");

	return mongo_delete(c, c->sessions, filter, true);
}

/* The server's own number of documents, which it does not count: what has ended is swept within a
 * minute. */
int mongo_sessions_count(void *connection, _unused_ int64_t now_ms, uint64_t *ret_count)
{
	struct mongo *c = connection;
	bson_error_t error;
	int64_t count =
		mongoc_collection_estimated_document_count(c->sessions, NULL, NULL, NULL, &error);

	if (count < 0)
		return mongo_failed(c, &error);
	*ret_count = (uint64_t)count;
	return 0;
}
