/* Sessions and refresh tokens in SQLite. */
#include "store/sqlite_db.h"

#include <string.h>

#include "shared/macros.h"
#include "store/records.h"

void db_session_read(sqlite3_stmt *s, int at, struct session *session)
{
	COLUMN_TEXT_INTO(s, at, session->id);
	COLUMN_TEXT_INTO(s, at + 1, session->account_id);
	if (sqlite3_column_bytes(s, at + 2) == STORE_DIGEST_BYTES)
		memcpy(session->client, sqlite3_column_blob(s, at + 2), STORE_DIGEST_BYTES);
	COLUMN_TEXT_INTO(s, at + 3, session->agent);
	COLUMN_TEXT_INTO(s, at + 4, session->address);
	session->created_ms = sqlite3_column_int64(s, at + 5);
	session->used_ms = sqlite3_column_int64(s, at + 6);
	session->idle_until_ms = sqlite3_column_int64(s, at + 7);
	session->ends_ms = sqlite3_column_int64(s, at + 8);
}

static int session_by_id(
	struct sqlite *c, const char *id, struct session *session, struct account *account)
{
	sqlite3_stmt *s = db_statement(c, SESSION_GET);
	int r;

	db_bind_text(s, 1, id);
	r = db_step(c, s);
	if (r == 1) {
		db_account_read(s, account);
		db_session_read(s, ACCOUNT_COLUMN_COUNT, session);
		sqlite3_reset(s);
	}
	return r;
}

static int refresh_insert(
	struct sqlite *c, const uint8_t *hash, const char *session_id, int64_t now)
{
	sqlite3_stmt *s = db_statement(c, REFRESH_INSERT);

	db_bind_blob(s, 1, hash, STORE_DIGEST_BYTES);
	db_bind_text(s, 2, session_id);
	db_bind_i64(s, 3, now);
	return db_step(c, s);
}

void db_session_bind(sqlite3_stmt *s, const struct session *session)
{
	db_bind_text(s, 1, session->id);
	db_bind_text(s, 2, session->account_id);
	db_bind_blob(s, 3, session->client, STORE_DIGEST_BYTES);
	db_bind_text(s, 4, session->agent);
	db_bind_text(s, 5, session->address);
	db_bind_i64(s, 6, session->created_ms);
	db_bind_i64(s, 7, session->used_ms);
	db_bind_i64(s, 8, session->idle_until_ms);
	db_bind_i64(s, 9, session->ends_ms);
}

int db_session_insert(struct sqlite *c, const struct session_new *new)
{
	sqlite3_stmt *s = db_statement(c, SESSION_INSERT);
	const struct session *session = &new->session;
	int r;

	db_session_bind(s, session);
	r = db_step(c, s);
	return r < 0 ? r : refresh_insert(c, new->refresh_hash, session->id, session->created_ms);
}

int db_session_find(struct sqlite *c, struct store_call *call)
{
	int r = session_by_id(c, call->key, &call->session, &call->account);

	return r == 1 ? session_lives(&call->session, call->now_ms) : r;
}

int db_sessions_list(struct sqlite *c, struct store_call *call)
{
	sqlite3_stmt *s = db_statement(c, SESSIONS_LIST);
	struct session *sessions = call->rows;
	int count = 0, r;

	db_bind_text(s, 1, call->key);
	db_bind_i64(s, 2, call->now_ms);
	db_bind_i64(s, 3, call->rows_max);
	while ((r = db_step(c, s)) == 1)
		db_session_read(s, 0, &sessions[count++]);
	return r < 0 ? r : count;
}

int db_session_end(struct sqlite *c, struct store_call *call)
{
	return db_change_by(c, SESSION_DELETE, call->key);
}

/* 1 and the token's session in call->id, 0 when nobody knows the token. */
static int refresh_find(struct sqlite *c, struct store_call *call, int64_t *ret_used_ms)
{
	sqlite3_stmt *s = db_statement(c, REFRESH_GET);
	int r;

	db_bind_blob(s, 1, call->refresh.hash, STORE_DIGEST_BYTES);
	r = db_step(c, s);
	if (r == 1) {
		COLUMN_TEXT_INTO(s, 0, call->id);
		*ret_used_ms = sqlite3_column_int64(s, 1);
		sqlite3_reset(s);
	}
	return r;
}

int db_refresh_look(struct sqlite *c, struct store_call *call)
{
	int64_t used_ms = 0;
	int r = refresh_find(c, call, &used_ms);

	if (r == 1)
		r = session_by_id(c, call->id, &call->session, &call->account);
	return r == 1 ? !used_ms && session_lives(&call->session, call->now_ms) : r;
}

int db_session_end_by_refresh(struct sqlite *c, struct store_call *call)
{
	int64_t used_ms = 0;
	int r = refresh_find(c, call, &used_ms);

	return r <= 0 ? r : db_change_by(c, SESSION_DELETE, call->id);
}

int db_sessions_end(struct sqlite *c, struct store_call *call)
{
	return db_change_by(c, SESSIONS_DELETE, call->key);
}

int db_sessions_end_some(struct sqlite *c, _unused_ struct store_call *call)
{
	int r = db_step_plain(c, SESSIONS_DELETE_SOME);

	return r < 0 ? r : sqlite3_changes(c->db);
}

static int refresh_rotate(struct sqlite *c, struct store_call *call, bool is_first_use)
{
	const struct refresh_request *request = &call->refresh;
	struct session *session = &call->session;
	sqlite3_stmt *s;
	int r = 0;

	if (is_first_use) {
		s = db_statement(c, REFRESH_USED);
		db_bind_blob(s, 1, request->hash, STORE_DIGEST_BYTES);
		db_bind_i64(s, 2, request->now_ms);
		r = db_step(c, s);
	}
	if (r >= 0)
		r = refresh_insert(c, request->new_hash, session->id, request->now_ms);
	if (r >= 0)
		r = db_change_by(c, REFRESH_TRIM, session->id);
	if (r < 0)
		return r;
	refresh_apply(session, request);
	s = db_statement(c, SESSION_USED);
	db_bind_text(s, 1, session->id);
	db_bind_i64(s, 2, session->used_ms);
	db_bind_i64(s, 3, session->idle_until_ms);
	return db_step(c, s);
}

int db_refresh(struct sqlite *c, struct store_call *call)
{
	const struct refresh_request *request = &call->refresh;
	struct session *session = &call->session;
	enum refresh_outcome outcome;
	int64_t used_ms = 0;
	int r;

	r = refresh_find(c, call, &used_ms);
	if (r <= 0)
		return r < 0 ? r : REFRESH_UNKNOWN;
	r = session_by_id(c, call->id, session, &call->account);
	if (r <= 0)
		return r < 0 ? r : REFRESH_UNKNOWN;
	outcome = refresh_judge(request, session, &call->account, used_ms);
	r = 0;
	if (outcome == REFRESH_ROTATED)
		r = refresh_rotate(c, call, used_ms == 0);
	else if (outcome == REFRESH_REUSED)
		r = db_change_by(c, SESSION_DELETE, session->id);
	return r < 0 ? r : (int)outcome;
}
