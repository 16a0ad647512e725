/* Accounts and logins in SQLite. */
#include "store/sqlite_db.h"

#include <string.h>

#include "shared/macros.h"
#include "store/records.h"

void db_account_read(sqlite3_stmt *s, struct account *account)
{
	COLUMN_TEXT_INTO(s, 0, account->id);
	COLUMN_TEXT_INTO(s, 1, account->email);
	COLUMN_TEXT_INTO(s, 2, account->email_key);
	COLUMN_TEXT_INTO(s, 3, account->name);
	COLUMN_TEXT_INTO(s, 4, account->hash);
	roles_read(str_cstr((const char *)sqlite3_column_text(s, 5)), account);
	account->status = sqlite3_column_int(s, 6) ? ACCOUNT_SUSPENDED : ACCOUNT_ACTIVE;
	account->is_email_verified = sqlite3_column_int(s, 7);
	account->created_ms = sqlite3_column_int64(s, 8);
	account->updated_ms = sqlite3_column_int64(s, 9);
	account->last_login_ms = sqlite3_column_int64(s, 10);
	account->attempts.count = (uint32_t)sqlite3_column_int64(s, 11);
	account->attempts.locked_until_ms = sqlite3_column_int64(s, 12);
}

int db_account_by(struct sqlite *c, enum statement which, const char *key, struct account *account)
{
	sqlite3_stmt *s = db_statement(c, which);
	int r;

	db_bind_text(s, 1, key);
	r = db_step(c, s);
	if (r == 1) {
		db_account_read(s, account);
		sqlite3_reset(s);
	}
	return r;
}

void db_account_bind(
	sqlite3_stmt *s, const struct account *account, char roles[static ROLES_TEXT_BYTES])
{
	roles_write(account, roles);
	db_bind_text(s, 1, account->id);
	db_bind_text(s, 2, account->email);
	db_bind_text(s, 3, account->email_key);
	db_bind_text(s, 4, account->name);
	db_bind_text(s, 5, account->hash);
	db_bind_text(s, 6, roles);
	db_bind_i64(s, 7, account->status);
	db_bind_i64(s, 8, account->is_email_verified);
}

int db_account_insert(struct sqlite *c, const struct account *account)
{
	sqlite3_stmt *s = db_statement(c, ACCOUNT_INSERT);
	char roles[ROLES_TEXT_BYTES];
	int r;

	db_account_bind(s, account, roles);
	db_bind_i64(s, 9, account->created_ms);
	db_bind_i64(s, 10, account->updated_ms);
	db_bind_i64(s, 11, account->last_login_ms);
	db_bind_i64(s, 12, account->attempts.count);
	db_bind_i64(s, 13, account->attempts.locked_until_ms);
	r = db_step(c, s);
	return r < 0 ? r : sqlite3_changes(c->db);
}

/*
 * The address is taken, and time must not tell: as much is written as for a new account, though
 * nothing of it stays. A transaction without a change would end without a flush to the disk, which
 * is most of what a registration waits for.
 */
static int taken_pretend(struct sqlite *c, struct store_call *call)
{
	struct session *session = &call->session_new.session;
	struct account owner;
	int r = db_account_by(c, ACCOUNT_BY_KEY, call->account.email_key, &owner);

	if (r <= 0)
		return r;
	memcpy(session->account_id, owner.id, sizeof(owner.id));
	r = db_session_insert(c, &call->session_new);
	if (r >= 0)
		r = db_change_by(c, SESSION_DELETE, session->id);
	if (r >= 0)
		r = db_change_by(c, ACCOUNT_TOUCH, owner.id);
	return MIN(r, 0);
}

int db_account_create(struct sqlite *c, struct store_call *call)
{
	int r = db_account_insert(c, &call->account);

	if (r < 0)
		return r;
	if (r == 0)
		return call->session_new.session.id[0] ? taken_pretend(c, call) : 0;
	r = db_change_by(c, STRANGER_FORGET, call->account.email_key);
	if (r >= 0 && call->session_new.session.id[0])
		r = db_session_insert(c, &call->session_new);
	return r < 0 ? r : 1;
}

