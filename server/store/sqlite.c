/*
 * The store in one SQLite file: write-ahead log, a flush at each commit. A connection belongs to
 * one thread and keeps its statements prepared. Next: sqlite_db.h, what its files share.
 */
#include "store/sqlite_db.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "shared/err.h"
#include "shared/macros.h"

#define BUSY_TIMEOUT_MS 5000 /* the keeper and the writer take turns */

/* For the operator, once its connection has gone. */
static _Thread_local char open_why[STORE_WHY_BYTES];

/* --- opening --- */

/* What to do about it, in half a sentence. */
static const char *open_remedy(int code)
{
	switch (code & 0xff) {
	case SQLITE_CANTOPEN:
	case SQLITE_PERM:
		return "does the folder exist, and may this user write there?";
	case SQLITE_READONLY:
		return "this user may not write there, or the file system is read-only";
	case SQLITE_NOTADB:
	case SQLITE_CORRUPT:
		return "the file is damaged or no database of authd: restore a backup";
	case SQLITE_BUSY:
		return "another process holds it";
	case SQLITE_FULL:
	case SQLITE_IOERR:
		return "is the disk full?";
	default:
		return "see the documentation of SQLite";
	}
}

static int open_failed(struct sqlite *c, const char *path, const char **ret_why)
{
	int code = c->db ? sqlite3_errcode(c->db) : SQLITE_NOMEM;

	(void)snprintf(open_why, sizeof(open_why), "%s: %s (%s)", path, sqlite3_errstr(code),
		open_remedy(code));
	*ret_why = open_why;
	return code == SQLITE_NOMEM ? -ENOMEM : -ERR_STORE_DOWN;
}

static void sqlite_disconnect(void *connection)
{
	struct sqlite *c = connection;

	if (!c)
		return;
	for (unsigned i = 0; i < STATEMENTS; i++)
		sqlite3_finalize(c->prepared[i]);
	sqlite3_close(c->db);
	free(c);
}
CLEANUP_P(sqlite_disconnect, struct sqlite)

static int settings_make(struct sqlite *c)
{
	sqlite3_busy_timeout(c->db, BUSY_TIMEOUT_MS);
	/* 512 KiB of cache for each connection: lookups touch a few pages. */
	return sqlite3_exec(c->db,
		"PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
		"PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF;"
		"PRAGMA secure_delete = FAST; PRAGMA cache_size = -512",
		NULL, NULL, NULL);
}

static int sqlite_connect(
	const struct store_options *options, void **ret_connection, const char **ret_why)
{
	_cleanup_(sqlite_disconnect_p) struct sqlite *c = calloc(1, sizeof(*c));
	const char *path = options->path;

	if (!c)
		return -ENOMEM;
	c->strangers_max = options->strangers_max ? options->strangers_max : STORE_STRANGERS_MAX;
	/* What it creates holds hashes and keys: for this user only. */
	umask(0077);
	if (sqlite3_open_v2(path, &c->db,
		    SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
		    NULL) != SQLITE_OK)
		return open_failed(c, path, ret_why);
	/* SQLite opens what it may only read without a word. */
	if (sqlite3_db_readonly(c->db, "main") == 1) {
		(void)snprintf(
			open_why, sizeof(open_why), "%s: %s", path, open_remedy(SQLITE_READONLY));
		*ret_why = open_why;
		return -ERR_STORE_DOWN;
	}
	if (settings_make(c) != SQLITE_OK)
		return open_failed(c, path, ret_why);
	*ret_connection = TAKE(c);
	return 0;
}

