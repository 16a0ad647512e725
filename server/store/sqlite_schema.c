/* The tables of the SQLite backend, and how those of an older authd become today's. */
#include "store/sqlite_db.h"

#include <errno.h>
#include <stdio.h>

#include "shared/err.h"
#include "shared/macros.h"

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
	"CREATE TABLE tickets (hash BLOB PRIMARY KEY, purpose INTEGER NOT NULL, account_id TEXT NOT"
	" NULL REFERENCES accounts(id) ON DELETE CASCADE, email_key TEXT NOT NULL,"
	" created INTEGER NOT NULL, expires INTEGER NOT NULL) WITHOUT ROWID;"
	"CREATE INDEX tickets_account ON tickets(account_id, purpose, created);"
	"CREATE INDEX tickets_expires ON tickets(expires);"
	"CREATE TABLE mails (email_key TEXT NOT NULL, kind INTEGER NOT NULL, asked INTEGER NOT NULL,"
	" again INTEGER NOT NULL, next INTEGER NOT NULL, attempts INTEGER NOT NULL DEFAULT 0,"
	" PRIMARY KEY (email_key, kind)) WITHOUT ROWID;"
	"CREATE INDEX mails_next ON mails(next);",
};

static int version_get(struct sqlite *c)
{
	sqlite3_stmt *s = NULL;
	int version;

	if (sqlite3_prepare_v2(c->db, "PRAGMA user_version", -1, &s, NULL) == SQLITE_OK &&
		sqlite3_step(s) == SQLITE_ROW)
		version = sqlite3_column_int(s, 0);
	else
		version = db_failed(c);
	sqlite3_finalize(s);
	return version;
}

int db_version_set(struct sqlite *c)
{
	char set[64];

	(void)snprintf(set, sizeof(set), "PRAGMA user_version = %d", (int)ARRAY_SIZE(migrations));
	return sqlite3_exec(c->db, set, NULL, NULL, NULL) == SQLITE_OK ? 0 : db_failed(c);
}

int db_migrate(struct sqlite *c)
{
	int version = version_get(c);

	if (version > (int)ARRAY_SIZE(migrations)) {
		(void)snprintf(c->reason, sizeof(c->reason),
			"the database was written by a newer authd (schema %d, this one knows %d):"
			" use that one",
			version, (int)ARRAY_SIZE(migrations));
		return -EOPNOTSUPP;
	}
	if (version < 0)
		return version;
	for (int i = version; i < (int)ARRAY_SIZE(migrations); i++) {
		if (sqlite3_exec(c->db, migrations[i], NULL, NULL, NULL) != SQLITE_OK)
			return db_failed(c);
	}
	return version == (int)ARRAY_SIZE(migrations) ? 0 : db_version_set(c);
}
