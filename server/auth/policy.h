/*
 * What the operator decided about accounts, sessions and tokens: an immutable snapshot that
 * all cores read and that is replaced as a whole.
 */
#pragma once

#include "auth/tokens.h"
#include "store/store.h"

struct auth_policy {
	struct token_policy tokens;
	struct lockout_policy lockout;
	unsigned hash_cost;
	unsigned password_points_min;
	bool is_hiding_existing;    /* registering does not tell whether the address was taken */
	bool is_mailing;            /* mails are sent, or at least written to files */
	bool is_verifying_email;    /* registering mails a token to the address */
	bool is_requiring_verified; /* nobody logs in before the address is verified */
	int64_t token_ms;           /* life of an access token */
	int64_t session_idle_ms, session_ms, grace_ms; /* idle and absolute life; lost answers */
};

/*
 * Publishes a copy; the one before is freed when no core can have it any more. One thread at a
 * time. What tokens.keys points to must stay as long as the policy does. 0, -ENOMEM.
 */
int auth_policy_set(const struct auth_policy *policy);

/* Borrowed: valid until the caller's next _await. NULL before the first auth_policy_set(). */
const struct auth_policy *auth_policy(void);
