/*
 * The store in one SQLite file: write-ahead log, a flush at each commit. A connection belongs to
 * one thread and keeps its statements prepared. What each call does is below, in the order of enum
 * store_op; the tables are in `migrations`.
 */
#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <sqlite3.h>

#include "shared/clock.h"
#include "shared/err.h"
#include "shared/macros.h"
#include "store/store_backend.h"

#define BUSY_TIMEOUT_MS 5000 /* the keeper and the writer take turns */
#define SWEEP_ROWS 1000      /* one sweep holds up the writer for some milliseconds at most */

/* Statement i makes a store of version i into one of version i + 1. Never changed, only added to.
 */
static const char *const migrations[] = {
	"CREATE TABLE accounts (id TEXT PRIMARY KEY, email TEXT NOT NULL, email_key TEXT NOT NULL"
	" UNIQUE, name TEXT NOT NULL, hash TEXT NOT NULL, roles TEXT NOT NULL DEFAULT '',"
	" status INTEGER NOT NULL DEFAULT 0, email_verified INTEGER NOT NULL DEFAULT 0,"
	" created INTEGER NOT NULL, updated INTEGER NOT NULL, last_login INTEGER NOT NULL DEFAULT 0,"
	" attempts INTEGER NOT NULL DEFAULT 0, locked_until INTEGER NOT NULL DEFAULT 0)"
	" WITHOUT ROWID;"
	"CREATE INDEX accounts_status ON accounts(status) WHERE status <> 0;"
	"CREATE INDEX accounts_attempts ON accounts(attempts) WHERE attempts > 0;"
	"CREATE TABLE strangers (email_key TEXT PRIMARY KEY, attempts INTEGER NOT NULL,"
	" locked_until INTEGER NOT NULL, seen INTEGER NOT NULL) WITHOUT ROWID;"
	"CREATE INDEX strangers_seen ON strangers(seen);"
	"CREATE TABLE sessions (id TEXT PRIMARY KEY, account_id TEXT NOT NULL REFERENCES accounts(id)"
	" ON DELETE CASCADE, client BLOB NOT NULL, agent TEXT NOT NULL, address TEXT NOT NULL,"
	" created INTEGER NOT NULL, used INTEGER NOT NULL, idle_until INTEGER NOT NULL,"
	" ends INTEGER NOT NULL) WITHOUT ROWID;"
	"CREATE INDEX sessions_account ON sessions(account_id, used);"
	"CREATE INDEX sessions_idle ON sessions(idle_until);"
	"CREATE TABLE refresh_tokens (hash BLOB PRIMARY KEY, session_id TEXT NOT NULL REFERENCES"
	" sessions(id) ON DELETE CASCADE, created INTEGER NOT NULL, used INTEGER NOT NULL DEFAULT 0)"
	" WITHOUT ROWID;"
	"CREATE INDEX refresh_tokens_session ON refresh_tokens(session_id, created);"
	"CREATE TABLE keys (kid TEXT PRIMARY KEY, algorithm TEXT NOT NULL, material BLOB NOT NULL,"
	" active INTEGER NOT NULL, created INTEGER NOT NULL) WITHOUT ROWID;",
};

#define ACCOUNT_COLUMNS                                                                            \
	"a.id, a.email, a.email_key, a.name, a.hash, a.roles, a.status, a.email_verified,"         \
	" a.created, a.updated, a.last_login, a.attempts, a.locked_until"
#define ACCOUNT_COLUMN_COUNT 13
#define SESSION_COLUMNS                                                                            \
	"s.id, s.account_id, s.client, s.agent, s.address, s.created, s.used, s.idle_until, s.ends"

enum statement {
	ACCOUNT_INSERT,
	ACCOUNT_BY_KEY,
	ACCOUNT_BY_ID,
	ACCOUNT_RENAME,
	ACCOUNT_COUNT_FAILURE,
	ACCOUNT_LOGIN,
	STRANGER_GET,
	STRANGER_PUT,
	STRANGERS_TRIM,
	STRANGER_FORGET,
	SESSION_INSERT,
	SESSION_GET,
	SESSION_DELETE,
	SESSIONS_DELETE,
	SESSION_OLDEST,
	SESSION_USED,
	REFRESH_INSERT,
	REFRESH_GET,
	REFRESH_USED,
	REFRESH_TRIM,
	SWEEP_SESSIONS,
	SWEEP_STRANGERS,
	KEYS_GET,
	KEY_DEACTIVATE,
	KEY_ACTIVE,
	KEY_INSERT,
	PING,
	BEGIN,
	COMMIT,
	ROLLBACK,
	SAVE,
	SAVE_KEEP,
	SAVE_UNDO,
	STATEMENTS
};