static db_call *const calls[STORE_OPS] = {
	[OP_ACCOUNT_CREATE] = db_account_create,
	[OP_ACCOUNT_FIND] = db_account_find,
	[OP_ACCOUNT_GET] = db_account_get,
	[OP_ACCOUNT_RENAME] = db_account_rename,
	[OP_LOGIN_FAIL] = db_login_fail,
	[OP_LOGIN] = db_login,
	[OP_SESSION_FIND] = db_session_find,
	[OP_SESSION_END] = db_session_end,
	[OP_SESSION_END_BY_REFRESH] = db_session_end_by_refresh,
	[OP_SESSIONS_END] = db_sessions_end,
	[OP_SESSIONS_END_SOME] = db_sessions_end_some,
	[OP_REFRESH] = db_refresh,
	[OP_REFRESH_LOOK] = db_refresh_look,
	[OP_SESSIONS_LIST] = db_sessions_list,
	[OP_ACCOUNTS_LIST] = db_accounts_list,
	[OP_ACCOUNTS_PREFIX] = db_accounts_prefix,
	[OP_ACCOUNT_CHANGE] = db_account_change,
	[OP_ACCOUNT_DELETE] = db_account_delete,
	[OP_PASSWORD_CHANGE] = db_password_change,
	[OP_TICKET_PUT] = db_ticket_put,
	[OP_TICKET_FIND] = db_ticket_find,
	[OP_TICKET_USE] = db_ticket_use,
	[OP_MAIL_PUT] = db_mail_put,
	[OP_MAILS_VIEW] = db_mails_view,
	[OP_MAIL_TAKE] = db_mail_take,
	[OP_MAIL_DONE] = db_mail_done,
	[OP_MAIL_LATER] = db_mail_later,
};

static int sqlite_run(void *connection, struct store_call *call)
{
	return calls[call->op](connection, call);
}

/* --- transactions --- */

static int sqlite_begin(void *connection)
{
	return db_step_plain(connection, BEGIN);
}

static int sqlite_commit(void *connection)
{
	return db_step_plain(connection, COMMIT);
}

static void sqlite_rollback(void *connection)
{
	struct sqlite *c = connection;
	char reason[sizeof(c->reason)];

	/* The first failure is the one to tell, not that of undoing it. */
	memcpy(reason, c->reason, sizeof(reason));
	if (!sqlite3_get_autocommit(c->db))
		(void)db_step_plain(c, ROLLBACK);
	memcpy(c->reason, reason, sizeof(reason));
}

static int sqlite_migrate(void *connection, const char **ret_why)
{
	struct sqlite *c = connection;
	int r = sqlite_begin(c);

	*ret_why = c->reason;
	if (r < 0)
		return r;
	r = db_migrate(c);
	if (r == 0)
		r = sqlite_commit(c);
	if (r < 0)
		sqlite_rollback(c);
	return r;
}

static int sqlite_save(void *connection)
{
	return db_step_plain(connection, SAVE);
}

/* A full disk or memory may have undone the whole transaction, and the savepoint with it. */
static int sqlite_save_end(void *connection, bool is_undone)
{
	struct sqlite *c = connection;
	int r = 0;

	if (sqlite3_get_autocommit(c->db))
		return -ERR_STORE_DOWN;
	if (is_undone)
		r = db_step_plain(c, SAVE_UNDO);
	return r < 0 ? r : db_step_plain(c, SAVE_KEEP);
}

/* Writing the version that is there already costs one page, its log and a flush: all that can fail.
 */
static int sqlite_ping(void *connection, bool is_writing)
{
	int r;

	if (!is_writing)
		return db_step_plain(connection, PING);
	r = sqlite_begin(connection);
	if (r >= 0)
		r = db_version_set(connection);
	if (r >= 0)
		r = sqlite_commit(connection);
	if (r < 0)
		sqlite_rollback(connection);
	return r;
}

/* How many rows went, or an error. */
static int sweep_by(struct sqlite *c, enum statement which, int64_t value)
{
	sqlite3_stmt *s = db_statement(c, which);
	int r;

	db_bind_i64(s, 1, value);
	r = db_step(c, s);
	return r < 0 ? r : sqlite3_changes(c->db);
}

