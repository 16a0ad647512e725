/* The cache of verified tokens: see verified.h. */
#include "auth/verified.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "auth/policy.h"
#include "cache/cache.h"
#include "core/core.h"
#include "shared/clock.h"
#include "shared/macros.h"
#include "store/store.h"

static _Thread_local struct {
	struct cache *cache;
	uint64_t revocations; /* seen by this core: tells a lookup that one came meanwhile */
} own;

int verified_start(void)
{
	struct cache_options options = { .name = "verified-tokens",
		.entries_max = VERIFIED_ENTRIES_MAX,
		.value_bytes = sizeof(struct identity) };

	return cache_new(&options, &own.cache);
}

void verified_stop(void)
{
	cache_free(TAKE(own.cache));
}

static void identity_of(const struct token_claims *claims, struct identity *identity)
{
	size_t at = 0;

	*identity = (struct identity){ .expires_s = claims->expires_s };
	memcpy(identity->account_id, claims->account_id, sizeof(identity->account_id));
	memcpy(identity->session_id, claims->session_id, sizeof(identity->session_id));
	for (unsigned i = 0; i < claims->role_count; i++)
		at += (size_t)snprintf(identity->roles + at, sizeof(identity->roles) - at, "%s%s",
			i ? "," : "", claims->roles[i]);
}

/* Does its session live? The signature was good. */
static int session_check_await(const struct identity *identity, int64_t now_ms)
{
	struct account account;
	struct session session;
	int r;

	r = store_session_find_await(identity->session_id, now_ms, &session, &account);
	if (r < 0)
		return r;
	if (r == 0 || strcmp(session.account_id, identity->account_id) != 0)
		return IDENTITY_REVOKED;
	return account.status == ACCOUNT_SUSPENDED ? IDENTITY_SUSPENDED : IDENTITY_VALID;
}

static int identify_slow_await(
	struct str token, const uint8_t *digest, int64_t now_ms, struct identity *ret_identity)
{
	uint64_t revocations = own.revocations;
	struct token_claims claims;
	struct identity identity;
	int r;

	r = token_verify(&auth_policy()->tokens, token, now_ms / 1000, &claims);
	if (r < 0)
		return r;
	if (r != TOKEN_VALID)
		return r == TOKEN_EXPIRED ? IDENTITY_EXPIRED : IDENTITY_INVALID;
	identity_of(&claims, &identity);
	r = session_check_await(&identity, now_ms);
	if (r != IDENTITY_VALID)
		return r;
	/* A revocation during the lookup may be of this very session: then it is not kept. */
	if (revocations == own.revocations)
		cache_insert(own.cache, digest, &identity,
			MIN(identity.expires_s * 1000, now_ms + VERIFIED_MS));
	*ret_identity = identity;
	return IDENTITY_VALID;
}

int token_identify_await(struct str token, struct identity *ret_identity)
{
	int64_t now_ms = clock_wall_ms();
	uint8_t digest[SHA256_BYTES];
	const struct identity *known;

	static_assert(SHA256_BYTES == CACHE_KEY_BYTES, "digests are the cache's keys");
	if (!token.len || token.len > TOKEN_BYTES_MAX)
		return IDENTITY_INVALID;
	sha256(token, digest);
	known = cache_find(own.cache, digest, now_ms);
	if (!known)
		return identify_slow_await(token, digest, now_ms, ret_identity);
	*ret_identity = *known;
	return IDENTITY_VALID;
}

/* --- revocation --- */

static bool is_of_session(const void *value, const void *id)
{
	return strcmp(((const struct identity *)value)->session_id, id) == 0;
}

static bool is_of_account(const void *value, const void *id)
{
	return strcmp(((const struct identity *)value)->account_id, id) == 0;
}

static void forget_session(_unused_ struct core *core, const void *id)
{
	own.revocations++;
	cache_remove_if(own.cache, is_of_session, id);
}

static void forget_account(_unused_ struct core *core, const void *id)
{
	own.revocations++;
	cache_remove_if(own.cache, is_of_account, id);
}

int verified_forget_session_await(const char *session_id)
{
	return core_broadcast_await(forget_session, session_id, strlen(session_id) + 1);
}

int verified_forget_account_await(const char *account_id)
{
	return core_broadcast_await(forget_account, account_id, strlen(account_id) + 1);
}