#define SQL_TEXT(x) #x
#define SQL_NUMBER(x) SQL_TEXT(x)

static const char *const statements[STATEMENTS] = {
	[ACCOUNT_INSERT] = "INSERT INTO accounts (id, email, email_key, name, hash, roles, status,"
			   " email_verified, created, updated, last_login)"
			   " VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11) ON CONFLICT DO NOTHING",
	[ACCOUNT_BY_KEY] = "SELECT " ACCOUNT_COLUMNS " FROM accounts a WHERE email_key = ?1",
	[ACCOUNT_BY_ID] = "SELECT " ACCOUNT_COLUMNS " FROM accounts a WHERE id = ?1",
	[ACCOUNT_RENAME] = "UPDATE accounts SET name = ?2, updated = ?3 WHERE id = ?1",
	[ACCOUNT_COUNT_FAILURE] = "UPDATE accounts SET attempts = ?2, locked_until = ?3"
				  " WHERE email_key = ?1",
	[ACCOUNT_LOGIN] = "UPDATE accounts SET attempts = 0, locked_until = 0, last_login = ?2,"
			  " hash = ?3 WHERE id = ?1",
	[STRANGER_GET] = "SELECT attempts, locked_until FROM strangers WHERE email_key = ?1",
	[STRANGER_PUT] = "INSERT INTO strangers VALUES (?1,?2,?3,?4) ON CONFLICT DO UPDATE SET"
			 " attempts = ?2, locked_until = ?3, seen = ?4",
	[STRANGERS_TRIM] =
		"DELETE FROM strangers WHERE email_key IN (SELECT email_key FROM strangers"
		" ORDER BY seen LIMIT max(0, (SELECT count(*) FROM strangers) - ?1))",
	[STRANGER_FORGET] = "DELETE FROM strangers WHERE email_key = ?1",
	[SESSION_INSERT] = "INSERT INTO sessions VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9)",
	[SESSION_GET] = "SELECT " ACCOUNT_COLUMNS ", " SESSION_COLUMNS
			" FROM sessions s JOIN accounts a ON a.id = s.account_id WHERE s.id = ?1",
	[SESSION_DELETE] = "DELETE FROM sessions WHERE id = ?1",
	[SESSIONS_DELETE] = "DELETE FROM sessions WHERE account_id = ?1",
	[SESSION_OLDEST] = "SELECT id FROM sessions WHERE account_id = ?1 ORDER BY used DESC"
			   " LIMIT 1 OFFSET " SQL_NUMBER(STORE_SESSIONS_PER_ACCOUNT_MAX) " - 1",
	[SESSION_USED] = "UPDATE sessions SET used = ?2, idle_until = ?3 WHERE id = ?1",
	[REFRESH_INSERT] =
		"INSERT INTO refresh_tokens (hash, session_id, created) VALUES (?1,?2,?3)",
	[REFRESH_GET] = "SELECT session_id, used FROM refresh_tokens WHERE hash = ?1",
	[REFRESH_USED] = "UPDATE refresh_tokens SET used = ?2 WHERE hash = ?1",
	[REFRESH_TRIM] =
		"DELETE FROM refresh_tokens WHERE hash IN (SELECT hash FROM refresh_tokens"
		" WHERE session_id = ?1 ORDER BY created DESC, used LIMIT -1 OFFSET " SQL_NUMBER(
			STORE_REFRESH_PER_SESSION_MAX) ")",
	[SWEEP_SESSIONS] = "DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE"
			   " idle_until <= ?1 LIMIT " SQL_NUMBER(SWEEP_ROWS) ")",
	[SWEEP_STRANGERS] = "DELETE FROM strangers WHERE email_key IN (SELECT email_key FROM"
			    " strangers WHERE seen <= ?1 LIMIT " SQL_NUMBER(SWEEP_ROWS) ")",
	[KEYS_GET] = "SELECT kid, algorithm, material, active, created FROM keys ORDER BY created"
		     " DESC LIMIT " SQL_NUMBER(STORE_KEYS_MAX),
	[KEY_DEACTIVATE] = "UPDATE keys SET active = 0",
	[KEY_ACTIVE] = "SELECT 1 FROM keys WHERE active AND algorithm = ?1",
	[KEY_INSERT] = "INSERT INTO keys VALUES (?1,?2,?3,1,?4)",
	[PING] = "SELECT count(*) FROM sqlite_schema",
	[BEGIN] = "BEGIN IMMEDIATE",
	[COMMIT] = "COMMIT",
	[ROLLBACK] = "ROLLBACK",
	[SAVE] = "SAVEPOINT call",
	[SAVE_KEEP] = "RELEASE call",
	[SAVE_UNDO] = "ROLLBACK TO call",
};

