/*
 * The store's calls: each is copied, queued and awaited; what it does is the backend's. Readers
 * take one call at a time. The one writer takes all that wait (group commit): a batch costs one
 * flush to the disk, and nobody is answered before it. Next: store_open.c.
 */
#include "store/store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "shared/secret.h"
#include "store/store_call.h"

/* A login is a change of its account first. */
static const struct {
	const char *name, *collection;
} ops[STORE_OPS] = {
	[OP_ACCOUNT_CREATE] = { "account_create", "accounts" },
	[OP_ACCOUNT_FIND] = { "account_find", "accounts" },
	[OP_ACCOUNT_GET] = { "account_get", "accounts" },
	[OP_ACCOUNT_RENAME] = { "account_rename", "accounts" },
	[OP_LOGIN_FAIL] = { "login_fail", "accounts" },
	[OP_LOGIN] = { "login", "accounts" },
	[OP_SESSION_FIND] = { "session_find", "sessions" },
	[OP_SESSION_END] = { "session_end", "sessions" },
	[OP_SESSION_END_BY_REFRESH] = { "session_end_by_refresh", "sessions" },
	[OP_SESSIONS_END] = { "sessions_end", "sessions" },
	[OP_SESSIONS_END_SOME] = { "sessions_end_some", "sessions" },
	[OP_REFRESH] = { "refresh", "sessions" },
	[OP_REFRESH_LOOK] = { "refresh_look", "sessions" },
	[OP_SESSIONS_LIST] = { "sessions_list", "sessions" },
	[OP_ACCOUNTS_LIST] = { "accounts_list", "accounts" },
	[OP_ACCOUNTS_PREFIX] = { "accounts_prefix", "accounts" },
	[OP_ACCOUNT_CHANGE] = { "account_change", "accounts" },
	[OP_ACCOUNT_DELETE] = { "account_delete", "accounts" },
	[OP_PASSWORD_CHANGE] = { "password_change", "accounts" },
	[OP_TICKET_PUT] = { "ticket_put", "tickets" },
	[OP_TICKET_FIND] = { "ticket_find", "tickets" },
	[OP_TICKET_USE] = { "ticket_use", "tickets" },
	[OP_MAIL_PUT] = { "mail_put", "mails" },
	[OP_MAILS_VIEW] = { "mails_view", "mails" },
	[OP_MAIL_TAKE] = { "mail_take", "mails" },
	[OP_MAIL_DONE] = { "mail_done", "mails" },
	[OP_MAIL_LATER] = { "mail_later", "mails" },
};

const char *store_op_name(enum store_op op)
{
	return ops[op].name;
}

const char *store_op_collection(enum store_op op)
{
	return ops[op].collection;
}

void account_wipe(struct account *account)
{
	secret_wipe(account, sizeof(*account));
}

static void job_run_unused(struct job *job, void *connection)
{
	(void)job;
	(void)connection; /* the threads run calls through the backend's table */
}

static void call_release(struct job *job)
{
	struct store_call *call = container_of(job, struct store_call, job);

	secret_wipe(call->rows, call->rows_bytes);
	free(call->rows);
	secret_wipe(call, sizeof(*call));
	free(call);
}

struct store_call *store_call_new(enum store_op op)
{
	struct store_call *call = calloc(1, sizeof(*call));

	if (!call)
		return NULL;
	job_init(&call->job, job_run_unused, call_release);
	call->op = op;
	return call;
}

int store_account_create_await(const struct account *account, const struct session_new *session)
{
	CALL(OP_ACCOUNT_CREATE);

	if (!call)
		return -ENOMEM;
	call->account = *account;
	if (session)
		call->session_new = *session;
	return write_await(call);
}

int store_account_find_await(const char *email_key, struct account *ret_account)
{
	CALL(OP_ACCOUNT_FIND);
	int r;

	if (!call)
		return -ENOMEM;
	COPY(call->key, email_key);
	r = read_await(call);
	if (r == 1)
		*ret_account = call->account;
	else if (r == 0)
		ret_account->attempts = call->account.attempts;
	return r;
}

