/*
 * What only SQLite can meet: tables of an older or newer authd, files that are damaged, missing or
 * read-only, and a disk that is full.
 */
#include "support/store_scene.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sqlite3.h>

#include "shared/err.h"
#include "shared/macros.h"

/* --- a file that a test has made --- */

static struct {
	char folder[64], path[80];
	const char *why;
} file;

static int open_store(void)
{
	const struct store_options options = {
		.backend = "sqlite", .path = file.path, .reader_threads = 1, .queued_max = 16
	};

	file.why = "";
	return store_open(&options, &file.why);
}

static void folder_make(void)
{
	(void)snprintf(file.folder, sizeof(file.folder), "/tmp/authd-sqlite-XXXXXX");
	assert_non_null(mkdtemp(file.folder));
	(void)snprintf(file.path, sizeof(file.path), "%s/test.db", file.folder);
}

static void folder_remove(void)
{
	static const char *const endings[] = { "", "-wal", "-shm", "-journal" };
	char path[96];

	for (unsigned i = 0; i < ARRAY_SIZE(endings); i++) {
		(void)snprintf(path, sizeof(path), "%s%s", file.path, endings[i]);
		(void)unlink(path);
	}
	assert_int_equal(rmdir(file.folder), 0);
}

static void sql(const char *text)
{
	sqlite3 *db;
	char *error = NULL;

	assert_int_equal(sqlite3_open(file.path, &db), SQLITE_OK);
	if (sqlite3_exec(db, text, NULL, NULL, &error) != SQLITE_OK)
		print_error("%s\n", error);
	assert_null(error);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static int sql_number(const char *text)
{
	sqlite3 *db;
	sqlite3_stmt *statement;
	int number;

	assert_int_equal(sqlite3_open(file.path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, text, -1, &statement, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
	number = sqlite3_column_int(statement, 0);
	sqlite3_finalize(statement);
	sqlite3_close(db);
	return number;
}

static void assert_refused(int error, const char *why)
{
	assert_int_equal(open_store(), error);
	if (!strstr(file.why, why))
		print_error("\"%s\" does not say \"%s\"\n", file.why, why);
	assert_non_null(strstr(file.why, why));
}

/* --- the schema --- */

TEST(a_new_file_gets_every_table_and_only_its_owner_may_read_it)
{
	struct stat stat_now;

	folder_make();
	assert_int_equal(open_store(), 0);
	store_close();
	assert_true(sql_number("PRAGMA user_version") >= 1);
	assert_int_equal(sql_number("SELECT count(*) FROM accounts"), 0);
	assert_int_equal(stat(file.path, &stat_now), 0);
	assert_int_equal(stat_now.st_mode & 0777, 0600);
	folder_remove();
}

/* The tables as version 1 made them, and an account in them. Never changed: it is what is out
 * there.
 */
static const char version_1[] =
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
	" active INTEGER NOT NULL, created INTEGER NOT NULL) WITHOUT ROWID;"
	"INSERT INTO accounts VALUES ('id-old', 'Old@example.org', 'old@example.org', 'Old', 'hash-old',"
	" 'user admin', 0, 1, 5, 6, 7, 2, 9);"
	"INSERT INTO sessions VALUES ('old', 'id-old', zeroblob(32), 'agent', '192.0.2.1', 1, 2,"
	" 9000000000000, 9000000000000);"
	"INSERT INTO keys VALUES ('kid1', 'ES256', 'material', 1, 1);"
	"PRAGMA user_version = 1;";

static void find_old(void)
{
	struct account found;

	assert_int_equal(store_account_find_await("old@example.org", &found), 1);
	assert_string_equal(found.id, "id-old");
	assert_string_equal(found.hash, "hash-old");
	assert_int_equal(found.role_count, 2);
	assert_true(found.is_email_verified);
	assert_int_equal(found.last_login_ms, 7);
	assert_int_equal(found.attempts.count, 2);
	assert_int_equal(scene_lives("old", SCENE_NOW), 1);
	/* And it takes what is new. */
	scene_register("a");
	assert_int_equal(scene_login("old", "s", SCENE_NOW), LOGIN_ACCEPTED);
}

TEST(a_store_of_version_1_is_brought_up_to_date_and_loses_nothing)
{
	struct store_key *keys = calloc(STORE_KEYS_MAX, sizeof(*keys));

	folder_make();
	sql(version_1);
	assert_int_equal(open_store(), 0);
	assert_int_equal(store_keys_load(keys), 1);
	find_old();
	store_close();
	assert_int_equal(open_store(), 0); /* again: nothing is left to do */
	store_close();
	free(keys);
	folder_remove();
}

TEST(an_upgrade_that_fails_changes_nothing)
{
	folder_make();
	/* Version 0 with a table in the way: the first migration cannot make its own. */
	sql("CREATE TABLE keys (mine TEXT); INSERT INTO keys VALUES ('x')");
	assert_refused(-ERR_STORE_DOWN, "table keys already exists");
	assert_int_equal(sql_number("SELECT count(*) FROM sqlite_schema"), 1);
	assert_int_equal(sql_number("PRAGMA user_version"), 0);
	folder_remove();
}

TEST(a_store_of_a_newer_authd_is_refused_and_not_touched)
{
	folder_make();
	sql("CREATE TABLE accounts (new TEXT); PRAGMA user_version = 1000");
	assert_refused(-EOPNOTSUPP, "written by a newer authd (schema 1000");
	assert_int_equal(sql_number("PRAGMA user_version"), 1000);
	folder_remove();
}

/* --- files --- */

static void bytes_write(const char *text, size_t bytes, long offset)
{
	FILE *out = fopen(file.path, offset ? "r+e" : "we");

	assert_non_null(out);
	assert_int_equal(fseek(out, offset, SEEK_SET), 0);
	assert_int_equal(fwrite(text, 1, bytes, out), bytes);
	assert_int_equal(fclose(out), 0);
}

TEST(a_file_that_is_no_database_is_refused_and_not_touched)
{
	static const char text[] =
		"These are the recipes of my grandmother, and no database at all.";
	struct stat stat_now;

	folder_make();
	bytes_write(text, sizeof(text), 0);
	assert_refused(-ERR_STORE_DOWN, "restore a backup");
	assert_int_equal(stat(file.path, &stat_now), 0);
	assert_int_equal(stat_now.st_size, sizeof(text));
	folder_remove();
}

TEST(a_damaged_file_is_refused)
{
	char garbage[4096];

	folder_make();
	sql(version_1);
	memset(garbage, 0x5a, sizeof(garbage));
	bytes_write(garbage, 2000, 100); /* behind the header: the schema itself */
	assert_int_equal(open_store(), -ERR_STORE_DOWN);
	assert_non_null(strstr(file.why, "malformed"));
	folder_remove();
}

TEST(a_folder_that_is_missing_is_named_with_a_remedy)
{
	folder_make();
	folder_remove();
	assert_refused(-ERR_STORE_DOWN, "does the folder exist");
	assert_non_null(strstr(file.why, file.path));
}

TEST(a_folder_in_place_of_the_file_is_refused)
{
	folder_make();
	assert_int_equal(mkdir(file.path, 0700), 0);
	assert_refused(-ERR_STORE_DOWN, "unable to open");
	assert_int_equal(rmdir(file.path), 0);
	folder_remove();
}

TEST(a_file_that_may_only_be_read_is_refused)
{
	folder_make();
	sql(version_1);
	assert_int_equal(chmod(file.path, 0400), 0);
	assert_int_equal(chmod(file.folder, 0500), 0);
	/* Root may write everywhere: be nobody meanwhile. */
	if (geteuid() == 0) {
		assert_int_equal(chown(file.path, 65534, 65534), 0);
		assert_int_equal(chown(file.folder, 65534, 65534), 0);
		assert_int_equal(seteuid(65534), 0);
	}
	assert_int_equal(open_store(), -ERR_STORE_DOWN);
	if (getuid() == 0)
		assert_int_equal(seteuid(0), 0);
	assert_non_null(strstr(file.why, "may not write there"));
	assert_int_equal(chmod(file.folder, 0700), 0);
	folder_remove();
}

/* --- a full disk: here a limit on the size of files --- */

static void disk_limit(rlim_t bytes)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = bytes;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

struct writer {
	char name[16];
	int result;
};

static void write_one(void *arg)
{
	struct writer *writer = arg;
	struct account account = scene_account(writer->name);
	struct session_new session = scene_session(writer->name, writer->name);

	memset(account.name, 'x', STORE_NAME_BYTES_MAX);
	writer->result = store_account_create_await(&account, &session);
}

#define WRITERS 200

STORE_TEST(a_full_disk_loses_nothing_that_was_acknowledged_and_ends_when_there_is_room)
{
	static struct writer writers[WRITERS];
	struct store_health health;
	unsigned failed = 0;

	(void)signal(SIGXFSZ, SIG_IGN);
	disk_limit(256 * 1024);
	for (unsigned i = 0; i < WRITERS; i++)
		(void)snprintf(writers[i].name, sizeof(writers[i].name), "w%u", i);
	for (unsigned i = 0; i < WRITERS; i += 20)
		scene_together(20, write_one, &writers[i], sizeof(writers[i]));
	for (unsigned i = 0; i < WRITERS; i++) {
		assert_true(writers[i].result == 1 || writers[i].result == -ERR_STORE_DOWN);
		failed += writers[i].result < 0;
		assert_int_equal(scene_lives(writers[i].name, SCENE_NOW), writers[i].result == 1);
	}
	assert_true(failed > 0 && failed < WRITERS);
	store_health(&health);
	assert_false(health.is_up);
	assert_non_null(strstr(health.reason, "sqlite: "));

	disk_limit(RLIM_INFINITY);
	assert_int_equal(store_tend(SCENE_NOW), 0);
	store_health(&health);
	assert_true(health.is_up);
	for (unsigned i = 0; i < WRITERS; i++) {
		if (writers[i].result == 1)
			continue;
		write_one(&writers[i]);
		assert_int_equal(writers[i].result, 1);
	}
	scene_restart();
	for (unsigned i = 0; i < WRITERS; i++)
		assert_int_equal(scene_lives(writers[i].name, SCENE_NOW), 1);
}

STORE_TEST(a_disk_that_is_full_from_the_first_write_is_told_by_the_probe_until_there_is_room)
{
	struct writer writer = { .name = "a" };
	struct store_health health;

	(void)signal(SIGXFSZ, SIG_IGN);
	disk_limit(1024);
	write_one(&writer);
	assert_int_equal(writer.result, -ERR_STORE_DOWN);
	(void)store_tend(SCENE_NOW);
	store_health(&health);
	assert_false(health.is_up);
	disk_limit(RLIM_INFINITY);
	(void)store_tend(SCENE_NOW);
	store_health(&health);
	assert_true(health.is_up);
	write_one(&writer);
	assert_int_equal(writer.result, 1);
}