struct sqlite {
	sqlite3 *db;
	sqlite3_stmt *prepared[STATEMENTS];
	char reason[128];
};

static char open_why[256]; /* for the operator: only one thread opens at a time */

/* --- running statements --- */

static int failed(struct sqlite *c)
{
	(void)snprintf(c->reason, sizeof(c->reason), "sqlite: %s", sqlite3_errmsg(c->db));
	return sqlite3_errcode(c->db) == SQLITE_NOMEM ? -ENOMEM : -ERR_STORE_DOWN;
}

/* A statement ready for its values; NULL after failed(). */
static sqlite3_stmt *statement(struct sqlite *c, enum statement which)
{
	sqlite3_stmt **slot = &c->prepared[which];

	if (!*slot && sqlite3_prepare_v3(c->db, statements[which], -1, SQLITE_PREPARE_PERSISTENT,
			      slot, NULL) != SQLITE_OK)
		return NULL;
	return *slot;
}

/* 1 a row, 0 done. A finished statement is reset, so that it holds no lock. */
static int step(struct sqlite *c, sqlite3_stmt *s)
{
	int r = s ? sqlite3_step(s) : SQLITE_ERROR;

	if (r == SQLITE_ROW)
		return 1;
	if (s) {
		if (r != SQLITE_DONE) {
			int error = failed(c);

			sqlite3_reset(s);
			return error;
		}
		sqlite3_reset(s);
		sqlite3_clear_bindings(s);
		return 0;
	}
	return failed(c);
}

static int step_plain(struct sqlite *c, enum statement which)
{
	sqlite3_stmt *s = statement(c, which);
	int r = step(c, s);

	if (r == 1)
		sqlite3_reset(s);
	return r;
}

/* Values are in memory that outlives the step: nothing is copied. */
static void bind_text(sqlite3_stmt *s, int at, const char *text)
{
	if (s)
		sqlite3_bind_text(s, at, text, -1, SQLITE_STATIC);
}

static void bind_blob(sqlite3_stmt *s, int at, const void *data, size_t bytes)
{
	if (s)
		sqlite3_bind_blob(s, at, data, (int)bytes, SQLITE_STATIC);
}

static void bind_i64(sqlite3_stmt *s, int at, int64_t value)
{
	if (s)
		sqlite3_bind_int64(s, at, value);
}

static void column_text(sqlite3_stmt *s, int at, char *text, size_t bytes)
{
	(void)snprintf(text, bytes, "%s", (const char *)sqlite3_column_text(s, at));
}
#define COLUMN_TEXT_INTO(s, at, array) column_text((s), (at), (array), sizeof(array))

/* Removes one key, or changes what a statement says for one key: how many rows, or an error. */
static int change_by(struct sqlite *c, enum statement which, const char *key)
{
	sqlite3_stmt *s = statement(c, which);
	int r;

	bind_text(s, 1, key);
	r = step(c, s);
	return r < 0 ? r : sqlite3_changes(c->db);
}

/* --- records --- */

/* Roles are kept as words with spaces between. */
static void roles_read(const char *text, struct account *account)
{
	struct str rest = str_cstr(text), role;

	account->role_count = 0;
	while (account->role_count < STORE_ROLES_MAX && str_split(&rest, ' ', &role)) {
		if (!role.len || role.len > STORE_ROLE_BYTES_MAX)
			continue;
		memcpy(account->roles[account->role_count], role.data, role.len);
		account->roles[account->role_count++][role.len] = '\0';
	}
}

#define ROLES_TEXT_BYTES (STORE_ROLES_MAX * (STORE_ROLE_BYTES_MAX + 1) + 1)

