/*
 * The indexes of SQLite, for operators. What is declared is what the migrations make of
 * an empty database in memory: there is no second list that could differ.
 */
#include "store/sqlite_db.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "shared/macros.h"

CLEANUP_P(sqlite3_finalize, sqlite3_stmt)
#define _stmt_ _cleanup_(sqlite3_finalize_p)

/* --- what is declared --- */

struct declared {
	struct sqlite db; /* its statements are not prepared */
};

static void declared_close(struct declared *declared)
{
	sqlite3_close(declared->db.db);
}

static int declared_open(struct declared *declared)
{
	int r = sqlite3_open_v2(":memory:", &declared->db.db,
		SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);

	return r == SQLITE_OK ? db_migrate(&declared->db) : -ENOMEM;
}

static sqlite3_stmt *prepare(struct sqlite *c, const char *sql)
{
	sqlite3_stmt *s = NULL;

	(void)sqlite3_prepare_v2(c->db, sql, -1, &s, NULL);
	return s; /* NULL: db_step() says why */
}

/* Those of a PRIMARY KEY or UNIQUE are part of their table, and have no text. */
#define OURS "FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL"
#define INDEXES_LIST "SELECT name, sql " OURS " ORDER BY tbl_name, name"
#define INDEX_FIND "SELECT sql " OURS " AND name = ?1"

/* 1 and how it was made, 0 none. The text is valid until the statement goes. */
static int index_text(struct sqlite *c, sqlite3_stmt *find, const char *name, const char **ret_sql)
{
	int r;

	if (find)
		sqlite3_reset(find);
	db_bind_text(find, 1, name);
	r = db_step(c, find);
	if (r == 1)
		*ret_sql = (const char *)sqlite3_column_text(find, 0);
	return r;
}

/* --- comparing --- */

#define UNIQUE "CREATE UNIQUE "

/* "CREATE INDEX name ON table(columns) WHERE ...": what comes behind ON. */
static const char *on_of(const char *sql)
{
	const char *on = strstr(sql, " ON ");

	return on ? on + strlen(" ON ") : sql;
}

/* sql: as it must be, or as it is when it is not ours; there: as it is, NULL when it is missing. */
static void index_tell(const char *name, const char *sql, const char *there,
	enum store_index_state state, const char *detail, store_index_visit *visit, void *arg)
{
	struct store_index_status status = { .state = state,
		.is_unique = there && strncasecmp(there, UNIQUE, strlen(UNIQUE)) == 0 };

	(void)snprintf(status.name, sizeof(status.name), "%s", name);
	(void)snprintf(status.key, sizeof(status.key), "%s", on_of(sql));
	(void)snprintf(status.detail, sizeof(status.detail), "%s", detail);
	visit(&status, arg);
}

/* Those of `from` that `other` lacks or has differently; or all, as they compare. */
static int declared_compare(
	struct sqlite *from, struct sqlite *other, store_index_visit *visit, void *arg)
{
	_stmt_ sqlite3_stmt *list = prepare(from, INDEXES_LIST);
	_stmt_ sqlite3_stmt *find = prepare(other, INDEX_FIND);
	int r;

	while ((r = db_step(from, list)) == 1) {
		const char *name = (const char *)sqlite3_column_text(list, 0);
		const char *sql = (const char *)sqlite3_column_text(list, 1), *there = NULL;
		int found = index_text(other, find, name, &there);

		if (found < 0)
			return found;
		if (!found)
			index_tell(name, sql, NULL, INDEX_MISSING, "somebody has dropped it", visit,
				arg);
		else if (strcmp(sql, there) != 0)
			index_tell(name, sql, there, INDEX_DIFFERENT, on_of(there), visit, arg);
		else
			index_tell(name, sql, there, INDEX_PRESENT, "", visit, arg);
	}
	return r;
}

static int extra_tell(
	struct sqlite *c, struct sqlite *declared, store_index_visit *visit, void *arg)
{
	_stmt_ sqlite3_stmt *list = prepare(c, INDEXES_LIST);
	_stmt_ sqlite3_stmt *find = prepare(declared, INDEX_FIND);
	int r;

	while ((r = db_step(c, list)) == 1) {
		const char *name = (const char *)sqlite3_column_text(list, 0), *ignored;
		const char *sql = (const char *)sqlite3_column_text(list, 1);
		int found = index_text(declared, find, name, &ignored);

		if (found < 0)
			return found;
		if (!found)
			index_tell(name, sql, sql, INDEX_EXTRA, "not ours: somebody has added it",
				visit, arg);
	}
	return r;
}

int sqlite_indexes_check(void *connection, store_index_visit *visit, void *arg)
{
	_cleanup_(declared_close) struct declared declared = {};
	struct sqlite *c = connection;
	int r = declared_open(&declared);

	if (r == 0)
		r = declared_compare(&declared.db, c, visit, arg);
	return r < 0 ? r : extra_tell(c, &declared.db, visit, arg);
}

/* --- making --- */

bool sqlite_index_is_declared(const char *name)
{
	_cleanup_(declared_close) struct declared declared = {};
	_stmt_ sqlite3_stmt *find = NULL;
	const char *sql;

	if (declared_open(&declared) < 0)
		return false;
	find = prepare(&declared.db, INDEX_FIND);
	return index_text(&declared.db, find, name, &sql) == 1;
}

/* Writers wait meanwhile: a second for some hundred thousand rows. */
int sqlite_index_create(void *connection, const char *name)
{
	_cleanup_(declared_close) struct declared declared = {};
	_stmt_ sqlite3_stmt *find = NULL;
	struct sqlite *c = connection;
	const char *sql = NULL;
	int r = declared_open(&declared);

	if (r < 0)
		return r;
	find = prepare(&declared.db, INDEX_FIND);
	r = index_text(&declared.db, find, name, &sql);
	if (r <= 0)
		return r < 0 ? r : -ENOENT;
	return sqlite3_exec(c->db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : db_failed(c);
}

/* Those of a table's own declaration have no such name: SQLite refuses. */
int sqlite_index_drop(void *connection, const char *name)
{
	struct sqlite *c = connection;
	char *sql = sqlite3_mprintf("DROP INDEX \"%w\"", name);
	int r;

	if (!sql)
		return -ENOMEM;
	r = sqlite3_exec(c->db, sql, NULL, NULL, NULL);
	sqlite3_free(sql);
	return r == SQLITE_OK ? 0 : db_failed(c);
}

int sqlite_index_progress(
	_unused_ void *connection, _unused_ uint64_t *ret_done, _unused_ uint64_t *ret_total)
{
	return 0; /* SQLite does not tell */
}