int store_account_get_await(const char *id, struct account *ret_account)
{
	CALL(OP_ACCOUNT_GET);
	int r;

	if (!call)
		return -ENOMEM;
	COPY(call->key, id);
	r = read_await(call);
	if (r == 1)
		*ret_account = call->account;
	return r;
}

int store_account_rename_await(
	const char *id, const char *name, int64_t now_ms, struct account *ret_account)
{
	CALL(OP_ACCOUNT_RENAME);
	int r;

	if (!call)
		return -ENOMEM;
	COPY(call->key, id);
	COPY(call->name, name);
	call->now_ms = now_ms;
	r = write_await(call);
	if (r == 1)
		*ret_account = call->account;
	return r;
}

int store_login_fail_await(const char *email_key, const struct lockout_policy *policy,
	int64_t now_ms, struct login_attempts *ret_attempts)
{
	CALL(OP_LOGIN_FAIL);
	int r;

	if (!call)
		return -ENOMEM;
	COPY(call->key, email_key);
	call->policy = *policy;
	call->now_ms = now_ms;
	r = write_await(call);
	if (r >= 0)
		*ret_attempts = call->attempts;
	return r;
}

int store_login_await(const struct login_request *request, struct login_result *ret_result)
{
	CALL(OP_LOGIN);
	int r;

	if (!call)
		return -ENOMEM;
	call->session_new = *request->session;
	call->now_ms = request->now_ms;
	COPY(call->hash, request->hash);
	COPY(call->new_hash, request->new_hash ? request->new_hash : "");
	r = write_await(call);
	if (r >= 0) {
		ret_result->account = call->account;
		COPY(ret_result->ended, call->id);
	}
	return r;
}

int store_session_find_await(
	const char *id, int64_t now_ms, struct session *ret_session, struct account *ret_account)
{
	CALL(OP_SESSION_FIND);
	int r;

	if (!call)
		return -ENOMEM;
	COPY(call->key, id);
	call->now_ms = now_ms;
	r = read_await(call);
	if (r == 1) {
		*ret_session = call->session;
		*ret_account = call->account;
	}
	return r;
}

int store_session_end_await(const char *id)
{
	CALL(OP_SESSION_END);

	if (!call)
		return -ENOMEM;
	COPY(call->key, id);
	return write_await(call);
}

int store_session_end_by_refresh_await(const uint8_t refresh_hash[static STORE_DIGEST_BYTES],
	char ret_id[static STORE_ID_BYTES_MAX + 1])
{
	CALL(OP_SESSION_END_BY_REFRESH);
	int r;

	if (!call)
		return -ENOMEM;
	memcpy(call->refresh.hash, refresh_hash, STORE_DIGEST_BYTES);
	r = write_await(call);
	if (r == 1)
		copy(ret_id, STORE_ID_BYTES_MAX + 1, call->id);
	return r;
}

int store_sessions_end_await(const char *account_id)
{
	CALL(OP_SESSIONS_END);

	if (!call)
		return -ENOMEM;
	COPY(call->key, account_id);
	return write_await(call);
}

int store_sessions_end_some_await(void)
{
	CALL(OP_SESSIONS_END_SOME);

	return call ? write_await(call) : -ENOMEM;
}

int store_refresh_await(const struct refresh_request *request, struct refresh_result *ret_result)
{
	CALL(OP_REFRESH);
	int r;

	if (!call)
		return -ENOMEM;
	call->refresh = *request;
	r = write_await(call);
	if (r >= 0) {
		ret_result->account = call->account;
		ret_result->session = call->session;
	}
	return r;
}

int store_password_change_await(const struct password_change *change)
{
	CALL(OP_PASSWORD_CHANGE);

	if (!call)
		return -ENOMEM;
	COPY(call->key, change->account_id);
	COPY(call->id, change->session_id);
	COPY(call->hash, change->hash);
	COPY(call->new_hash, change->new_hash);
	call->now_ms = change->now_ms;
	return write_await(call);
}
