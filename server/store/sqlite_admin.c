/* What administrators do to accounts, in SQLite. */
#include "store/sqlite_db.h"

#include <string.h>

#include "shared/macros.h"
#include "store/records.h"

static int accounts_read(
	struct sqlite *c, enum statement which, const char *from, struct store_call *call)
{
	sqlite3_stmt *s = db_statement(c, which);
	struct account *accounts = call->rows;
	int count = 0, r;

	db_bind_text(s, 1, from);
	db_bind_i64(s, 2, call->rows_max);
	while ((r = db_step(c, s)) == 1)
		db_account_read(s, &accounts[count++]);
	return r < 0 ? r : count;
}

int db_accounts_list(struct sqlite *c, struct store_call *call)
{
	enum statement which = call->status < 0                 ? ACCOUNTS_LIST
			       : call->status == ACCOUNT_ACTIVE ? ACCOUNTS_LIST_ACTIVE
								: ACCOUNTS_LIST_SUSPENDED;

	return accounts_read(c, which, call->account.id, call);
}

int db_accounts_prefix(struct sqlite *c, struct store_call *call)
{
	return accounts_read(c, ACCOUNTS_PREFIX, call->key, call);
}

static int account_write(struct sqlite *c, const struct account *account)
{
	sqlite3_stmt *s = db_statement(c, ACCOUNT_CHANGE);
	char roles[ROLES_TEXT_BYTES];

	db_account_bind(s, account, roles);
	db_bind_i64(s, 9, account->updated_ms);
	db_bind_i64(s, 10, account->attempts.count);
	db_bind_i64(s, 11, account->attempts.locked_until_ms);
	return db_step(c, s);
}

/* 1 when another account has the address. */
static int email_is_taken(struct sqlite *c, const struct account *account)
{
	struct account other;
	int r = db_account_by(c, ACCOUNT_BY_KEY, account->email_key, &other);

	return r == 1 ? strcmp(other.id, account->id) != 0 : r;
}

int db_account_change(struct sqlite *c, struct store_call *call)
{
	struct account account;
	int r = db_account_by(c, ACCOUNT_BY_ID, call->key, &account);

	if (r <= 0)
		return r < 0 ? r : CHANGE_NOBODY;
	change_apply(&account, call);
	if (call->fields & ACCOUNT_FIELD_EMAIL) {
		r = email_is_taken(c, &account);
		if (r != 0)
			return r < 0 ? r : CHANGE_EMAIL_TAKEN;
		r = db_change_by(c, STRANGER_FORGET, account.email_key);
	}
	if (r >= 0)
		r = account_write(c, &account);
	if (r >= 0 && call->fields & ACCOUNT_FIELD_PASSWORD)
		r = db_change_by(c, SESSIONS_DELETE, account.id);
	if (r >= 0 && call->fields & ACCOUNT_FIELD_PASSWORD)
		r = db_tickets_delete(c, account.id, TICKET_RESET);
	call->account = account;
	return r < 0 ? r : CHANGE_DONE;
}

/* Its sessions and their tokens go by the foreign keys. */
int db_account_delete(struct sqlite *c, struct store_call *call)
{
	return db_change_by(c, ACCOUNT_DELETE, call->key);
}