static void roles_write(const struct account *account, char text[static ROLES_TEXT_BYTES])
{
	size_t at = 0;

	text[0] = '\0';
	for (unsigned i = 0; i < account->role_count; i++)
		at += (size_t)snprintf(
			text + at, ROLES_TEXT_BYTES - at, "%s%s", i ? " " : "", account->roles[i]);
}

static void account_read(sqlite3_stmt *s, struct account *account)
{
	COLUMN_TEXT_INTO(s, 0, account->id);
	COLUMN_TEXT_INTO(s, 1, account->email);
	COLUMN_TEXT_INTO(s, 2, account->email_key);
	COLUMN_TEXT_INTO(s, 3, account->name);
	COLUMN_TEXT_INTO(s, 4, account->hash);
	roles_read((const char *)sqlite3_column_text(s, 5), account);
	account->status = sqlite3_column_int(s, 6) ? ACCOUNT_SUSPENDED : ACCOUNT_ACTIVE;
	account->is_email_verified = sqlite3_column_int(s, 7);
	account->created_ms = sqlite3_column_int64(s, 8);
	account->updated_ms = sqlite3_column_int64(s, 9);
	account->last_login_ms = sqlite3_column_int64(s, 10);
	account->attempts.count = (uint32_t)sqlite3_column_int64(s, 11);
	account->attempts.locked_until_ms = sqlite3_column_int64(s, 12);
}

