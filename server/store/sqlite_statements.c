/* The statements of the SQLite backend, prepared once for each connection, and how they are run. */
#include "store/sqlite_db.h"

#include <errno.h>
#include <stdio.h>

#include "shared/err.h"

#define ACCOUNT_COLUMNS                                                                            \
	"a.id, a.email, a.email_key, a.name, a.hash, a.roles, a.status, a.email_verified,"         \
	" a.created, a.updated, a.last_login, a.attempts, a.locked_until"
#define SESSION_COLUMNS                                                                            \
	"s.id, s.account_id, s.client, s.agent, s.address, s.created, s.used, s.idle_until, s.ends"

#define SQL_TEXT(x) #x
#define SQL_NUMBER(x) SQL_TEXT(x)

static const char *const statements[STATEMENTS] = {
	[ACCOUNT_INSERT] = "INSERT INTO accounts (id, email, email_key, name, hash, roles, status,"
			   " email_verified, created, updated, last_login, attempts, locked_until)"
			   " VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13)"
			   " ON CONFLICT DO NOTHING",
	[ACCOUNT_BY_KEY] = "SELECT " ACCOUNT_COLUMNS " FROM accounts a WHERE email_key = ?1",
	[ACCOUNT_BY_ID] = "SELECT " ACCOUNT_COLUMNS " FROM accounts a WHERE id = ?1",
	[ACCOUNT_TOUCH] = "UPDATE accounts SET updated = updated WHERE id = ?1",
	[ACCOUNT_RENAME] = "UPDATE accounts SET name = ?2, updated = ?3 WHERE id = ?1",
	[ACCOUNT_COUNT_FAILURE] = "UPDATE accounts SET attempts = ?2, locked_until = ?3"
				  " WHERE email_key = ?1",
	[ACCOUNT_LOGIN] = "UPDATE accounts SET attempts = 0, locked_until = 0, last_login = ?2,"
			  " hash = ?3 WHERE id = ?1",
	[ACCOUNT_CHANGE] = "UPDATE accounts SET email = ?2, email_key = ?3, name = ?4, hash = ?5,"
			   " roles = ?6, status = ?7, email_verified = ?8, updated = ?9,"
			   " attempts = ?10, locked_until = ?11 WHERE id = ?1",
	[ACCOUNT_DELETE] = "DELETE FROM accounts WHERE id = ?1",
	[ACCOUNTS_LIST] = "SELECT " ACCOUNT_COLUMNS " FROM accounts a WHERE id > ?1 ORDER BY id"
			  " LIMIT ?2",
	/* Nearly all are active: by id, as above. Few are not: by the index that has those alone,
	 * which the second condition names. */
	[ACCOUNTS_LIST_ACTIVE] = "SELECT " ACCOUNT_COLUMNS " FROM accounts a WHERE id > ?1 AND"
				 " status = 0 ORDER BY id LIMIT ?2",
	[ACCOUNTS_LIST_SUSPENDED] = "SELECT " ACCOUNT_COLUMNS " FROM accounts a WHERE id > ?1 AND"
				    " status = 1 AND status <> 0 ORDER BY id LIMIT ?2",
	/* Behind every text that begins so there is nothing that an address may have. */
	[ACCOUNTS_PREFIX] = "SELECT " ACCOUNT_COLUMNS " FROM accounts a WHERE email_key >= ?1 AND"
			    " email_key < ?1 || char(0x10ffff) ORDER BY email_key LIMIT ?2",
	[STRANGER_GET] = "SELECT attempts, locked_until FROM strangers WHERE email_key = ?1",
	[STRANGER_PUT] = "INSERT INTO strangers VALUES (?1,?2,?3,?4) ON CONFLICT DO UPDATE SET"
			 " attempts = ?2, locked_until = ?3, seen = ?4",
	[STRANGERS_TRIM] =
		"DELETE FROM strangers WHERE email_key IN (SELECT email_key FROM strangers"
		" ORDER BY seen LIMIT min(max(0, (SELECT count(*) FROM strangers) - ?1), " SQL_NUMBER(
			SWEEP_ROWS) "))",
	[STRANGER_FORGET] = "DELETE FROM strangers WHERE email_key = ?1",
	[SESSION_INSERT] = "INSERT INTO sessions VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9)",
	[SESSION_GET] = "SELECT " ACCOUNT_COLUMNS ", " SESSION_COLUMNS
			" FROM sessions s JOIN accounts a ON a.id = s.account_id WHERE s.id = ?1",
	[SESSIONS_LIST] = "SELECT " SESSION_COLUMNS " FROM sessions s WHERE account_id = ?1 AND"
			  " idle_until > ?2 AND ends > ?2 ORDER BY used DESC, id LIMIT ?3",
	/* By its index alone; nothing ends before it is idle. */
	[SESSIONS_COUNT] = "SELECT count(*) FROM sessions WHERE idle_until > ?1",
	[SESSION_DELETE] = "DELETE FROM sessions WHERE id = ?1",
	[SESSIONS_DELETE] = "DELETE FROM sessions WHERE account_id = ?1",
	[SESSIONS_DELETE_SOME] = "DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE"
				 " id > '' ORDER BY id LIMIT " SQL_NUMBER(STORE_ENDED_MAX) ")",
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
	[PASSWORD_CHANGE] =
		"UPDATE accounts SET hash = ?3, updated = ?4 WHERE id = ?1 AND hash = ?2"
		" AND locked_until <= ?4",
	[SESSIONS_DELETE_OTHERS] = "DELETE FROM sessions WHERE account_id = ?1 AND id <> ?2",
	[TICKET_INSERT] =
		"INSERT INTO tickets SELECT ?1,?2,?3,?4,?5,?6 FROM accounts WHERE id = ?3",
	[TICKETS_TRIM] =
		"DELETE FROM tickets WHERE hash IN (SELECT hash FROM tickets WHERE account_id = ?1"
		" AND purpose = ?2 ORDER BY created DESC LIMIT -1 OFFSET " SQL_NUMBER(
			STORE_TICKETS_PER_ACCOUNT_MAX) ")",
	[TICKET_GET] =
		"SELECT " ACCOUNT_COLUMNS ", t.purpose, t.email_key, t.expires FROM tickets t"
		" JOIN accounts a ON a.id = t.account_id WHERE t.hash = ?1",
	[TICKETS_DELETE] = "DELETE FROM tickets WHERE account_id = ?1 AND purpose = ?2",
	[TICKET_APPLY] = "UPDATE accounts SET email_verified = 1, hash = ?2, attempts = ?3,"
			 " locked_until = ?4, updated = ?5 WHERE id = ?1",
	[MAIL_PUT] = "INSERT INTO mails (email_key, kind, asked, again, next) SELECT ?1,?2,?3,0,?3"
		     " WHERE (SELECT count(*) FROM mails) < " SQL_NUMBER(
			     STORE_MAILS_MAX) " ON CONFLICT DO UPDATE SET again = ?3",
	[MAILS_VIEW] = "SELECT count(*), coalesce(min(next), 0) FROM mails",
	[MAIL_TAKE] =
		"UPDATE mails SET next = ?2, attempts = attempts + 1, again = 0 WHERE (email_key, kind) ="
		" (SELECT email_key, kind FROM mails WHERE next <= ?1 ORDER BY next LIMIT 1)"
		" RETURNING email_key, kind, asked, next, attempts",
	[MAIL_DONE] = "DELETE FROM mails WHERE email_key = ?1 AND kind = ?2 AND attempts = ?3"
		      " AND again = 0",
	[MAIL_RENEW] = "UPDATE mails SET asked = again, next = again, again = 0"
		       " WHERE email_key = ?1 AND kind = ?2 AND attempts = ?3",
	[MAIL_LATER] = "UPDATE mails SET next = ?4 WHERE email_key = ?1 AND kind = ?2"
		       " AND attempts = ?3",
	[SWEEP_TICKETS] = "DELETE FROM tickets WHERE hash IN (SELECT hash FROM tickets WHERE"
			  " expires <= ?1 LIMIT " SQL_NUMBER(SWEEP_ROWS) ")",
	[SWEEP_SESSIONS] = "DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE"
			   " idle_until <= ?1 LIMIT " SQL_NUMBER(SWEEP_ROWS) ")",
	[SWEEP_STRANGERS] = "DELETE FROM strangers WHERE email_key IN (SELECT email_key FROM"
			    " strangers WHERE seen <= ?1 LIMIT " SQL_NUMBER(SWEEP_ROWS) ")",
	[KEYS_GET] = "SELECT kid, algorithm, material, active, created FROM keys ORDER BY active"
		     " DESC, created DESC LIMIT " SQL_NUMBER(STORE_KEYS_MAX),
	[KEY_DEACTIVATE] = "UPDATE keys SET active = 0",
	[KEY_ACTIVE] = "SELECT 1 FROM keys WHERE active AND algorithm = ?1 AND created > ?2",
	[KEY_INSERT] = "INSERT INTO keys VALUES (?1,?2,?3,1,?4)",
	[KEY_REMOVE] = "DELETE FROM keys WHERE kid = ?1 AND NOT active",
	[KEYS_TRIM] =
		"DELETE FROM keys WHERE NOT active AND kid NOT IN (SELECT kid FROM keys ORDER BY"
		" active DESC, created DESC LIMIT " SQL_NUMBER(STORE_KEYS_MAX) ")",
	[ACCOUNTS_SCAN] =
		"SELECT " ACCOUNT_COLUMNS " FROM accounts a WHERE id > ?1 ORDER BY id LIMIT ?2",
	[SESSIONS_SCAN] =
		"SELECT " SESSION_COLUMNS " FROM sessions s WHERE id > ?1 ORDER BY id LIMIT ?2",
	[TOKENS_SCAN] = "SELECT hash, created, used FROM refresh_tokens WHERE session_id = ?1"
			" ORDER BY created, hash LIMIT " SQL_NUMBER(STORE_REFRESH_PER_SESSION_MAX),
	[SESSION_PUT] = "INSERT INTO sessions SELECT ?1,?2,?3,?4,?5,?6,?7,?8,?9 WHERE EXISTS"
			" (SELECT 1 FROM accounts WHERE id = ?2) ON CONFLICT DO NOTHING",
	[TOKEN_PUT] = "INSERT INTO refresh_tokens VALUES (?1,?2,?3,?4) ON CONFLICT DO NOTHING",
	[KEY_PUT] = "INSERT INTO keys VALUES (?1,?2,?3,?4,?5) ON CONFLICT DO NOTHING",
	[PING] = "SELECT count(*) FROM sqlite_schema",
	[BEGIN] = "BEGIN IMMEDIATE",
	[COMMIT] = "COMMIT",
	[ROLLBACK] = "ROLLBACK",
	[SAVE] = "SAVEPOINT call",
	[SAVE_KEEP] = "RELEASE call",
	[SAVE_UNDO] = "ROLLBACK TO call",
};

