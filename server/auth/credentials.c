/* An address and a password: see credentials.h. */
#include "auth/credentials.h"

#include "auth/policy.h"
#include "crypt/password.h"
#include "guard/limits.h"
#include "guard/subject.h"
#include "shared/clock.h"
#include "store/store.h"

/* Counts a wrong password; whoever guesses while the account is locked learns nothing. */
static int login_failed_await(const char *email_key, int64_t *ret_retry_ms)
{
	int64_t now_ms = clock_wall_ms();
	struct login_attempts attempts;
	int r;

	r = store_login_fail_await(email_key, &auth_policy()->lockout, now_ms, &attempts);
	if (r == LOGIN_LOCKED)
		*ret_retry_ms = attempts.locked_until_ms - now_ms;
	return r < 0 ? r : r == LOGIN_LOCKED ? CREDENTIALS_LOCKED : CREDENTIALS_WRONG;
}

/*
 * Who guesses is slowed down whatever accounts he tries. As with the lockout of an account, what
 * counts is how it stands when a guess has been looked at, not when it came: of many at the same
 * time no more are answered than of as many one by one. Nothing is counted for a right password, so
 * an office full of people who type well is never slowed down.
 */
static bool may_network_guess(struct limiter_verdict verdict, int64_t *ret_retry_ms)
{
	if (!verdict.is_allowed)
		*ret_retry_ms = (int64_t)(verdict.wait_ns / NS_PER_MS) + 1;
	return verdict.is_allowed;
}

int credentials_check_await(const struct account *account, bool is_found, const char *email_key,
	struct str password, const struct client *client, int64_t *ret_retry_ms)
{
	struct subject network = subject_of_network(client->address);
	int64_t now_ms = clock_wall_ms();
	char dummy[PASSWORD_DUMMY_BYTES];
	bool is_right;
	int match;

	/* Nothing is hashed for a locked network or address: that is what the lock is for. */
	if (!may_network_guess(limit_look(LIMIT_FAILURES, &network, clock_now_ns()), ret_retry_ms))
		return CREDENTIALS_LOCKED;
	if (account->attempts.locked_until_ms > now_ms) {
		*ret_retry_ms = account->attempts.locked_until_ms - now_ms;
		return CREDENTIALS_LOCKED;
	}
	/* An address that nobody owns costs one hash too: the time must not tell. */
	match = password_check_await(is_found ? str_cstr(account->hash)
					      : password_dummy_hash(str_cstr(email_key), dummy),
		password);
	if (match < 0)
		return match;
	is_right = is_found && match;
	if (!may_network_guess(is_right ? limit_look(LIMIT_FAILURES, &network, clock_now_ns())
					: limit_take(LIMIT_FAILURES, &network, clock_now_ns()),
		    ret_retry_ms))
		return CREDENTIALS_LOCKED;
	return is_right ? CREDENTIALS_ACCEPTED : login_failed_await(email_key, ret_retry_ms);
}