static int stranger_attempts(struct sqlite *c, const char *key, struct login_attempts *attempts)
{
	sqlite3_stmt *s = db_statement(c, STRANGER_GET);
	int r;

	*attempts = (struct login_attempts){};
	db_bind_text(s, 1, key);
	r = db_step(c, s);
	if (r == 1) {
		attempts->count = (uint32_t)sqlite3_column_int64(s, 0);
		attempts->locked_until_ms = sqlite3_column_int64(s, 1);
		sqlite3_reset(s);
	}
	return r;
}

int db_account_find(struct sqlite *c, struct store_call *call)
{
	int r = db_account_by(c, ACCOUNT_BY_KEY, call->key, &call->account);

	if (r == 0) {
		r = stranger_attempts(c, call->key, &call->account.attempts);
		r = MIN(r, 0);
	}
	return r;
}

int db_account_get(struct sqlite *c, struct store_call *call)
{
	return db_account_by(c, ACCOUNT_BY_ID, call->key, &call->account);
}

int db_account_rename(struct sqlite *c, struct store_call *call)
{
	sqlite3_stmt *s = db_statement(c, ACCOUNT_RENAME);
	int r;

	db_bind_text(s, 1, call->key);
	db_bind_text(s, 2, call->name);
	db_bind_i64(s, 3, call->now_ms);
	r = db_step(c, s);
	return r < 0 ? r : db_account_get(c, call);
}

static int stranger_put(
	struct sqlite *c, const char *key, const struct login_attempts *attempts, int64_t now)
{
	sqlite3_stmt *s = db_statement(c, STRANGER_PUT);

	db_bind_text(s, 1, key);
	db_bind_i64(s, 2, attempts->count);
	db_bind_i64(s, 3, attempts->locked_until_ms);
	db_bind_i64(s, 4, now);
	return db_step(c, s);
}

static int failure_put(struct sqlite *c, const char *key, const struct login_attempts *attempts)
{
	sqlite3_stmt *s = db_statement(c, ACCOUNT_COUNT_FAILURE);

	db_bind_text(s, 1, key);
	db_bind_i64(s, 2, attempts->count);
	db_bind_i64(s, 3, attempts->locked_until_ms);
	return db_step(c, s);
}

int db_login_fail(struct sqlite *c, struct store_call *call)
{
	struct login_attempts *attempts = &call->attempts;
	int found, r;

	found = db_account_by(c, ACCOUNT_BY_KEY, call->key, &call->account);
	if (found < 0)
		return found;
	*attempts = call->account.attempts;
	if (!found) {
		r = stranger_attempts(c, call->key, attempts);
		if (r < 0)
			return r;
	}
	if (attempts_count(attempts, &call->policy, call->now_ms) == LOGIN_LOCKED)
		return LOGIN_LOCKED;
	r = found ? failure_put(c, call->key, attempts)
		  : stranger_put(c, call->key, attempts, call->now_ms);
	return r < 0 ? r : LOGIN_ACCEPTED;
}

/* The session used longest ago gives way to the new one. */
static int session_make_room(struct sqlite *c, const char *account_id, struct store_call *call)
{
	sqlite3_stmt *s = db_statement(c, SESSION_OLDEST);
	int r;

	call->id[0] = '\0';
	db_bind_text(s, 1, account_id);
	r = db_step(c, s);
	if (r <= 0)
		return r;
	COLUMN_TEXT_INTO(s, 0, call->id);
	sqlite3_reset(s);
	return db_change_by(c, SESSION_DELETE, call->id);
}

int db_login(struct sqlite *c, struct store_call *call)
{
	const char *id = call->session_new.session.account_id;
	struct account *account = &call->account;
	sqlite3_stmt *s;
	int r;

	r = db_account_by(c, ACCOUNT_BY_ID, id, account);
	if (r <= 0)
		return r < 0 ? r : LOGIN_GONE;
	r = login_judge(account, call);
	if (r != LOGIN_ACCEPTED)
		return r;
	r = session_make_room(c, id, call);
	if (r < 0)
		return r;
	login_apply(account, call);
	s = db_statement(c, ACCOUNT_LOGIN);
	db_bind_text(s, 1, id);
	db_bind_i64(s, 2, account->last_login_ms);
	db_bind_text(s, 3, account->hash);
	r = db_step(c, s);
	if (r >= 0)
		r = db_session_insert(c, &call->session_new);
	return r < 0 ? r : LOGIN_ACCEPTED;
}
