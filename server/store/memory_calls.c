/* What each call does to the tables in memory, in the order of enum store_op, and the sweep. */
#include "store/memory_tables.h"

#include <string.h>

#include "shared/macros.h"
#include "store/records.h"

/* --- finding --- */

int64_t memory_account_row(const char *id)
{
	ROWS_EACH(&tables.accounts, i)
	if (strcmp(((struct account *)row_at(&tables.accounts, i))->id, id) == 0)
		return i;
	return -1;
}

int64_t memory_account_row_by_key(const char *key)
{
	ROWS_EACH(&tables.accounts, i)
	if (strcmp(((struct account *)row_at(&tables.accounts, i))->email_key, key) == 0)
		return i;
	return -1;
}

static int64_t session_row(const char *id)
{
	ROWS_EACH(&tables.sessions, i)
	if (strcmp(((struct session *)row_at(&tables.sessions, i))->id, id) == 0)
		return i;
	return -1;
}

static int64_t stranger_row(const char *key)
{
	ROWS_EACH(&tables.strangers, i)
	if (strcmp(((struct stranger *)row_at(&tables.strangers, i))->key, key) == 0)
		return i;
	return -1;
}

static int64_t token_row(const uint8_t *hash)
{
	ROWS_EACH(&tables.tokens, i)
	if (memcmp(((struct token *)row_at(&tables.tokens, i))->hash, hash, STORE_DIGEST_BYTES) ==
		0)
		return i;
	return -1;
}

/* --- sessions and their tokens --- */

static int tokens_delete(const char *session_id)
{
	int r = 0;

	for (uint32_t i = tables.tokens.count; i-- > 0 && r == 0;) {
		struct token *token = row_at(&tables.tokens, i);

		if (strcmp(token->session_id, session_id) == 0)
			r = row_delete(&tables.tokens, i);
	}
	return r;
}

int memory_session_delete(const char *id)
{
	int64_t row = session_row(id);
	int r;

	if (row < 0)
		return 0;
	r = tokens_delete(id);
	if (r == 0)
		r = row_delete(&tables.sessions, (uint32_t)row);
	return r < 0 ? r : 1;
}

static int token_insert(const uint8_t *hash, const char *session_id, int64_t now_ms)
{
	struct token token = { .created_ms = now_ms };

	memcpy(token.hash, hash, sizeof(token.hash));
	memcpy(token.session_id, session_id, sizeof(token.session_id));
	return row_insert(&tables.tokens, &token);
}

static int session_insert(const struct session_new *new)
{
	int r = row_insert(&tables.sessions, &new->session);

	return r < 0 ? r
		     : token_insert(new->refresh_hash, new->session.id, new->session.created_ms);
}

/* Removes the oldest tokens of a session above its maximum; a used one before an unused. */
static int tokens_trim(const char *session_id)
{
	const struct token *oldest = NULL;
	uint32_t count = 0, row = 0;

	ROWS_EACH(&tables.tokens, i)
	{
		const struct token *token = row_at(&tables.tokens, i);

		if (strcmp(token->session_id, session_id) != 0)
			continue;
		count++;
		if (!oldest || token->created_ms < oldest->created_ms ||
			(token->created_ms == oldest->created_ms && token->used_ms &&
				!oldest->used_ms)) {
			oldest = token;
			row = i;
		}
	}
	return count > STORE_REFRESH_PER_SESSION_MAX ? row_delete(&tables.tokens, row) : 0;
}

/* The session used longest ago gives way to a new one: its id in ended, or "". */
static int session_make_room(const char *account_id, char *ended)
{
	const struct session *oldest = NULL;
	uint32_t count = 0;

	ended[0] = '\0';
	ROWS_EACH(&tables.sessions, i)
	{
		const struct session *session = row_at(&tables.sessions, i);

		if (strcmp(session->account_id, account_id) != 0)
			continue;
		count++;
		if (!oldest || session->used_ms < oldest->used_ms)
			oldest = session;
	}
	if (count < STORE_SESSIONS_PER_ACCOUNT_MAX)
		return 0;
	memcpy(ended, oldest->id, sizeof(oldest->id));
	return memory_session_delete(ended);
}

/* --- the calls --- */

int memory_stranger_forget(const char *key)
{
	int64_t row = stranger_row(key);

	return row < 0 ? 0 : row_delete(&tables.strangers, (uint32_t)row);
}

