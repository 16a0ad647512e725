/* Calls of the store that find several records, and those that administrators make. */
#include "store/store.h"

#include <errno.h>

#include "store/store_call.h"

/* --- lists: their rows belong to the call, so that nobody needs room for them on a stack --- */

int store_sessions_list_await(
	const char *account_id, int64_t now_ms, store_session_visit *visit, void *arg)
{
	CALL(OP_SESSIONS_LIST);
	int count;

	/* MongoDB may have one too many for a moment. */
	if (!call ||
		!call_rows_new(call, STORE_SESSIONS_PER_ACCOUNT_MAX + 1, sizeof(struct session)))
		return -ENOMEM;
	COPY(call->key, account_id);
	call->now_ms = now_ms;
	count = read_await(call);
	for (int i = 0; i < count; i++)
		visit((struct session *)call->rows + i, arg);
	return count;
}

static bool is_meant(const struct accounts_query *query, const struct account *account)
{
	return strcmp(account->id, query->after) > 0 &&
	       (query->status < 0 || (int)account->status == query->status);
}

/* An address is of one account: nothing to list. */
static int find_one_await(const struct accounts_query *query, store_account_visit *visit, void *arg)
{
	struct account account;
	int r = store_account_find_await(query->email_key, &account);

	if (r == 1) {
		r = is_meant(query, &account);
		if (r == 1)
			visit(&account, arg);
		secret_wipe(&account, sizeof(account));
	}
	return r;
}

int store_accounts_list_await(
	const struct accounts_query *query, store_account_visit *visit, void *arg)
{
	CALL(OP_ACCOUNTS_LIST);
	int count;

	assert(query->rows_max && query->rows_max <= STORE_PAGE_MAX);
	if (query->email_key)
		return find_one_await(query, visit, arg);
	if (!call || !call_rows_new(call, query->rows_max, sizeof(struct account)))
		return -ENOMEM;
	COPY(call->account.id, query->after);
	call->status = query->status;
	count = read_await(call);
	for (int i = 0; i < count; i++)
		visit((struct account *)call->rows + i, arg);
	return count;
}

/* --- changes --- */

int store_account_change_await(const struct account_change *change, struct account *ret_account)
{
	CALL(OP_ACCOUNT_CHANGE);
	int r;

	if (!call)
		return -ENOMEM;
	COPY(call->key, change->id);
	call->fields = change->fields;
	call->account = *change->values;
	call->now_ms = change->now_ms;
	r = write_await(call);
	if (r == CHANGE_DONE)
		*ret_account = call->account;
	return r;
}

int store_account_delete_await(const char *id)
{
	CALL(OP_ACCOUNT_DELETE);

	if (!call)
		return -ENOMEM;
	COPY(call->key, id);
	return write_await(call);
}