int db_failed(struct sqlite *c)
{
	(void)snprintf(c->reason, sizeof(c->reason), "sqlite: %s", sqlite3_errmsg(c->db));
	return sqlite3_errcode(c->db) == SQLITE_NOMEM ? -ENOMEM : -ERR_STORE_DOWN;
}

/* A statement ready for its values; NULL after db_failed(). */
sqlite3_stmt *db_statement(struct sqlite *c, enum statement which)
{
	sqlite3_stmt **slot = &c->prepared[which];

	if (!*slot && sqlite3_prepare_v3(c->db, statements[which], -1, SQLITE_PREPARE_PERSISTENT,
			      slot, NULL) != SQLITE_OK)
		return NULL;
	return *slot;
}

/* 1 a row, 0 done. A finished statement is reset, so that it holds no lock. */
int db_step(struct sqlite *c, sqlite3_stmt *s)
{
	int r = s ? sqlite3_step(s) : SQLITE_ERROR;

	if (r == SQLITE_ROW)
		return 1;
	if (s) {
		if (r != SQLITE_DONE) {
			int error = db_failed(c);

			sqlite3_reset(s);
			return error;
		}
		sqlite3_reset(s);
		sqlite3_clear_bindings(s);
		return 0;
	}
	return db_failed(c);
}

