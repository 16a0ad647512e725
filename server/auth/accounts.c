/* Registering and logging in: see accounts.h. */
#include "auth/accounts.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "auth/policy.h"
#include "auth/recovery.h"
#include "auth/users.h"
#include "auth/verified.h"
#include "core/core.h"
#include "core/shield.h"
#include "core/span.h"
#include "crypt/password.h"
#include "observe/log.h"
#include "observe/log_client.h"
#include "observe/metrics.h"
#include "shared/clock.h"
#include "shared/err.h"
#include "shared/macros.h"
#include "shared/probe.h"
#include "shared/random.h"
#include "shared/secret.h"

static_assert(STORE_HASH_BYTES_MAX + 1 == PASSWORD_HASH_BYTES, "a hash fits its column");

/* A mail is asked for in both cases, or time would tell. It can be asked for again: without room
 * for it the account is made all the same. */
static void register_mail_await(const struct registration *registration, bool is_made)
{
	int r = 0;

	if (auth_policy()->is_verifying_email && (is_made || registration->is_hiding_existing))
		r = mail_ask_await(is_made ? MAIL_VERIFY : MAIL_EXISTS, registration->email_key);
	if (r < 0)
		log_event(LOG_LEVEL_WARN, "mail.not_kept", str_cstr(err_text(r)),
			LOG_TEXT("error.type", str_cstr(err_name(r))));
}

/* Does registering log in? */
static bool is_granting(const struct registration *registration)
{
	return !registration->is_hiding_existing && !registration->is_requiring_verified;
}

void registration_apply(const struct registration *registration, struct account *account)
{
	(void)uuid_new(account->id);
	(void)snprintf(
		account->email, sizeof(account->email), STR_FORMAT, STR_ARGS(registration->email));
	(void)snprintf(
		account->email_key, sizeof(account->email_key), "%s", registration->email_key);
	(void)snprintf(
		account->name, sizeof(account->name), STR_FORMAT, STR_ARGS(registration->name));
}

int account_register_await(const struct registration *registration, const struct client *client,
	struct grant *ret_grant)
{
	struct account *account = &ret_grant->account;
	int64_t now_ms = clock_wall_ms();
	struct session_new session;
	int r;

	*account = (struct account){
		.created_ms = now_ms, .updated_ms = now_ms, .last_login_ms = now_ms
	};
	registration_apply(registration, account);
	/* Hashed before asking whether the address is taken: the time must not tell. */
	r = password_hash_await(registration->password, auth_policy()->hash_cost, account->hash);
	if (r < 0)
		return r;
	session_prepare(account->id, client, now_ms, &session, ret_grant->refresh);
	/* It would tell of its own success: nobody gets the session, so it ends as it begins. */
	if (!is_granting(registration))
		session.session.idle_until_ms = session.session.ends_ms = now_ms;
	r = store_account_create_await(account, &session);
	if (r < 0)
		return r;
	register_mail_await(registration, r == 1);
	if (r == 0 || !is_granting(registration))
		return r;
	r = grant_sign(ret_grant, session.session.id, now_ms);
	if (r < 0)
		return r;
	metric_grant(GRANT_REGISTER);
	return 1;
}

/* A new hash when the old one is weaker than the policy or of another kind; "" when not. */
static int rehash_await(const struct account *account, struct str password,
	char new_hash[static PASSWORD_HASH_BYTES])
{
	new_hash[0] = '\0';
	if (!password_needs_rehash(str_cstr(account->hash), auth_policy()->hash_cost))
		return 0;
	return password_hash_await(password, auth_policy()->hash_cost, new_hash);
}

/* The session in the store and the news of what that changed: one step, whoever leaves. */
struct login_step {
	struct session_new session;
	char hash[PASSWORD_HASH_BYTES], new_hash[PASSWORD_HASH_BYTES];
	int64_t now_ms;
	struct login_result result;
};

static int login_step_await(void *arg)
{
	struct login_step *step = arg;
	const struct login_request request = { .session = &step->session,
		.hash = step->hash,
		.new_hash = step->new_hash[0] ? step->new_hash : NULL,
		.now_ms = step->now_ms };
	int r = store_login_await(&request, &step->result);

	if (r != LOGIN_ACCEPTED)
		return r;
	if (step->result.ended[0])
		(void)verified_forget_session_await(step->result.ended);
	/* Its last login has changed, if nothing else. */
	(void)user_forget_await(step->session.session.account_id);
	return r;
}

static void login_step_wipe(struct login_step *step)
{
	secret_wipe(step, sizeof(*step));
}

/* As with a session: whoever guesses while the account is locked learns nothing. */
static int login_unverified_await(const struct account *account, int64_t *ret_retry_ms)
{
	int64_t now_ms = clock_wall_ms();
	_cleanup_(account_wipe) struct account now = {};
	int r = store_account_get_await(account->id, &now);

	if (r <= 0)
		return r < 0 ? r : CREDENTIALS_WRONG;
	if (now.attempts.locked_until_ms <= now_ms)
		return CREDENTIALS_UNVERIFIED;
	*ret_retry_ms = now.attempts.locked_until_ms - now_ms;
	return CREDENTIALS_LOCKED;
}

