/*
 * Inside the SQLite backend: a connection, its prepared statements, and the steps that its files
 * share. The only file that includes SQLite's header. Next: sqlite.c, then the calls in
 * sqlite_accounts.c, sqlite_sessions.c, sqlite_mails.c and sqlite_admin.c.
 */
#pragma once

#include <sqlite3.h>

#include "store/records.h"
#include "store/store_backend.h"

#define SWEEP_ROWS 1000 /* one sweep holds up the writer for some milliseconds at most */

enum statement {
	ACCOUNT_INSERT,
	ACCOUNT_BY_KEY,
	ACCOUNT_BY_ID,
	ACCOUNT_TOUCH,
	ACCOUNT_RENAME,
	ACCOUNT_COUNT_FAILURE,
	ACCOUNT_LOGIN,
	ACCOUNT_CHANGE,
	ACCOUNT_DELETE,
	ACCOUNTS_LIST,
	ACCOUNTS_LIST_ACTIVE,
	ACCOUNTS_LIST_SUSPENDED,
	ACCOUNTS_PREFIX,
	STRANGER_GET,
	STRANGER_PUT,
	STRANGERS_TRIM,
	STRANGER_FORGET,
	SESSION_INSERT,
	SESSION_GET,
	SESSIONS_LIST,
	SESSIONS_COUNT,
	SESSION_DELETE,
	SESSIONS_DELETE,
	SESSIONS_DELETE_SOME,
	SESSION_OLDEST,
	SESSION_USED,
	REFRESH_INSERT,
	REFRESH_GET,
	REFRESH_USED,
	REFRESH_TRIM,
	PASSWORD_CHANGE,
	SESSIONS_DELETE_OTHERS,
	TICKET_INSERT,
	TICKETS_TRIM,
	TICKET_GET,
	TICKETS_DELETE,
	TICKET_APPLY,
	MAIL_PUT,
	MAILS_VIEW,
	MAIL_TAKE,
	MAIL_DONE,
	MAIL_RENEW,
	MAIL_LATER,
	SWEEP_TICKETS,
	SWEEP_SESSIONS,
	SWEEP_STRANGERS,
	KEYS_GET,
	KEY_DEACTIVATE,
	KEY_ACTIVE,
	KEY_INSERT,
	KEY_REMOVE,
	KEYS_TRIM,
	ACCOUNTS_SCAN,
	SESSIONS_SCAN,
	TOKENS_SCAN,
	SESSION_PUT,
	TOKEN_PUT,
	KEY_PUT,
	PING, /* from here on: nothing of ours is read or changed */
	BEGIN,
	COMMIT,
	ROLLBACK,
	SAVE,
	SAVE_KEEP,
	SAVE_UNDO,
	STATEMENTS
};

struct sqlite {
	sqlite3 *db;
	sqlite3_stmt *prepared[STATEMENTS];
	unsigned strangers_max;
	char reason[128];
};

/* --- running statements: sqlite_statements.c --- */

/* Keeps what SQLite says as the reason: -ENOMEM or -ERR_STORE_DOWN. */
int db_failed(struct sqlite *c);

/* A statement ready for its values; NULL when it cannot be prepared: db_step() then says why. */
sqlite3_stmt *db_statement(struct sqlite *c, enum statement which);

/* 1 a row, 0 done, or db_failed(). A finished statement is reset, so that it holds no lock. */
int db_step(struct sqlite *c, sqlite3_stmt *s);

/* For a statement without values: as db_step(), and reset in any case. */
int db_step_plain(struct sqlite *c, enum statement which);

/* Values must be in memory that outlives the step: nothing is copied. s may be NULL. */
void db_bind_text(sqlite3_stmt *s, int at, const char *text);
void db_bind_blob(sqlite3_stmt *s, int at, const void *data, size_t bytes);
void db_bind_i64(sqlite3_stmt *s, int at, int64_t value);

void db_column_text(sqlite3_stmt *s, int at, char *text, size_t bytes);
#define COLUMN_TEXT_INTO(s, at, array) db_column_text((s), (at), (array), sizeof(array))

/* Runs a statement whose only value is this key: how many rows it changed, or an error. */
int db_change_by(struct sqlite *c, enum statement which, const char *key);

/* --- the schema: sqlite_schema.c --- */

/* Inside a transaction: every migration that is missing. 0, or negative and the reason is kept. */
int db_migrate(struct sqlite *c);

/* Inside a transaction: writes the version that the tables have. */
int db_version_set(struct sqlite *c);

/* --- the calls --- */

typedef int db_call(struct sqlite *c, struct store_call *call);

/* sqlite_accounts.c */
db_call db_account_create, db_account_find, db_account_get, db_account_rename;
db_call db_login_fail, db_login;
int db_account_by(struct sqlite *c, enum statement which, const char *key, struct account *account);

/* sqlite_admin.c */
db_call db_accounts_list, db_accounts_prefix, db_account_change, db_account_delete;

/* sqlite_sessions.c */
db_call db_session_find, db_session_end, db_session_end_by_refresh, db_sessions_end, db_refresh;
db_call db_sessions_list, db_sessions_end_some, db_refresh_look;

/* sqlite_mails.c */
db_call db_password_change, db_ticket_put, db_ticket_find, db_ticket_use;
db_call db_mail_put, db_mails_view, db_mail_take, db_mail_done, db_mail_later;

int db_tickets_delete(struct sqlite *c, const char *account_id, enum ticket_purpose purpose);

/* A session and its first refresh token. */
int db_session_insert(struct sqlite *c, const struct session_new *new);

/* What is written of an account whenever it is: parameters 1 to 8. roles is memory that the
 * statement reads until its step. */
void db_account_bind(
	sqlite3_stmt *s, const struct account *account, char roles[static ROLES_TEXT_BYTES]);

/* 1, or 0 when its id or address is taken. */
int db_account_insert(struct sqlite *c, const struct account *account);

/* Binds a session's nine columns; reads them from column `at` on. */
void db_session_bind(sqlite3_stmt *s, const struct session *session);
void db_session_read(sqlite3_stmt *s, int at, struct session *session);

/* sqlite_transfer.c */
int sqlite_accounts_scan(
	void *connection, const char *after, struct account *rows, unsigned rows_max);
int sqlite_sessions_scan(
	void *connection, const char *after, struct session_record *rows, unsigned rows_max);
int sqlite_account_put(void *connection, const struct account *account);
int sqlite_session_put(void *connection, const struct session_record *record);
int sqlite_key_put(void *connection, const struct store_key *key);

/* sqlite_indexes.c, sqlite_explain.c */
int sqlite_indexes_check(void *connection, store_index_visit *visit, void *arg);
bool sqlite_index_is_declared(const char *name);
int sqlite_index_create(void *connection, const char *name);
int sqlite_index_drop(void *connection, const char *name);
int sqlite_index_progress(void *connection, uint64_t *ret_done, uint64_t *ret_total);
int sqlite_explain(void *connection, store_explain_visit *visit, void *arg);

/* The account's columns of a row, which come first. */
void db_account_read(sqlite3_stmt *s, struct account *account);
#define ACCOUNT_COLUMN_COUNT 13
