/*
 * Whether an address and a password belong together, asked by whoever may be guessing: with the
 * lockout of the account, the limit of the network, and the same time and answer for an address
 * that nobody has.
 */
#pragma once

#include "auth/sessions.h"

enum credentials_outcome {
	CREDENTIALS_ACCEPTED,
	CREDENTIALS_WRONG, /* password or address: the caller cannot tell, nor can a clock */
	CREDENTIALS_LOCKED,
	CREDENTIALS_SUSPENDED,  /* said only after the right password */
	CREDENTIALS_UNVERIFIED, /* likewise, where the policy wants a verified address */
};

/*
 * Checks a password as a login does, with its lockout and limits: CREDENTIALS_ACCEPTED, _WRONG,
 * _LOCKED, or an error. When nobody has the address, only account->attempts is read. The caller
 * looks at the lock again when he acts on it, or guesses at the same time would all be answered.
 */
int credentials_check_await(const struct account *account, bool is_found, const char *email_key,
	struct str password, const struct client *client, int64_t *ret_retry_ms);
