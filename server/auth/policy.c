/* The policy in use: see policy.h. */
#include "auth/policy.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "core/retire.h"

static _Atomic(struct auth_policy *) current;

/* A text behind the policy, in the same block of memory. */
static struct str text_put(char **at, struct str text)
{
	struct str copy = str_of(*at, text.len);

	if (text.len)
		memcpy(*at, text.data, text.len);
	*at += text.len;
	return copy;
}

int auth_policy_set(const struct auth_policy *policy)
{
	const struct token_policy *tokens = &policy->tokens;
	struct auth_policy *copy =
		malloc(sizeof(*copy) + tokens->issuer.len + tokens->audience.len);
	struct auth_policy *before;
	char *at = (char *)(copy + 1);

	if (!copy)
		return -ENOMEM;
	*copy = *policy;
	copy->tokens.issuer = text_put(&at, tokens->issuer);
	copy->tokens.audience = text_put(&at, tokens->audience);
	before = atomic_exchange_explicit(&current, copy, memory_order_acq_rel);
	if (before)
		(void)core_retire(before, free); /* without memory it stays: a few hundred bytes */
	return 0;
}

const struct auth_policy *auth_policy(void)
{
	return atomic_load_explicit(&current, memory_order_acquire);
}
