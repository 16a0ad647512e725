/* The policy in use: see policy.h. */
#include "auth/policy.h"

static struct auth_policy current;

void auth_policy_set(const struct auth_policy *policy)
{
	current = *policy;
}

const struct auth_policy *auth_policy(void)
{
	return &current;
}