int db_step_plain(struct sqlite *c, enum statement which)
{
	sqlite3_stmt *s = db_statement(c, which);
	int r = db_step(c, s);

	if (r == 1)
		sqlite3_reset(s);
	return r;
}

/* Values are in memory that outlives the step: nothing is copied. */
void db_bind_text(sqlite3_stmt *s, int at, const char *text)
{
	if (s)
		sqlite3_bind_text(s, at, text, -1, SQLITE_STATIC);
}

void db_bind_blob(sqlite3_stmt *s, int at, const void *data, size_t bytes)
{
	if (s)
		sqlite3_bind_blob(s, at, data, (int)bytes, SQLITE_STATIC);
}

void db_bind_i64(sqlite3_stmt *s, int at, int64_t value)
{
	if (s)
		sqlite3_bind_int64(s, at, value);
}

void db_column_text(sqlite3_stmt *s, int at, char *text, size_t bytes)
{
	(void)snprintf(text, bytes, "%s", (const char *)sqlite3_column_text(s, at));
}

/* Removes one key, or changes what a statement says for one key: how many rows, or an error. */
int db_change_by(struct sqlite *c, enum statement which, const char *key)
{
	sqlite3_stmt *s = db_statement(c, which);
	int r;

	db_bind_text(s, 1, key);
	r = db_step(c, s);
	return r < 0 ? r : sqlite3_changes(c->db);
}
