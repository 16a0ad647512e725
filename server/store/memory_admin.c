/* Lists, and what administrators do to accounts, in memory. */
#include "store/memory_tables.h"

#include <stdlib.h>
#include <string.h>

#include "shared/macros.h"
#include "store/records.h"

/* The latest used first, then by id. */
static int session_compare(const void *a, const void *b)
{
	const struct session *x = a, *y = b;

	if (x->used_ms != y->used_ms)
		return x->used_ms > y->used_ms ? -1 : 1;
	return strcmp(x->id, y->id);
}

int memory_sessions_list(struct store_call *call)
{
	struct session *sessions = call->rows;
	unsigned count = 0;

	ROWS_EACH(&tables.sessions, i)
	{
		const struct session *session = row_at(&tables.sessions, i);

		if (count < call->rows_max && strcmp(session->account_id, call->key) == 0 &&
			session_lives(session, call->now_ms))
			sessions[count++] = *session;
	}
	qsort(sessions, count, sizeof(*sessions), session_compare);
	return (int)count;
}

int memory_sessions_end(const char *account_id, const char *kept_id)
{
	int ended = 0;

	for (uint32_t i = tables.sessions.count; i-- > 0;) {
		struct session session = *(struct session *)row_at(&tables.sessions, i);
		int r;

		if (strcmp(session.account_id, account_id) != 0 || strcmp(session.id, kept_id) == 0)
			continue;
		r = memory_session_delete(session.id);
		if (r < 0)
			return r;
		ended++;
	}
	return ended;
}

int memory_sessions_end_some(_unused_ struct store_call *call)
{
	int ended = 0, r = 1;

	while (tables.sessions.count && ended < STORE_ENDED_MAX && r >= 0) {
		struct session session =
			*(struct session *)row_at(&tables.sessions, tables.sessions.count - 1);

		r = memory_session_delete(session.id);
		ended++;
	}
	return r < 0 ? r : ended;
}

/* The account with the smallest id behind this one that has the status; NULL none. */
static const struct account *account_next(const char *after, int status)
{
	const struct account *next = NULL;

	ROWS_EACH(&tables.accounts, i)
	{
		const struct account *account = row_at(&tables.accounts, i);

		if (strcmp(account->id, after) > 0 &&
			(status < 0 || (int)account->status == status) &&
			(!next || strcmp(account->id, next->id) < 0))
			next = account;
	}
	return next;
}

int memory_accounts_list(struct store_call *call)
{
	const struct account *account = account_next(call->account.id, call->status);
	struct account *accounts = call->rows;
	unsigned count = 0;

	for (; account && count < call->rows_max; account = account_next(account->id, call->status))
		accounts[count++] = *account;
	return (int)count;
}

/* The same by address: the smallest one behind this one, or from it on. */
static const struct account *address_next(const char *from, bool is_behind, const char *prefix)
{
	const struct account *next = NULL;

	ROWS_EACH(&tables.accounts, i)
	{
		const struct account *account = row_at(&tables.accounts, i);

		if (strncmp(account->email_key, prefix, strlen(prefix)) == 0 &&
			strcmp(account->email_key, from) >= is_behind &&
			(!next || strcmp(account->email_key, next->email_key) < 0))
			next = account;
	}
	return next;
}

int memory_accounts_prefix(struct store_call *call)
{
	const struct account *account = address_next(call->key, false, call->key);
	struct account *accounts = call->rows;
	unsigned count = 0;

	for (; account && count < call->rows_max;
		account = address_next(account->email_key, true, call->key))
		accounts[count++] = *account;
	return (int)count;
}

int memory_account_change(struct store_call *call)
{
	int64_t row = memory_account_row(call->key), other;
	struct account account;
	int r = 0;

	if (row < 0)
		return CHANGE_NOBODY;
	account = *(struct account *)row_at(&tables.accounts, (uint32_t)row);
	change_apply(&account, call);
	if (call->fields & ACCOUNT_FIELD_EMAIL) {
		other = memory_account_row_by_key(account.email_key);
		if (other >= 0 && other != row)
			return CHANGE_EMAIL_TAKEN;
		r = memory_stranger_forget(account.email_key);
	}
	if (r == 0)
		r = row_update(&tables.accounts, (uint32_t)row, &account);
	if (r == 0 && call->fields & ACCOUNT_FIELD_PASSWORD)
		r = memory_sessions_end(account.id, "");
	if (r >= 0 && call->fields & ACCOUNT_FIELD_PASSWORD)
		r = memory_tickets_delete(account.id, TICKET_RESET);
	call->account = account;
	return r < 0 ? r : CHANGE_DONE;
}

int memory_account_delete(struct store_call *call)
{
	int64_t row = memory_account_row(call->key);
	int r;

	if (row < 0)
		return 0;
	r = memory_sessions_end(call->key, "");
	for (int purpose = 0; purpose < TICKET_PURPOSES && r >= 0; purpose++)
		r = memory_tickets_delete(call->key, (enum ticket_purpose)purpose);
	if (r >= 0)
		r = row_delete(&tables.accounts, (uint32_t)row);
	return r < 0 ? r : 1;
}

uint64_t memory_sessions_alive(int64_t now_ms)
{
	uint64_t count = 0;

	ROWS_EACH(&tables.sessions, row)
	count += session_lives(row_at(&tables.sessions, row), now_ms);
	return count;
}