static int login_accepted_await(const struct account *account, struct str password,
	const struct client *client, struct grant *ret_grant, int64_t *ret_retry_ms)
{
	_cleanup_(login_step_wipe) struct login_step step = {};
	int r;

	if (auth_policy()->is_requiring_verified && !account->is_email_verified)
		return login_unverified_await(account, ret_retry_ms);
	r = rehash_await(account, password, step.new_hash);
	if (r < 0)
		return r;
	memcpy(step.hash, account->hash, sizeof(step.hash));
	step.now_ms = clock_wall_ms();
	session_prepare(account->id, client, step.now_ms, &step.session, ret_grant->refresh);
	r = shield_await(core_current()->fibers, login_step_await, &step, sizeof(step));
	if (r < 0)
		return r;
	if (r == LOGIN_LOCKED) {
		*ret_retry_ms = step.result.account.attempts.locked_until_ms - step.now_ms;
		return CREDENTIALS_LOCKED;
	}
	if (r != LOGIN_ACCEPTED)
		return r == LOGIN_SUSPENDED ? CREDENTIALS_SUSPENDED : CREDENTIALS_WRONG;
	ret_grant->account = step.result.account;
	r = grant_sign(ret_grant, step.session.session.id, step.now_ms);
	return r < 0 ? r : CREDENTIALS_ACCEPTED;
}

/* ret_id: whose address it is, "" nobody's: for counters and the log, what the client is not told.
 */
static int login_await(const char *email_key, struct str password, const struct client *client,
	struct grant *ret_grant, int64_t *ret_retry_ms, char ret_id[static STORE_ID_BYTES_MAX + 1])
{
	_cleanup_(account_wipe) struct account account = {};
	int found, r;

	found = store_account_find_await(email_key, &account);
	if (found < 0)
		return found;
	if (found)
		memcpy(ret_id, account.id, sizeof(account.id));
	r = credentials_check_await(&account, found, email_key, password, client, ret_retry_ms);
	if (r != CREDENTIALS_ACCEPTED)
		return r;
	return login_accepted_await(&account, password, client, ret_grant, ret_retry_ms);
}

static enum metric_login login_result(int r, bool is_found)
{
	switch (r) {
	case CREDENTIALS_ACCEPTED:
		return LOGIN_RESULT_SUCCESS;
	case CREDENTIALS_LOCKED:
		return LOGIN_RESULT_LOCKED;
	case CREDENTIALS_SUSPENDED:
		return LOGIN_RESULT_SUSPENDED;
	case CREDENTIALS_WRONG:
		return is_found ? LOGIN_RESULT_BAD_SECRET : LOGIN_RESULT_UNKNOWN;
	default:
		return r < 0 ? LOGIN_RESULT_ERROR : LOGIN_RESULT_UNVERIFIED;
	}
}

/* Never the address that was typed: it may be nobody's, or a password in the wrong field. An error
 * of ours is request.failed. */
static void login_failed_log(enum metric_login result, const char *id, const struct client *client)
{
	char address[ADDRESS_TEXT_BYTES];
	const struct log_field fields[] = {
		LOG_TEXT("error.type", str_cstr(metrics_login_name(result))),
		LOG_TEXT("authd.login.method", STR("password")),
		LOG_TEXT("client.address", log_client(client->address, address)),
		LOG_TEXT("user.id", str_cstr(id)), /* the last: not everybody has one */
	};

	log_write(LOG_LEVEL_INFO, "login.failed", STR("somebody could not log in"), fields,
		ARRAY_SIZE(fields) - !id[0]);
}

int account_login_await(const char *email_key, struct str password, const struct client *client,
	struct grant *ret_grant, int64_t *ret_retry_ms)
{
	char id[STORE_ID_BYTES_MAX + 1] = "";
	struct span *span = span_begin_detail("auth.login", NULL);
	int r = login_await(email_key, password, client, ret_grant, ret_retry_ms, id);
	enum metric_login result = login_result(r, id[0]);

	span_text(span, "authd.login.method", "password");
	span_text(span, "authd.login.result", metrics_login_name(result));
	span_end(span, r);
	metric_login(result);
	PROBE1(login__result, result);
	if (result != LOGIN_RESULT_SUCCESS && result != LOGIN_RESULT_ERROR)
		login_failed_log(result, id, client);
	if (r == CREDENTIALS_ACCEPTED)
		metric_grant(GRANT_PASSWORD);
	return r;
}

/* --- changing --- */

struct rename_step {
	char id[STORE_ID_BYTES_MAX + 1];
	char name[STORE_NAME_BYTES_MAX + 1];
	struct account account;
};

static int rename_step_await(void *arg)
{
	struct rename_step *step = arg;
	int forgotten, r;

	r = store_account_rename_await(step->id, step->name, clock_wall_ms(), &step->account);
	secret_wipe(step->account.hash, sizeof(step->account.hash));
	if (r <= 0)
		return r;
	forgotten = user_forget_await(step->id);
	return forgotten < 0 ? forgotten : r;
}

int account_rename_await(const char *id, struct str name, struct account *ret_account)
{
	struct rename_step step = {};
	int r;

	assert(name.len <= STORE_NAME_BYTES_MAX);
	(void)snprintf(step.id, sizeof(step.id), "%s", id);
	(void)snprintf(step.name, sizeof(step.name), STR_FORMAT, STR_ARGS(name));
	r = shield_await(core_current()->fibers, rename_step_await, &step, sizeof(step));
	if (r == 1)
		*ret_account = step.account;
	return r;
}
