/* Calls of the store that look at several records or at tokens, and what administrators change. */
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
	enum store_op op = query->prefix ? OP_ACCOUNTS_PREFIX : OP_ACCOUNTS_LIST;
	CALL(op);
	int count;

	assert(query->rows_max && query->rows_max <= STORE_PAGE_MAX);
	if (query->email_key)
		return find_one_await(query, visit, arg);
	if (!call || !call_rows_new(call, query->rows_max, sizeof(struct account)))
		return -ENOMEM;
	if (query->prefix) {
		COPY(call->key, query->prefix);
	} else {
		COPY(call->account.id, query->after);
		call->status = query->status;
	}
	count = read_await(call);
	for (int i = 0; i < count; i++)
		visit((struct account *)call->rows + i, arg);
	return count;
}

int store_refresh_look_await(const uint8_t hash[static STORE_DIGEST_BYTES], int64_t now_ms,
	struct session *ret_session, struct account *ret_account)
{
	CALL(OP_REFRESH_LOOK);
	int r;

	if (!call)
		return -ENOMEM;
	memcpy(call->refresh.hash, hash, STORE_DIGEST_BYTES);
	call->now_ms = now_ms;
	r = read_await(call);
	if (r == 1) {
		*ret_session = call->session;
		*ret_account = call->account;
	}
	return r;
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

/* --- without a fiber --- */

static bool has_role(const struct account *account, const char *role)
{
	for (unsigned i = 0; i < account->role_count; i++)
		if (strcmp(account->roles[i], role) == 0)
			return true;
	return false;
}

/* Inside a transaction, where there are any. */
static int role_grant(const struct store_backend *backend, void *connection,
	struct store_call *call, const char *role)
{
	struct account *account = &call->account;
	int r = backend->run(connection, call); /* OP_ACCOUNT_FIND */

	if (r <= 0 || has_role(account, role))
		return r;
	if (account->role_count == STORE_ROLES_MAX)
		return -ENOSPC;
	copy(account->roles[account->role_count++], sizeof(account->roles[0]), role);
	COPY(call->key, account->id);
	call->op = OP_ACCOUNT_CHANGE;
	call->fields = ACCOUNT_FIELD_ROLES;
	r = backend->run(connection, call);
	return r < 0 ? r : r == CHANGE_DONE;
}

int store_role_grant(const char *email_key, const char *role, int64_t now_ms)
{
	const struct store_backend *backend = store_backend();
	CALL(OP_ACCOUNT_FIND);
	const char *why;
	void *connection;
	int r, committed = 0;

	if (!call)
		return -ENOMEM;
	COPY(call->key, email_key);
	call->now_ms = now_ms;
	r = store_connect(&connection, &why);
	if (r == 0 && backend->begin)
		r = backend->begin(connection);
	else if (r < 0)
		return r;
	if (r == 0)
		r = role_grant(backend, connection, call, role);
	if (r >= 0 && backend->begin)
		committed = backend->commit(connection);
	if ((r < 0 || committed < 0) && backend->begin)
		backend->rollback(connection);
	backend->disconnect(connection);
	return committed < 0 ? committed : r;
}