static int account_create(struct store_call *call)
{
	int r;

	if (memory_account_row_by_key(call->account.email_key) >= 0 ||
		memory_account_row(call->account.id) >= 0)
		return 0;
	r = memory_stranger_forget(call->account.email_key);
	if (r == 0)
		r = row_insert(&tables.accounts, &call->account);
	if (r == 0 && call->session_new.session.id[0])
		r = session_insert(&call->session_new);
	return r < 0 ? r : 1;
}

static void stranger_attempts(const char *key, struct login_attempts *attempts)
{
	int64_t row = stranger_row(key);

	*attempts = (struct login_attempts){};
	if (row >= 0)
		*attempts = ((struct stranger *)row_at(&tables.strangers, (uint32_t)row))->attempts;
}

static int account_found(int64_t row, struct store_call *call)
{
	if (row < 0)
		return 0;
	call->account = *(struct account *)row_at(&tables.accounts, (uint32_t)row);
	return 1;
}

static int account_find(struct store_call *call)
{
	int r = account_found(memory_account_row_by_key(call->key), call);

	if (r == 0)
		stranger_attempts(call->key, &call->account.attempts);
	return r;
}

static int account_get(struct store_call *call)
{
	return account_found(memory_account_row(call->key), call);
}

static int account_rename(struct store_call *call)
{
	int64_t row = memory_account_row(call->key);
	int r = account_found(row, call);

	if (r == 0)
		return 0;
	memcpy(call->account.name, call->name, sizeof(call->name));
	call->account.updated_ms = call->now_ms;
	r = row_update(&tables.accounts, (uint32_t)row, &call->account);
	return r < 0 ? r : 1;
}

static int stranger_put(struct store_call *call)
{
	struct stranger stranger = { .attempts = call->attempts, .seen_ms = call->now_ms };
	int64_t row = stranger_row(call->key);

	memcpy(stranger.key, call->key, sizeof(stranger.key));
	return row < 0 ? row_insert(&tables.strangers, &stranger)
		       : row_update(&tables.strangers, (uint32_t)row, &stranger);
}

static int login_fail(struct store_call *call)
{
	int64_t row = memory_account_row_by_key(call->key);
	int r = account_found(row, call);

	if (r == 0)
		stranger_attempts(call->key, &call->attempts);
	else
		call->attempts = call->account.attempts;
	if (attempts_count(&call->attempts, &call->policy, call->now_ms) == LOGIN_LOCKED)
		return LOGIN_LOCKED;
	call->account.attempts = call->attempts;
	r = r ? row_update(&tables.accounts, (uint32_t)row, &call->account) : stranger_put(call);
	return r < 0 ? r : LOGIN_ACCEPTED;
}

static int login(struct store_call *call)
{
	const char *id = call->session_new.session.account_id;
	int64_t row = memory_account_row(id);
	int r = account_found(row, call);

	if (r == 0)
		return LOGIN_GONE;
	r = login_judge(&call->account, call);
	if (r != LOGIN_ACCEPTED)
		return r;
	r = session_make_room(id, call->id);
	if (r < 0)
		return r;
	login_apply(&call->account, call);
	r = row_update(&tables.accounts, (uint32_t)row, &call->account);
	if (r == 0)
		r = session_insert(&call->session_new);
	return r < 0 ? r : LOGIN_ACCEPTED;
}

/* 1 and both records, 0 when there is no such session. */
static int session_get(const char *id, struct store_call *call)
{
	int64_t row = session_row(id);

	if (row < 0)
		return 0;
	call->session = *(struct session *)row_at(&tables.sessions, (uint32_t)row);
	return account_found(memory_account_row(call->session.account_id), call);
}

static int session_find(struct store_call *call)
{
	return session_get(call->key, call) && session_lives(&call->session, call->now_ms);
}

static int session_end(struct store_call *call)
{
	return memory_session_delete(call->key);
}

static int refresh_look(struct store_call *call)
{
	int64_t row = token_row(call->refresh.hash);
	const struct token *token;

	if (row < 0)
		return 0;
	token = row_at(&tables.tokens, (uint32_t)row);
	return !token->used_ms && session_get(token->session_id, call) &&
	       session_lives(&call->session, call->now_ms);
}

static int session_end_by_refresh(struct store_call *call)
{
	int64_t row = token_row(call->refresh.hash);

	if (row < 0)
		return 0;
	memcpy(call->id, ((struct token *)row_at(&tables.tokens, (uint32_t)row))->session_id,
		sizeof(call->id));
	return memory_session_delete(call->id);
}

static int sessions_end(struct store_call *call)
{
	return memory_sessions_end(call->key, "");
}

