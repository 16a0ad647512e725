/* Getting back in, and verified addresses: see recovery.h. */
#include "auth/recovery.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "auth/credentials.h"
#include "auth/mailer.h"
#include "auth/policy.h"
#include "auth/verified.h"
#include "core/core.h"
#include "core/shield.h"
#include "crypt/password.h"
#include "guard/limits.h"
#include "observe/log.h"
#include "shared/clock.h"
#include "shared/err.h"
#include "shared/macros.h"
#include "shared/secret.h"

/* --- asking for a mail --- */

int mail_ask_await(enum mail_kind kind, const char *email_key)
{
	struct subject mailbox = subject_of_account(str_cstr(email_key));
	int r;

	if (!auth_policy()->is_mailing)
		return 0;
	/* Nobody is told: the mails that were sent are there, and a stranger learns nothing. */
	if (!limit_take(LIMIT_MAILBOX, &mailbox, clock_now_ns()).is_allowed)
		return 0;
	r = store_mail_put_await(kind, email_key, clock_wall_ms());
	if (r == 1)
		mailer_wake();
	if (r == 0)
		return -ERR_OVERLOADED;
	return MIN(r, 0);
}

/* --- with the old password --- */

struct change_step {
	char account_id[STORE_ID_BYTES_MAX + 1], session_id[STORE_ID_BYTES_MAX + 1];
	char hash[PASSWORD_HASH_BYTES], new_hash[PASSWORD_HASH_BYTES];
};

static void change_step_wipe(struct change_step *step)
{
	secret_wipe(step, sizeof(*step));
}

/* A change and the news of it: one step, whoever leaves. */
static int change_step_await(void *arg)
{
	struct change_step *step = arg;
	const struct password_change change = { .account_id = step->account_id,
		.session_id = step->session_id,
		.hash = step->hash,
		.new_hash = step->new_hash,
		.now_ms = clock_wall_ms() };
	int forgotten, r = store_password_change_await(&change);

	if (r <= 0)
		return r;
	forgotten = verified_forget_account_await(step->account_id);
	return forgotten < 0 ? forgotten : r;
}

int account_of_identity_await(const struct identity *identity, struct account *ret_account)
{
	return store_account_get_await(identity->account_id, ret_account);
}

int password_change_await(const struct identity *identity, const struct account *account,
	struct str current, struct str wanted, const struct client *client, int64_t *ret_retry_ms)
{
	_cleanup_(change_step_wipe) struct change_step step = {};
	int r;

	/* Who has stolen a session must not guess faster than who logs in. */
	r = credentials_check_await(
		account, true, account->email_key, current, client, ret_retry_ms);
	if (r != CREDENTIALS_ACCEPTED)
		return r;
	r = password_hash_await(wanted, auth_policy()->hash_cost, step.new_hash);
	if (r < 0)
		return r;
	memcpy(step.account_id, account->id, sizeof(step.account_id));
	(void)snprintf(step.session_id, sizeof(step.session_id), "%s", identity->session_id);
	memcpy(step.hash, account->hash, sizeof(step.hash));
	r = shield_await(core_current()->fibers, change_step_await, &step, sizeof(step));
	if (r < 0)
		return r;
	if (r == 0) /* changed or locked meanwhile: the guess gets no answer */
		return CREDENTIALS_WRONG;
	log_event(LOG_LEVEL_INFO, "password.changed", STR("its other sessions have ended"),
		LOG_TEXT("user.id", str_cstr(account->id)));
	return CREDENTIALS_ACCEPTED;
}

/* --- with a ticket --- */

int ticket_account_await(struct str token, enum ticket_purpose purpose, struct account *ret_account)
{
	uint8_t hash[STORE_DIGEST_BYTES];

	if (refresh_token_hash(token, hash) < 0)
		return 0; /* never was one of ours */
	return store_ticket_find_await(hash, purpose, clock_wall_ms(), ret_account);
}

struct ticket_step {
	uint8_t hash[STORE_DIGEST_BYTES];
	enum ticket_purpose purpose;
	char new_hash[PASSWORD_HASH_BYTES];
	char account_id[STORE_ID_BYTES_MAX + 1];
};

static void ticket_step_wipe(struct ticket_step *step)
{
	secret_wipe(step, sizeof(*step));
}

static int ticket_step_await(void *arg)
{
	_cleanup_(account_wipe) struct account account = {};
	struct ticket_step *step = arg;
	struct ticket_use use = {
		.purpose = step->purpose, .new_hash = step->new_hash, .now_ms = clock_wall_ms()
	};
	int forgotten, r;

	memcpy(use.hash, step->hash, sizeof(use.hash));
	r = store_ticket_use_await(&use, &account);
	if (r <= 0)
		return r;
	memcpy(step->account_id, account.id, sizeof(account.id));
	forgotten = verified_forget_account_await(account.id);
	return forgotten < 0 ? forgotten : r;
}

static int ticket_use_await(struct ticket_step *step, struct str token, const char *event)
{
	int r;

	if (refresh_token_hash(token, step->hash) < 0)
		return 0;
	r = shield_await(core_current()->fibers, ticket_step_await, step, sizeof(*step));
	if (r == 1)
		log_event(LOG_LEVEL_INFO, event, STR("with a token from a mail"),
			LOG_TEXT("user.id", str_cstr(step->account_id)));
	return r;
}

int password_reset_await(struct str token, struct str wanted)
{
	_cleanup_(ticket_step_wipe) struct ticket_step step = { .purpose = TICKET_RESET };
	int r;

	r = password_hash_await(wanted, auth_policy()->hash_cost, step.new_hash);
	return r < 0 ? r : ticket_use_await(&step, token, "password.reset");
}

int email_verify_await(struct str token)
{
	_cleanup_(ticket_step_wipe) struct ticket_step step = { .purpose = TICKET_VERIFY };

	return ticket_use_await(&step, token, "email.verified");
}