static int sqlite_sweep(void *connection, int64_t now_ms)
{
	struct sqlite *c = connection;
	const struct {
		enum statement which;
		int64_t value;
	} parts[] = {
		{ SWEEP_SESSIONS, now_ms },
		{ SWEEP_TICKETS, now_ms },
		{ SWEEP_STRANGERS, now_ms - STORE_STRANGER_MS },
		{ STRANGERS_TRIM, c->strangers_max },
	};
	bool is_more = false;

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		int r = sweep_by(c, parts[i].which, parts[i].value);

		if (r < 0)
			return r;
		is_more |= r >= SWEEP_ROWS;
	}
	return is_more;
}

static uint64_t sqlite_memory_bytes(void)
{
	return (uint64_t)sqlite3_memory_used();
}

static int sqlite_sessions_count(void *connection, int64_t now_ms, uint64_t *ret_count)
{
	sqlite3_stmt *s = db_statement(connection, SESSIONS_COUNT);
	int r;

	db_bind_i64(s, 1, now_ms);
	r = db_step(connection, s);
	if (r < 0)
		return r;
	*ret_count = (uint64_t)sqlite3_column_int64(s, 0);
	sqlite3_reset(s); /* it would hold its snapshot of the log */
	return 0;
}

/* --- keys --- */

static int sqlite_keys_load(void *connection, struct store_key *keys)
{
	struct sqlite *c = connection;
	sqlite3_stmt *s = db_statement(c, KEYS_GET);
	int count = 0, r;

	while ((r = db_step(c, s)) == 1) {
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

static int key_add_locked(struct sqlite *c, const struct store_key *key, int64_t newer_than_ms)
{
	sqlite3_stmt *s = db_statement(c, KEY_ACTIVE);
	int r;

	db_bind_text(s, 1, key->algorithm);
	db_bind_i64(s, 2, newer_than_ms);
	r = db_step(c, s);
	if (r == 1) {
		sqlite3_reset(s);
		return 0;
	}
	if (r == 0)
		r = db_step_plain(c, KEY_DEACTIVATE);
	if (r < 0)
		return r;
	s = db_statement(c, KEY_INSERT);
	db_bind_text(s, 1, key->kid);
	db_bind_text(s, 2, key->algorithm);
	db_bind_blob(s, 3, key->material, key->material_bytes);
	db_bind_i64(s, 4, key->created_ms);
	r = db_step(c, s);
	if (r >= 0)
		r = db_step_plain(c, KEYS_TRIM);
	return r < 0 ? r : 1;
}

static int sqlite_key_add(void *connection, const struct store_key *key, int64_t newer_than_ms)
{
	int r = sqlite_begin(connection), added;

	if (r < 0)
		return r;
	added = key_add_locked(connection, key, newer_than_ms);
	r = added < 0 ? added : sqlite_commit(connection);
	if (r < 0)
		sqlite_rollback(connection);
	return r < 0 ? r : added;
}

static int sqlite_key_remove(void *connection, const char *kid)
{
	return db_change_by(connection, KEY_REMOVE, kid);
}

static const char *sqlite_reason(void *connection)
{
	return ((struct sqlite *)connection)->reason;
}

static void sqlite_place(const struct store_options *options, struct store_place *ret_place)
{
	const char *slash = strrchr(options->path, '/');

	*ret_place = (struct store_place){ .database = slash ? slash + 1 : options->path };
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
	.place = sqlite_place,
	.memory_bytes = sqlite_memory_bytes,
	.sessions_count = sqlite_sessions_count,
	.keys_load = sqlite_keys_load,
	.key_add = sqlite_key_add,
	.key_remove = sqlite_key_remove,
	.reason = sqlite_reason,
	.indexes_check = sqlite_indexes_check,
	.index_is_declared = sqlite_index_is_declared,
	.index_create = sqlite_index_create,
	.index_drop = sqlite_index_drop,
	.index_progress = sqlite_index_progress,
	.explain = sqlite_explain,
	.accounts_scan = sqlite_accounts_scan,
	.sessions_scan = sqlite_sessions_scan,
	.account_put = sqlite_account_put,
	.session_put = sqlite_session_put,
	.key_put = sqlite_key_put,
};
