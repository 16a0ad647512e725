/* The cache of verified tokens: see verified.h. */
#include "auth/verified.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "auth/digests.h"
#include "auth/policy.h"
#include "auth/users.h"
#include "cache/lookup.h"
#include "core/core.h"
#include "core/ration.h"
#include "core/span.h"
#include "observe/metrics.h"
#include "shared/clock.h"
#include "store/store.h"

/* By what tokens are forgotten. */
enum { TAG_SESSION, TAG_ACCOUNT };

/* The cached value. Invalid and expired tokens are not kept: anybody can make as many as they like,
 * and to refuse them costs no look at the store. */
struct verified {
	struct identity identity;
	enum identity_outcome outcome;
};

static _Thread_local struct {
	struct lookup *lookup;
	struct digests *digests;
	struct ration signatures;
} own;

int verified_start(const struct lookup_options *options)
{
	struct lookup_options mine = *options;

	mine.cache.name = "tokens";
	mine.cache.value_bytes = sizeof(struct verified);
	ration_init(&own.signatures, &(struct ration_options){ .name = "signatures",
					     .core = core_current()->index,
					     .inbox = &core_current()->inbox,
					     .per_turn = VERIFIED_SIGNATURES_PER_TURN,
					     .waiting_max = VERIFIED_WAITING_MAX });
	own.digests = digests_new();
	return own.digests ? lookup_new(&mine, &own.lookup) : -ENOMEM;
}

void verified_stop(void)
{
	lookup_free(TAKE(own.lookup));
	ration_deinit(&own.signatures);
	digests_free(TAKE(own.digests));
}

struct lookup *verified_lookup(void)
{
	return own.lookup;
}

/* --- a token that is not known --- */

static void identity_of(const struct token_claims *claims, struct identity *identity)
{
	*identity = (struct identity){ .expires_s = claims->expires_s };
	memcpy(identity->account_id, claims->account_id, sizeof(identity->account_id));
	memcpy(identity->session_id, claims->session_id, sizeof(identity->session_id));
}

void identity_roles_write(const struct account *account, char roles[static IDENTITY_ROLES_BYTES])
{
	size_t at = 0;

	static_assert(
		STORE_ROLES_MAX <= TOKEN_ROLES_MAX && STORE_ROLE_BYTES_MAX <= TOKEN_ROLE_BYTES_MAX,
		"roles of an account fit an identity");
	roles[0] = '\0';
	for (unsigned i = 0; i < account->role_count; i++)
		at += (size_t)snprintf(roles + at, IDENTITY_ROLES_BYTES - at, "%s%s", i ? "," : "",
			account->roles[i]);
}

/* Reads the token and proves it, in its turn when that is dear. An outcome of tokens.h. */
static int claims_await(struct str token, int64_t now_s, struct token_unproven *unproven)
{
	int r = token_read(&auth_policy()->tokens, token, now_s, unproven);

	if (r != TOKEN_VALID)
		return r;
	if (token_is_dear(unproven)) {
		r = ration_take_await(&own.signatures);
		/* The keys may have been replaced while it stood in line. */
		if (r > 0)
			r = token_read(&auth_policy()->tokens, token, now_s, unproven);
		if (r != TOKEN_VALID)
			return r;
	}
	return token_prove(unproven);
}

/* Does its session live, and until when at the longest? An outcome. */
static int session_check_await(
	struct identity *identity, int64_t now_ms, struct lookup_found *found)
{
	_cleanup_(account_wipe) struct account account = {};
	struct session session;
	int r;

	r = store_session_find_await(identity->session_id, now_ms, &session, &account);
	if (r < 0)
		return r;
	if (r == 0 || strcmp(session.account_id, identity->account_id) != 0)
		return IDENTITY_REVOKED;
	/* A refresh moves idle_until_ms; asking once more then is all that costs. */
	found->keep_ms = MIN(found->keep_ms, MIN(session.idle_until_ms, session.ends_ms) - now_ms);
	/* As the account has them now, not as they were when the token was signed: whoever is no
	 * administrator any more is none at once. */
	identity_roles_write(&account, identity->roles);
	return account.status == ACCOUNT_SUSPENDED ? IDENTITY_SUSPENDED : IDENTITY_VALID;
}

struct identify {
	struct str token;
	int64_t now_ms;
};

