/* What the operator decided about accounts, sessions and tokens: set once, then read by all. */
#pragma once

#include "auth/tokens.h"
#include "store/store.h"

struct auth_policy {
	struct token_policy tokens;
	struct lockout_policy lockout;
	unsigned hash_cost;
	unsigned password_points_min;
	bool is_hiding_existing; /* registering does not tell whether the address was taken */
	int64_t token_ms;        /* life of an access token */
	int64_t session_idle_ms, session_ms, grace_ms; /* idle and absolute life; lost answers */
};

/* Before the cores start; what it points to must stay. */
void auth_policy_set(const struct auth_policy *policy);
const struct auth_policy *auth_policy(void);