static void session_read(sqlite3_stmt *s, struct session *session)
{
	const int at = ACCOUNT_COLUMN_COUNT;

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

static int account_by(
	struct sqlite *c, enum statement which, const char *key, struct account *account)
{
	sqlite3_stmt *s = statement(c, which);
	int r;

	bind_text(s, 1, key);
	r = step(c, s);
	if (r == 1) {
		account_read(s, account);
		sqlite3_reset(s);
	}
	return r;
}

static int session_by_id(
	struct sqlite *c, const char *id, struct session *session, struct account *account)
{
	sqlite3_stmt *s = statement(c, SESSION_GET);
	int r;

	bind_text(s, 1, id);
	r = step(c, s);
	if (r == 1) {
		account_read(s, account);
		session_read(s, session);
		sqlite3_reset(s);
	}
	return r;
}

static int refresh_insert(
	struct sqlite *c, const uint8_t *hash, const char *session_id, int64_t now)
{
	sqlite3_stmt *s = statement(c, REFRESH_INSERT);

	bind_blob(s, 1, hash, STORE_DIGEST_BYTES);
	bind_text(s, 2, session_id);
	bind_i64(s, 3, now);
	return step(c, s);
}

static int session_insert(struct sqlite *c, const struct session_new *new)
{
	sqlite3_stmt *s = statement(c, SESSION_INSERT);
	const struct session *session = &new->session;
	int r;

	bind_text(s, 1, session->id);
	bind_text(s, 2, session->account_id);
	bind_blob(s, 3, session->client, STORE_DIGEST_BYTES);
	bind_text(s, 4, session->agent);
	bind_text(s, 5, session->address);
	bind_i64(s, 6, session->created_ms);
	bind_i64(s, 7, session->used_ms);
	bind_i64(s, 8, session->idle_until_ms);
	bind_i64(s, 9, session->ends_ms);
	r = step(c, s);
	return r < 0 ? r : refresh_insert(c, new->refresh_hash, session->id, session->created_ms);
}

/* --- the calls --- */

static int account_create(struct sqlite *c, struct store_call *call)
{
	const struct account *account = &call->account;
	sqlite3_stmt *s = statement(c, ACCOUNT_INSERT);
	char roles[ROLES_TEXT_BYTES];
	int r;

	roles_write(account, roles);
	bind_text(s, 1, account->id);
	bind_text(s, 2, account->email);
	bind_text(s, 3, account->email_key);
	bind_text(s, 4, account->name);
	bind_text(s, 5, account->hash);
	bind_text(s, 6, roles);
	bind_i64(s, 7, account->status);
	bind_i64(s, 8, account->is_email_verified);
	bind_i64(s, 9, account->created_ms);
	bind_i64(s, 10, account->updated_ms);
	bind_i64(s, 11, account->last_login_ms);
	r = step(c, s);
	if (r < 0 || sqlite3_changes(c->db) == 0)
		return r;
	r = change_by(c, STRANGER_FORGET, account->email_key);
	if (r >= 0)
		r = session_insert(c, &call->session_new);
	return r < 0 ? r : 1;
}

static int stranger_attempts(struct sqlite *c, const char *key, struct login_attempts *attempts)
{
	sqlite3_stmt *s = statement(c, STRANGER_GET);
	int r;

	*attempts = (struct login_attempts){};
	bind_text(s, 1, key);
	r = step(c, s);
	if (r == 1) {
		attempts->count = (uint32_t)sqlite3_column_int64(s, 0);
		attempts->locked_until_ms = sqlite3_column_int64(s, 1);
		sqlite3_reset(s);
	}
	return r;
}

static int account_find(struct sqlite *c, struct store_call *call)
{
	int r = account_by(c, ACCOUNT_BY_KEY, call->key, &call->account);

	if (r == 0) {
		r = stranger_attempts(c, call->key, &call->account.attempts);
		r = MIN(r, 0);
	}
	return r;
}

static int account_get(struct sqlite *c, struct store_call *call)
{
	return account_by(c, ACCOUNT_BY_ID, call->key, &call->account);
}

static int account_rename(struct sqlite *c, struct store_call *call)
{
	sqlite3_stmt *s = statement(c, ACCOUNT_RENAME);
	int r;

	bind_text(s, 1, call->key);
	bind_text(s, 2, call->name);
	bind_i64(s, 3, call->now_ms);
	r = step(c, s);
	return r < 0 ? r : account_get(c, call);
}

/* API.md: some failures are free, then the delay doubles from base to max. */
static int64_t lock_delay_ms(const struct lockout_policy *policy, uint32_t count)
{
	int64_t delay_ms = policy->base_ms;

	if (count <= policy->free)
		return 0;
	for (uint32_t i = policy->free + 1; i < count && delay_ms < policy->max_ms; i++)
		delay_ms *= 2;
	return MIN(delay_ms, policy->max_ms);
}

static int stranger_put(
	struct sqlite *c, const char *key, const struct login_attempts *attempts, int64_t now)
{
	sqlite3_stmt *s = statement(c, STRANGER_PUT);
	int r;

	bind_text(s, 1, key);
	bind_i64(s, 2, attempts->count);
	bind_i64(s, 3, attempts->locked_until_ms);
	bind_i64(s, 4, now);
	r = step(c, s);
	return r;
}

static int failure_put(struct sqlite *c, const char *key, const struct login_attempts *attempts)
{
	sqlite3_stmt *s = statement(c, ACCOUNT_COUNT_FAILURE);

	bind_text(s, 1, key);
	bind_i64(s, 2, attempts->count);
	bind_i64(s, 3, attempts->locked_until_ms);
	return step(c, s);
}

static int login_fail(struct sqlite *c, struct store_call *call)
{
	struct login_attempts *attempts = &call->attempts;
	int64_t delay_ms;
	int found, r;

	found = account_by(c, ACCOUNT_BY_KEY, call->key, &call->account);
	if (found < 0)
		return found;
	*attempts = call->account.attempts;
	if (!found) {
		r = stranger_attempts(c, call->key, attempts);
		if (r < 0)
			return r;
	}
	if (attempts->locked_until_ms > call->now_ms)
		return LOGIN_LOCKED;
	if (attempts->count < UINT32_MAX)
		attempts->count++;
	delay_ms = lock_delay_ms(&call->policy, attempts->count);
	attempts->locked_until_ms = delay_ms ? call->now_ms + delay_ms : 0;
	r = found ? failure_put(c, call->key, attempts)
		  : stranger_put(c, call->key, attempts, call->now_ms);
	return r < 0 ? r : LOGIN_ACCEPTED;
}

/* The session used longest ago gives way to the new one. */
static int session_make_room(struct sqlite *c, const char *account_id, struct store_call *call)
{
	sqlite3_stmt *s = statement(c, SESSION_OLDEST);
	int r;

	call->id[0] = '\0';
	bind_text(s, 1, account_id);
	r = step(c, s);
	if (r <= 0)
		return r;
	COLUMN_TEXT_INTO(s, 0, call->id);
	sqlite3_reset(s);
	return change_by(c, SESSION_DELETE, call->id);
}

static int login(struct sqlite *c, struct store_call *call)
{
	const char *id = call->session_new.session.account_id;
	struct account *account = &call->account;
	sqlite3_stmt *s;
	int r;

	r = account_by(c, ACCOUNT_BY_ID, id, account);
	if (r < 0)
		return r;
	if (r == 0 || strcmp(account->hash, call->hash) != 0)
		return LOGIN_GONE;
	if (account->attempts.locked_until_ms > call->now_ms)
		return LOGIN_LOCKED;
	if (account->status == ACCOUNT_SUSPENDED)
		return LOGIN_SUSPENDED;
	r = session_make_room(c, id, call);
	if (r < 0)
		return r;
	s = statement(c, ACCOUNT_LOGIN);
	bind_text(s, 1, id);
	bind_i64(s, 2, call->now_ms);
	bind_text(s, 3, call->new_hash[0] ? call->new_hash : call->hash);
	r = step(c, s);
	if (r >= 0)
		r = session_insert(c, &call->session_new);
	if (r < 0)
		return r;
	account->last_login_ms = call->now_ms;
	account->attempts = (struct login_attempts){};
	return LOGIN_ACCEPTED;
}

static bool session_lives(const struct session *session, int64_t now_ms)
{
	return session->idle_until_ms > now_ms && session->ends_ms > now_ms;
}

static int session_find(struct sqlite *c, struct store_call *call)
{
	int r = session_by_id(c, call->key, &call->session, &call->account);

	return r == 1 ? session_lives(&call->session, call->now_ms) : r;
}

static int session_end(struct sqlite *c, struct store_call *call)
{
	return change_by(c, SESSION_DELETE, call->key);
}

/* 1 and the token's session in call->id, 0 when nobody knows the token. */
static int refresh_find(struct sqlite *c, struct store_call *call, int64_t *ret_used_ms)
{
	sqlite3_stmt *s = statement(c, REFRESH_GET);
	int r;

	bind_blob(s, 1, call->refresh.hash, STORE_DIGEST_BYTES);
	r = step(c, s);
	if (r == 1) {
		COLUMN_TEXT_INTO(s, 0, call->id);
		*ret_used_ms = sqlite3_column_int64(s, 1);
		sqlite3_reset(s);
	}
	return r;
}

static int session_end_by_refresh(struct sqlite *c, struct store_call *call)
{
	int64_t used_ms = 0;
	int r = refresh_find(c, call, &used_ms);

	return r <= 0 ? r : change_by(c, SESSION_DELETE, call->id);
}

static int sessions_end(struct sqlite *c, struct store_call *call)
{
	return change_by(c, SESSIONS_DELETE, call->key);
}

static int refresh_rotate(struct sqlite *c, struct store_call *call, bool is_first_use)
{
	const struct refresh_request *request = &call->refresh;
	struct session *session = &call->session;
	sqlite3_stmt *s;
	int r = 0;

	if (is_first_use) {
		s = statement(c, REFRESH_USED);
		bind_blob(s, 1, request->hash, STORE_DIGEST_BYTES);
		bind_i64(s, 2, request->now_ms);
		r = step(c, s);
	}
	if (r >= 0)
		r = refresh_insert(c, request->new_hash, session->id, request->now_ms);
	if (r >= 0)
		r = change_by(c, REFRESH_TRIM, session->id);
	if (r < 0)
		return r;
	session->used_ms = request->now_ms;
	session->idle_until_ms = MIN(request->now_ms + request->idle_ms, session->ends_ms);
	s = statement(c, SESSION_USED);
	bind_text(s, 1, session->id);
	bind_i64(s, 2, session->used_ms);
	bind_i64(s, 3, session->idle_until_ms);
	r = step(c, s);
	return r < 0 ? r : REFRESH_ROTATED;
}

static int refresh(struct sqlite *c, struct store_call *call)
{
	const struct refresh_request *request = &call->refresh;
	struct session *session = &call->session;
	int64_t used_ms = 0;
	int r;

	r = refresh_find(c, call, &used_ms);
	if (r <= 0)
		return r < 0 ? r : REFRESH_UNKNOWN;
	r = session_by_id(c, call->id, session, &call->account);
	if (r <= 0)
		return r < 0 ? r : REFRESH_UNKNOWN;
	if (used_ms && (request->now_ms - used_ms > request->grace_ms ||
			       memcmp(request->client, session->client, STORE_DIGEST_BYTES) != 0)) {
		r = change_by(c, SESSION_DELETE, session->id);
		return r < 0 ? r : REFRESH_REUSED;
	}
	if (!session_lives(session, request->now_ms))
		return REFRESH_EXPIRED;
	if (call->account.status == ACCOUNT_SUSPENDED)
		return REFRESH_SUSPENDED;
	return refresh_rotate(c, call, used_ms == 0);
}

static int (*const calls[STORE_OPS])(struct sqlite *c, struct store_call *call) = {
	[OP_ACCOUNT_CREATE] = account_create,
	[OP_ACCOUNT_FIND] = account_find,
	[OP_ACCOUNT_GET] = account_get,
	[OP_ACCOUNT_RENAME] = account_rename,
	[OP_LOGIN_FAIL] = login_fail,
	[OP_LOGIN] = login,
	[OP_SESSION_FIND] = session_find,
	[OP_SESSION_END] = session_end,
	[OP_SESSION_END_BY_REFRESH] = session_end_by_refresh,
	[OP_SESSIONS_END] = sessions_end,
	[OP_REFRESH] = refresh,
};

static int sqlite_run(void *connection, struct store_call *call)
{
	return calls[call->op](connection, call);
}

/* --- transactions --- */

static int sqlite_begin(void *connection)
{
	return step_plain(connection, BEGIN);
}

static int sqlite_commit(void *connection)
{
	return step_plain(connection, COMMIT);
}

static void sqlite_rollback(void *connection)
{
	struct sqlite *c = connection;
	char reason[sizeof(c->reason)];

	/* The first failure is the one to tell, not that of undoing it. */
	memcpy(reason, c->reason, sizeof(reason));
	if (!sqlite3_get_autocommit(c->db))
		(void)step_plain(c, ROLLBACK);
	memcpy(c->reason, reason, sizeof(reason));
}

static int sqlite_save(void *connection)
{
	return step_plain(connection, SAVE);
}

static void sqlite_save_end(void *connection, bool is_undone)
{
	if (is_undone)
		(void)step_plain(connection, SAVE_UNDO);
	(void)step_plain(connection, SAVE_KEEP);
}

static int sqlite_ping(void *connection)
{
	return step_plain(connection, PING);
}

static int sweep_by(struct sqlite *c, enum statement which, int64_t value)
{
	sqlite3_stmt *s = statement(c, which);

	bind_i64(s, 1, value);
	return step(c, s);
}

static int sqlite_sweep(void *connection, int64_t now_ms)
{
	const int64_t day_ms = 86400000; /* the longest delay is far below */
	int r = sweep_by(connection, SWEEP_SESSIONS, now_ms);

	if (r >= 0)
		r = sweep_by(connection, SWEEP_STRANGERS, now_ms - day_ms);
	if (r >= 0)
		r = sweep_by(connection, STRANGERS_TRIM, STORE_STRANGERS_MAX);
	return r;
}

/* --- keys --- */

static int sqlite_keys_load(void *connection, struct store_key *keys)
{
	struct sqlite *c = connection;
	sqlite3_stmt *s = statement(c, KEYS_GET);
	int count = 0, r;

	while ((r = step(c, s)) == 1) {
		struct store_key *key = &keys[count++];

		*key = (struct store_key){};
		COLUMN_TEXT_INTO(s, 0, key->kid);
		COLUMN_TEXT_INTO(s, 1, key->algorithm);
		key->material_bytes = MIN((size_t)sqlite3_column_bytes(s, 2), STORE_KEY_BYTES_MAX);
		memcpy(key->material, sqlite3_column_blob(s, 2), key->material_bytes);
		key->is_active = sqlite3_column_int(s, 3);
		key->created_ms = sqlite3_column_int64(s, 4);
	}
	return r < 0 ? r : count;
}

static int key_add_locked(struct sqlite *c, const struct store_key *key)
{
	sqlite3_stmt *s = statement(c, KEY_ACTIVE);
	int r;

	bind_text(s, 1, key->algorithm);
	r = step(c, s);
	if (r == 1) {
		sqlite3_reset(s);
		return 0;
	}
	if (r == 0)
		r = step_plain(c, KEY_DEACTIVATE);
	if (r < 0)
		return r;
	s = statement(c, KEY_INSERT);
	bind_text(s, 1, key->kid);
	bind_text(s, 2, key->algorithm);
	bind_blob(s, 3, key->material, key->material_bytes);
	bind_i64(s, 4, key->created_ms);
	r = step(c, s);
	return r < 0 ? r : 1;
}

static int sqlite_key_add(void *connection, const struct store_key *key)
{
	int r = sqlite_begin(connection), added;

	if (r < 0)
		return r;
	added = key_add_locked(connection, key);
	r = added < 0 ? added : sqlite_commit(connection);
	if (r < 0)
		sqlite_rollback(connection);
	return r < 0 ? r : added;
}

/* --- opening --- */

static int open_failed(struct sqlite *c, const char *path, const char **ret_why)
{
	(void)snprintf(open_why, sizeof(open_why),
		"%s: %s (does the folder exist, and may this"
		" user write there?)",
		path, c->db ? sqlite3_errmsg(c->db) : "no memory");
	*ret_why = open_why;
	return -ERR_STORE_DOWN;
}

static void sqlite_disconnect(void *connection)
{
	struct sqlite *c = connection;

	for (unsigned i = 0; i < STATEMENTS; i++)
		sqlite3_finalize(c->prepared[i]);
	sqlite3_close(c->db);
	free(c);
}

static int sqlite_connect(const char *path, void **ret_connection, const char **ret_why)
{
	struct sqlite *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return -ENOMEM;
	/* What it creates holds hashes and keys: for this user only. */
	umask(0077);
	r = sqlite3_open_v2(path, &c->db,
		SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
	if (r == SQLITE_OK) {
		sqlite3_busy_timeout(c->db, BUSY_TIMEOUT_MS);
		/* 512 KiB of cache for each connection: lookups touch a few pages. */
		r = sqlite3_exec(c->db,
			"PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
			"PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF;"
			"PRAGMA secure_delete = FAST; PRAGMA cache_size = -512",
			NULL, NULL, NULL);
	}
	if (r != SQLITE_OK) {
		r = open_failed(c, path, ret_why);
		sqlite_disconnect(c);
		return r;
	}
	*ret_connection = c;
	return 0;
}

static int version_get(struct sqlite *c)
{
	sqlite3_stmt *s = NULL;
	int version = -1;

	if (sqlite3_prepare_v2(c->db, "PRAGMA user_version", -1, &s, NULL) == SQLITE_OK &&
		sqlite3_step(s) == SQLITE_ROW)
		version = sqlite3_column_int(s, 0);
	sqlite3_finalize(s);
	return version;
}

static int migrate_locked(struct sqlite *c, const char **ret_why)
{
	char set[64];
	int version = version_get(c);

	if (version > (int)ARRAY_SIZE(migrations)) {
		*ret_why = "the database was written by a newer authd: use that one";
		return -EOPNOTSUPP;
	}
	for (int i = version; i >= 0 && i < (int)ARRAY_SIZE(migrations); i++) {
		(void)snprintf(set, sizeof(set), "PRAGMA user_version = %d", i + 1);
		if (sqlite3_exec(c->db, migrations[i], NULL, NULL, NULL) != SQLITE_OK ||
			sqlite3_exec(c->db, set, NULL, NULL, NULL) != SQLITE_OK)
			version = -1;
	}
	if (version < 0) {
		(void)snprintf(
			open_why, sizeof(open_why), "migration failed: %s", sqlite3_errmsg(c->db));
		*ret_why = open_why;
		return -ERR_STORE_DOWN;
	}
	return 0;
}

static int sqlite_migrate(void *connection, const char **ret_why)
{
	struct sqlite *c = connection;
	int r = sqlite_begin(c);

	*ret_why = c->reason;
	if (r < 0)
		return r;
	r = migrate_locked(c, ret_why);
	if (r == 0)
		r = sqlite_commit(c);
	if (r < 0)
		sqlite_rollback(c);
	return r;
}

static const char *sqlite_reason(void *connection)
{
	return ((struct sqlite *)connection)->reason;
}

const struct store_backend store_sqlite = {
	.name = "sqlite",
	.connect = sqlite_connect,
	.disconnect = sqlite_disconnect,
	.migrate = sqlite_migrate,
	.run = sqlite_run,
	.begin = sqlite_begin,
	.commit = sqlite_commit,
	.rollback = sqlite_rollback,
	.save = sqlite_save,
	.save_end = sqlite_save_end,
	.ping = sqlite_ping,
	.sweep = sqlite_sweep,
	.keys_load = sqlite_keys_load,
	.key_add = sqlite_key_add,
	.reason = sqlite_reason,
};