static int identify_await(void *arg, struct lookup_found *found)
{
	_cleanup_(token_unproven_wipe) struct token_unproven unproven;
	const struct identify *identify = arg;
	struct verified *verified = found->value;
	int r = claims_await(identify->token, identify->now_ms / 1000, &unproven);

	if (r < 0)
		return r;
	if (r != TOKEN_VALID) {
		verified->outcome = r == TOKEN_EXPIRED ? IDENTITY_EXPIRED : IDENTITY_INVALID;
		found->keep_ms = 0;
		return 0;
	}
	identity_of(&unproven.claims, &verified->identity);
	r = session_check_await(&verified->identity, identify->now_ms, found);
	if (r < 0)
		return r;
	verified->outcome = (enum identity_outcome)r;
	found->is_negative = r != IDENTITY_VALID;
	found->tags[TAG_SESSION] = cache_tag(str_cstr(verified->identity.session_id));
	found->tags[TAG_ACCOUNT] = cache_tag(str_cstr(verified->identity.account_id));
	return 0;
}

static int identify_cached_await(struct str token, struct identity *ret_identity)
{
	struct identify identify = { .token = token, .now_ms = clock_wall_ms() };
	uint8_t digest[SHA256_BYTES];
	struct verified verified;
	int r;

	static_assert(SHA256_BYTES == CACHE_KEY_BYTES, "digests are the cache's keys");
	if (!token.len || token.len > TOKEN_BYTES_MAX)
		return IDENTITY_INVALID;
	digests_get(own.digests, token, digest);
	r = lookup_await(own.lookup, digest, identify_await, &identify, &verified);
	if (r < 0)
		return r;
	if (verified.outcome == IDENTITY_VALID) {
		/* Kept by a clock that nobody sets, but its end is one of the calendar. */
		if (verified.identity.expires_s <= identify.now_ms / 1000)
			return IDENTITY_EXPIRED;
		*ret_identity = verified.identity;
	}
	return verified.outcome;
}

int token_identify_await(struct str token, struct identity *ret_identity)
{
	static const enum metric_validation results[] = { [IDENTITY_VALID] = VALIDATION_VALID,
		[IDENTITY_INVALID] = VALIDATION_INVALID,
		[IDENTITY_EXPIRED] = VALIDATION_EXPIRED,
		[IDENTITY_REVOKED] = VALIDATION_REVOKED,
		[IDENTITY_SUSPENDED] = VALIDATION_SUSPENDED };
	struct span *span = span_begin_detail("auth.verify", NULL);
	int r = identify_cached_await(token, ret_identity);
	enum metric_validation result = r < 0 ? VALIDATION_ERROR : results[r];

	metric_validation(result);
	span_text(span, "authd.verify.result", metrics_validation_name(result));
	span_end(span, r);
	return r;
}

bool identity_has_role(const struct identity *identity, struct str role)
{
	struct str rest = str_cstr(identity->roles), one;

	while (str_split(&rest, ',', &one))
		if (str_equal(one, role))
			return true;
	return false;
}

/* --- revocation --- */

void verified_forget_here(const char *id)
{
	lookup_forget_tag(own.lookup, TAG_SESSION, cache_tag(str_cstr(id)));
	lookup_forget_tag(own.lookup, TAG_ACCOUNT, cache_tag(str_cstr(id)));
}

static void forget_session(_unused_ struct core *core, const void *id)
{
	lookup_forget_tag(own.lookup, TAG_SESSION, cache_tag(str_cstr(id)));
}

static void forget_account(_unused_ struct core *core, const void *id)
{
	lookup_forget_tag(own.lookup, TAG_ACCOUNT, cache_tag(str_cstr(id)));
	users_forget_here(id);
}

static int forget_await(void (*forget)(struct core *core, const void *id), const char *id)
{
	int r = core_broadcast_await(forget, id, strlen(id) + 1);

	/* It reached this core only. */
	if (r == -ENOMEM)
		lookup_distrust_all();
	return r == -ENOMEM ? 0 : r;
}

int verified_forget_session_await(const char *session_id)
{
	return forget_await(forget_session, session_id);
}

int verified_forget_account_await(const char *account_id)
{
	return forget_await(forget_account, account_id);
}

void verified_forget_all(void)
{
	lookup_distrust_all();
}