static int refresh_rotate(struct store_call *call, uint32_t row, struct token *token)
{
	const struct refresh_request *request = &call->refresh;
	int r = 0;

	if (!token->used_ms) {
		token->used_ms = request->now_ms;
		r = row_update(&tables.tokens, row, token);
	}
	refresh_apply(&call->session, request);
	if (r == 0)
		r = row_update(
			&tables.sessions, (uint32_t)session_row(call->session.id), &call->session);
	if (r == 0)
		r = token_insert(request->new_hash, call->session.id, request->now_ms);
	return r < 0 ? r : tokens_trim(call->session.id);
}

static int refresh(struct store_call *call)
{
	int64_t row = token_row(call->refresh.hash);
	enum refresh_outcome outcome;
	struct token token;
	int r = 0;

	if (row < 0)
		return REFRESH_UNKNOWN;
	token = *(struct token *)row_at(&tables.tokens, (uint32_t)row);
	if (!session_get(token.session_id, call))
		return REFRESH_UNKNOWN;
	outcome = refresh_judge(&call->refresh, &call->session, &call->account, token.used_ms);
	if (outcome == REFRESH_ROTATED)
		r = refresh_rotate(call, (uint32_t)row, &token);
	else if (outcome == REFRESH_REUSED)
		r = memory_session_delete(call->session.id);
	return r < 0 ? r : (int)outcome;
}

static memory_op *const calls[STORE_OPS] = {
	[OP_ACCOUNT_CREATE] = account_create,
	[OP_ACCOUNT_FIND] = account_find,
	[OP_ACCOUNT_GET] = account_get,
	[OP_ACCOUNT_RENAME] = account_rename,
	[OP_LOGIN_FAIL] = login_fail,
	[OP_LOGIN] = login,
	[OP_SESSION_FIND] = session_find,
	[OP_SESSION_END] = session_end,
	[OP_SESSION_END_BY_REFRESH] = session_end_by_refresh,
	[OP_SESSIONS_END] = sessions_end,
	[OP_SESSIONS_END_SOME] = memory_sessions_end_some,
	[OP_REFRESH] = refresh,
	[OP_REFRESH_LOOK] = refresh_look,
	[OP_SESSIONS_LIST] = memory_sessions_list,
	[OP_ACCOUNTS_LIST] = memory_accounts_list,
	[OP_ACCOUNTS_PREFIX] = memory_accounts_prefix,
	[OP_ACCOUNT_CHANGE] = memory_account_change,
	[OP_ACCOUNT_DELETE] = memory_account_delete,
	[OP_PASSWORD_CHANGE] = memory_password_change,
	[OP_TICKET_PUT] = memory_ticket_put,
	[OP_TICKET_FIND] = memory_ticket_find,
	[OP_TICKET_USE] = memory_ticket_use,
	[OP_MAIL_PUT] = memory_mail_put,
	[OP_MAILS_VIEW] = memory_mails_view,
	[OP_MAIL_TAKE] = memory_mail_take,
	[OP_MAIL_DONE] = memory_mail_done,
	[OP_MAIL_LATER] = memory_mail_later,
};

int memory_call(struct store_call *call)
{
	return calls[call->op](call);
}

/* --- the sweep --- */

static bool stranger_is_over(const struct stranger *stranger, int64_t now_ms)
{
	return stranger->seen_ms <= now_ms - STORE_STRANGER_MS;
}

/* The row of whoever was seen longest ago. */
static uint32_t stranger_oldest(void)
{
	uint32_t oldest = 0;

	ROWS_EACH(&tables.strangers, i)
	{
		const struct stranger *stranger = row_at(&tables.strangers, i);

		if (stranger->seen_ms <
			((struct stranger *)row_at(&tables.strangers, oldest))->seen_ms)
			oldest = i;
	}
	return oldest;
}

/* Removes one row that has had its time: 1, or 0 when there is none. */
static int sweep_one(int64_t now_ms)
{
	ROWS_EACH(&tables.sessions, i)
	{
		struct session session = *(struct session *)row_at(&tables.sessions, i);

		if (session.idle_until_ms <= now_ms)
			return memory_session_delete(session.id);
	}
	if (tables.strangers.count) {
		uint32_t row = stranger_oldest();
		int r;

		if (tables.strangers.count > tables.strangers_max ||
			stranger_is_over(row_at(&tables.strangers, row), now_ms)) {
			r = row_delete(&tables.strangers, row);
			return r < 0 ? r : 1;
		}
	}
	return memory_ticket_sweep(now_ms);
}

int memory_sweep_part(int64_t now_ms)
{
	int r = 1;

	for (unsigned i = 0; i < SWEEP_ROWS && r == 1; i++)
		r = sweep_one(now_ms);
	return r;
}
