/* How SQLite would run each of our statements: see store_explain() in upkeep.h. */
#include "store/sqlite_db.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "shared/macros.h"

CLEANUP_P(sqlite3_finalize, sqlite3_stmt)

#define PRIMARY "PRIMARY KEY"

/* The name of the index in a line such as "SEARCH a USING COVERING INDEX name (key=?)". Where one
 * finds what is then read by its key, it is the one to know. */
static void index_take(const char *line, char *index, size_t bytes)
{
	const char *name = strstr(line, " INDEX ");

	if (name && (!*index || strcmp(index, PRIMARY) == 0)) {
		name += strlen(" INDEX ");
		(void)snprintf(index, bytes, "%.*s", (int)strcspn(name, " ("), name);
	} else if (!*index && strstr(line, PRIMARY)) {
		(void)snprintf(index, bytes, "%s", PRIMARY);
	}
}

static bool is_scan(const char *line)
{
	return strncmp(line, "SCAN ", 5) == 0 && strncmp(line, "SCAN CONSTANT ROW", 17) != 0;
}

/* THE table of what is explained: every statement that reads or changes rows. The scans of some are
 * meant: they count a table, or read the few keys that there are (STORE_KEYS_MAX). */
/* clang-format off */
static const struct {
	const char *name;
	bool is_scanning;
} explained[PING] = {
	[ACCOUNT_INSERT] = { "account_insert", false },
	[ACCOUNT_BY_KEY] = { "account_find", false },
	[ACCOUNT_BY_ID] = { "account_get", false },
	[ACCOUNT_TOUCH] = { "account_touch", false },
	[ACCOUNT_RENAME] = { "account_rename", false },
	[ACCOUNT_COUNT_FAILURE] = { "account_count_failure", false },
	[ACCOUNT_LOGIN] = { "account_login", false },
	[ACCOUNT_CHANGE] = { "account_change", false },
	[ACCOUNT_DELETE] = { "account_delete", false },
	[ACCOUNTS_LIST] = { "accounts_list", false },
	[ACCOUNTS_LIST_ACTIVE] = { "accounts_list_active", false },
	[ACCOUNTS_LIST_SUSPENDED] = { "accounts_list_suspended", false },
	[ACCOUNTS_PREFIX] = { "accounts_prefix", false },
	[STRANGER_GET] = { "account_find_stranger", false },
	[STRANGER_PUT] = { "stranger_put", false },
	[STRANGERS_TRIM] = { "strangers_trim", true },
	[STRANGER_FORGET] = { "stranger_forget", false },
	[SESSION_INSERT] = { "session_insert", false },
	[SESSION_GET] = { "session_find", false },
	[SESSIONS_LIST] = { "sessions_list", false },
	[SESSIONS_COUNT] = { "sessions_count", false },
	[SESSION_DELETE] = { "session_delete", false },
	[SESSIONS_DELETE] = { "sessions_end", false },
	[SESSIONS_DELETE_SOME] = { "sessions_end_some", false },
	[SESSION_OLDEST] = { "session_oldest", false },
	[SESSION_USED] = { "session_used", false },
	[REFRESH_INSERT] = { "refresh_insert", false },
	[REFRESH_GET] = { "refresh", false },
	[REFRESH_USED] = { "refresh_used", false },
	[REFRESH_TRIM] = { "refresh_trim", false },
	[PASSWORD_CHANGE] = { "password_change", false },
	[SESSIONS_DELETE_OTHERS] = { "sessions_end_others", false },
	[TICKET_INSERT] = { "ticket_insert", false },
	[TICKETS_TRIM] = { "tickets_trim", false },
	[TICKET_GET] = { "ticket_find", false },
	[TICKETS_DELETE] = { "tickets_delete", false },
	[TICKET_APPLY] = { "ticket_use", false },
	[MAIL_PUT] = { "mail_put", true },
	[MAILS_VIEW] = { "mails_view", true },
	[MAIL_TAKE] = { "mail_take", false },
	[MAIL_DONE] = { "mail_done", false },
	[MAIL_RENEW] = { "mail_renew", false },
	[MAIL_LATER] = { "mail_later", false },
	[SWEEP_TICKETS] = { "sweep_tickets", false },
	[SWEEP_SESSIONS] = { "sweep_sessions", false },
	[SWEEP_STRANGERS] = { "sweep_strangers", false },
	[KEYS_GET] = { "keys_get", true },
	[KEY_DEACTIVATE] = { "key_deactivate", true },
	[KEY_ACTIVE] = { "key_active", true },
	[KEY_INSERT] = { "key_insert", false },
	[KEY_REMOVE] = { "key_remove", false },
	[KEYS_TRIM] = { "keys_trim", true },
	[ACCOUNTS_SCAN] = { "accounts_scan", false },
	[SESSIONS_SCAN] = { "sessions_scan", false },
	[TOKENS_SCAN] = { "tokens_scan", false },
	[SESSION_PUT] = { "session_put", false },
	[TOKEN_PUT] = { "token_put", false },
	[KEY_PUT] = { "key_put", false },
};
/* clang-format on */

static int statement_explain(
	struct sqlite *c, enum statement which, store_explain_visit *visit, void *arg)
{
	struct store_plan plan = { .statement = explained[which].name,
		.examined = -1,
		.returned = -1,
		.verdict = "good" };
	sqlite3_stmt *asked = db_statement(c, which);
	_cleanup_(sqlite3_finalize_p) sqlite3_stmt *s = NULL;
	char sql[2048], index[128] = "";
	int r;

	if (!asked)
		return db_failed(c);
	(void)snprintf(sql, sizeof(sql), "EXPLAIN QUERY PLAN %s", sqlite3_sql(asked));
	(void)sqlite3_prepare_v2(c->db, sql, -1, &s, NULL); /* NULL: db_step() says why */
	while ((r = db_step(c, s)) == 1) {
		const char *line = (const char *)sqlite3_column_text(s, 3);

		if (is_scan(line) && !explained[which].is_scanning)
			plan.verdict = "scans the table";
		index_take(line, index, sizeof(index));
	}
	plan.index = index;
	if (r == 0)
		visit(&plan, arg);
	return r;
}

int sqlite_explain(void *connection, store_explain_visit *visit, void *arg)
{
	int r = 0;

	for (enum statement which = 0; which < PING && r == 0; which++) {
		assert(explained[which].name); /* or a statement was added and not its row here */
		r = statement_explain(connection, which, visit, arg);
	}
	return r;
}
