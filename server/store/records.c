/* The decisions that every backend shares: see records.h. */
#include "store/records.h"

#include <stdio.h>
#include <string.h>

#include "shared/macros.h"

/* Text in one line. */
static bool is_plain(struct str text)
{
	for (size_t i = 0; i < text.len; i++)
		if ((unsigned char)text.data[i] < ' ' || text.data[i] == 0x7f)
			return false;
	return text.len > 0 && str_is_utf8(text);
}

bool id_is_fit(struct str id)
{
	return id.len <= STORE_ID_BYTES_MAX && is_plain(id);
}

bool role_is_fit(struct str role)
{
	return role.len <= STORE_ROLE_BYTES_MAX && is_plain(role) && str_index(role, ',') < 0;
}

bool session_lives(const struct session *session, int64_t now_ms)
{
	return session->idle_until_ms > now_ms && session->ends_ms > now_ms;
}

/* --- logins --- */

/* API.md: some failures are free, then the delay doubles from base to max. */
static int64_t lock_delay_ms(const struct lockout_policy *policy, uint32_t count)
{
	int64_t delay_ms = policy->base_ms;

	if (count <= policy->free)
		return 0;
	for (uint32_t i = policy->free + 1; i < count && delay_ms < policy->max_ms; i++)
		delay_ms *= 2;
	return MIN(delay_ms, policy->max_ms);
}

enum login_outcome attempts_count(
	struct login_attempts *attempts, const struct lockout_policy *policy, int64_t now_ms)
{
	int64_t delay_ms;

	if (attempts->locked_until_ms > now_ms)
		return LOGIN_LOCKED;
	if (attempts->count < UINT32_MAX)
		attempts->count++;
	delay_ms = lock_delay_ms(policy, attempts->count);
	attempts->locked_until_ms = delay_ms ? now_ms + delay_ms : 0;
	return LOGIN_ACCEPTED;
}

enum login_outcome login_judge(const struct account *account, const struct store_call *call)
{
	if (strcmp(account->hash, call->hash) != 0)
		return LOGIN_GONE;
	if (account->attempts.locked_until_ms > call->now_ms)
		return LOGIN_LOCKED;
	return account->status == ACCOUNT_SUSPENDED ? LOGIN_SUSPENDED : LOGIN_ACCEPTED;
}

void login_apply(struct account *account, const struct store_call *call)
{
	if (call->new_hash[0])
		memcpy(account->hash, call->new_hash, sizeof(account->hash));
	account->last_login_ms = call->now_ms;
	account->attempts = (struct login_attempts){};
}

/* --- changes --- */

void change_apply(struct account *account, const struct store_call *call)
{
	const struct account *values = &call->account;

	if (call->fields & ACCOUNT_FIELD_EMAIL) {
		if (strcmp(account->email_key, values->email_key) != 0)
			account->is_email_verified = false;
		memcpy(account->email, values->email, sizeof(account->email));
		memcpy(account->email_key, values->email_key, sizeof(account->email_key));
	}
	if (call->fields & ACCOUNT_FIELD_NAME)
		memcpy(account->name, values->name, sizeof(account->name));
	if (call->fields & ACCOUNT_FIELD_ROLES) {
		memcpy(account->roles, values->roles, sizeof(account->roles));
		account->role_count = values->role_count;
	}
	if (call->fields & ACCOUNT_FIELD_STATUS)
		account->status = values->status;
	if (call->fields & ACCOUNT_FIELD_VERIFIED)
		account->is_email_verified = values->is_email_verified;
	if (call->fields & ACCOUNT_FIELD_PASSWORD) {
		memcpy(account->hash, values->hash, sizeof(account->hash));
		account->attempts = (struct login_attempts){};
	}
	account->updated_ms = call->now_ms;
}

/* --- refresh tokens --- */

enum refresh_outcome refresh_judge(const struct refresh_request *request,
	const struct session *session, const struct account *account, int64_t used_ms)
{
	bool is_same_client = memcmp(request->client, session->client, STORE_DIGEST_BYTES) == 0;
	/* Two may come in one millisecond, or by clocks that differ: no grace is none. */
	bool is_in_grace = request->grace_ms > 0 && request->now_ms - used_ms <= request->grace_ms;

	if (used_ms && (!is_same_client || !is_in_grace))
		return REFRESH_REUSED;
	if (!session_lives(session, request->now_ms))
		return REFRESH_EXPIRED;
	return account->status == ACCOUNT_SUSPENDED ? REFRESH_SUSPENDED : REFRESH_ROTATED;
}

void refresh_apply(struct session *session, const struct refresh_request *request)
{
	session->used_ms = request->now_ms;
	session->idle_until_ms = MIN(request->now_ms + request->idle_ms, session->ends_ms);
}

/* --- tickets --- */

bool ticket_is_good(
	const struct ticket *ticket, const struct store_call *call, const struct account *account)
{
	return ticket->purpose == call->ticket.purpose && ticket->expires_ms > call->now_ms &&
	       strcmp(ticket->email_key, account->email_key) == 0;
}

void ticket_apply(struct account *account, const struct store_call *call)
{
	account->is_email_verified = true;
	account->updated_ms = call->now_ms;
	if (call->ticket.purpose != TICKET_RESET)
		return;
	memcpy(account->hash, call->new_hash, sizeof(account->hash));
	account->attempts = (struct login_attempts){};
}

/* --- roles --- */

void roles_write(const struct account *account, char text[static ROLES_TEXT_BYTES])
{
	size_t at = 0;

	text[0] = '\0';
	for (unsigned i = 0; i < account->role_count; i++)
		at += (size_t)snprintf(
			text + at, ROLES_TEXT_BYTES - at, "%s%s", i ? " " : "", account->roles[i]);
}

void roles_read(struct str text, struct account *account)
{
	struct str role;

	account->role_count = 0;
	while (account->role_count < STORE_ROLES_MAX && str_split(&text, ' ', &role)) {
		if (!role.len || role.len > STORE_ROLE_BYTES_MAX)
			continue;
		memcpy(account->roles[account->role_count], role.data, role.len);
		account->roles[account->role_count++][role.len] = '\0';
	}
}
