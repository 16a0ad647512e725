/* Reading all of a store in SQLite, and writing what another one held. */
#include "store/sqlite_db.h"

#include <string.h>

int sqlite_accounts_scan(
	void *connection, const char *after, struct account *rows, unsigned rows_max)
{
	struct sqlite *c = connection;
	sqlite3_stmt *s = db_statement(c, ACCOUNTS_SCAN);
	unsigned count = 0;
	int r;

	db_bind_text(s, 1, after);
	db_bind_i64(s, 2, rows_max);
	while ((r = db_step(c, s)) == 1)
		db_account_read(s, &rows[count++]);
	return r < 0 ? r : (int)count;
}

static int tokens_read(struct sqlite *c, struct session_record *record)
{
	sqlite3_stmt *s = db_statement(c, TOKENS_SCAN);
	int r;

	record->token_count = 0;
	db_bind_text(s, 1, record->session.id);
	while ((r = db_step(c, s)) == 1) {
		__auto_type token = &record->tokens[record->token_count++];

		if (sqlite3_column_bytes(s, 0) == STORE_DIGEST_BYTES)
			memcpy(token->hash, sqlite3_column_blob(s, 0), STORE_DIGEST_BYTES);
		token->created_ms = sqlite3_column_int64(s, 1);
		token->used_ms = sqlite3_column_int64(s, 2);
	}
	return r;
}

int sqlite_sessions_scan(
	void *connection, const char *after, struct session_record *rows, unsigned rows_max)
{
	struct sqlite *c = connection;
	sqlite3_stmt *s = db_statement(c, SESSIONS_SCAN);
	unsigned count = 0;
	int r;

	db_bind_text(s, 1, after);
	db_bind_i64(s, 2, rows_max);
	while ((r = db_step(c, s)) == 1)
		db_session_read(s, 0, &rows[count++].session);
	for (unsigned i = 0; i < count && r >= 0; i++)
		r = tokens_read(c, &rows[i]);
	return r < 0 ? r : (int)count;
}

int sqlite_account_put(void *connection, const struct account *account)
{
	return db_account_insert(connection, account);
}

static int token_put(struct sqlite *c, const struct session_record *record, unsigned i)
{
	sqlite3_stmt *s = db_statement(c, TOKEN_PUT);

	db_bind_blob(s, 1, record->tokens[i].hash, STORE_DIGEST_BYTES);
	db_bind_text(s, 2, record->session.id);
	db_bind_i64(s, 3, record->tokens[i].created_ms);
	db_bind_i64(s, 4, record->tokens[i].used_ms);
	return db_step(c, s);
}

int sqlite_session_put(void *connection, const struct session_record *record)
{
	struct sqlite *c = connection;
	sqlite3_stmt *s = db_statement(c, SESSION_PUT);
	int r;

	db_session_bind(s, &record->session);
	r = db_step(c, s);
	if (r < 0 || sqlite3_changes(c->db) == 0)
		return r;
	for (unsigned i = 0; i < record->token_count && r >= 0; i++)
		r = token_put(c, record, i);
	return r < 0 ? r : 1;
}

int sqlite_key_put(void *connection, const struct store_key *key)
{
	struct sqlite *c = connection;
	sqlite3_stmt *s = db_statement(c, KEY_PUT);
	int r;

	db_bind_text(s, 1, key->kid);
	db_bind_text(s, 2, key->algorithm);
	db_bind_blob(s, 3, key->material, key->material_bytes);
	db_bind_i64(s, 4, key->is_active);
	db_bind_i64(s, 5, key->created_ms);
	r = db_step(c, s);
	return r < 0 ? r : sqlite3_changes(c->db);
}
