/*
 * The caches of tokens and users in front of a real store: how often it is asked, and what is still
 * true afterwards. A fault that does nothing counts the calls.
 */
#include "support/store_scene.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "auth/caches.h"
#include "auth/keys.h"
#include "auth/policy.h"
#include "auth/users.h"
#include "auth/verified.h"
#include "cache/lookup.h"
#include "shared/clock.h"
#include "shared/err.h"
#include "shared/macros.h"
#include "store/faults.h"

#define TOKEN_S 300
#define MANY 100

static struct keys *keys;

static void begin(void)
{
	const struct caches_options options = { .users_max = 50,
		.tokens_max = 50,
		.ttl_ms = 600000,
		.sweep_ms = 120000,
		.waiters_max = 256 };
	struct buf material = buf_init(SIGNING_PEM_BYTES_MAX);
	char kid[KEY_KID_BYTES_MAX + 1];

	clock_fake(clock_now_ns(), SCENE_NOW);
	assert_int_equal(keys_generate(SIGNING_ES256, kid, &material), 0);
	assert_int_equal(keys_load(&(struct key_source){ str_cstr(kid), SIGNING_ES256,
					   buf_str(&material), true },
				 1, &keys, NULL),
		0);
	buf_wipe(&material);
	auth_policy_set(&(struct auth_policy){
		.tokens = { .keys = keys, .issuer = STR("i"), .audience = STR("a") } });
	assert_int_equal(caches_start(&options), 0);
}

static void end(void)
{
	struct account account;

	faults_clear();
	/* Goes once round the loop: the ration of signatures may have a message under way. */
	(void)store_account_get_await("", &account);
	caches_stop();
	keys_free(TAKE(keys));
	clock_fake_off();
}

/* Counts calls of the store from here on. */
static void count_calls(void)
{
	faults_clear();
	assert_int_equal(fault_set(&(struct fault){ .point = FAULT_RUN, .op = FAULT_EVERY_OP }), 0);
}

static void sign(const char *name, char token[static TOKEN_BYTES_MAX + 1])
{
	struct token_claims claims = { .id = "jti",
		.issued_s = SCENE_NOW / 1000,
		.expires_s = SCENE_NOW / 1000 + TOKEN_S,
		.role_count = 2,
		.roles = { "user", "admin" } };
	size_t length;

	(void)snprintf(claims.account_id, sizeof(claims.account_id), "id-%s", name);
	(void)snprintf(claims.session_id, sizeof(claims.session_id), "%s", name);
	assert_int_equal(token_sign(&auth_policy()->tokens, &claims, token, &length), 0);
}

static int identify(const char *token)
{
	struct identity identity;
	int r = token_identify_await(str_cstr(token), &identity);

	if (r == IDENTITY_VALID)
		assert_string_equal(identity.roles, "user,admin");
	return r;
}

static uint64_t entries(struct lookup *lookup)
{
	return cache_stats(lookup_cache(lookup))->entries;
}

/* --- tokens --- */

STORE_TEST(the_store_is_asked_once_for_a_token)
{
	char token[TOKEN_BYTES_MAX + 1];

	begin();
	scene_register("a");
	sign("a", token);
	count_calls();
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(identify(token), IDENTITY_VALID);
	assert_int_equal(faults_hit(), 1);
	end();
}

struct asker {
	const char *token;
	int result;
};

static void ask(void *arg)
{
	struct asker *asker = arg;

	asker->result = identify(asker->token);
}

STORE_TEST(many_who_bring_one_new_token_at_a_time_ask_once)
{
	struct asker askers[MANY];
	char token[TOKEN_BYTES_MAX + 1];

	begin();
	scene_register("a");
	sign("a", token);
	count_calls();
	for (unsigned i = 0; i < MANY; i++)
		askers[i] = (struct asker){ token, -1 };
	scene_together(MANY, ask, askers, sizeof(askers[0]));
	for (unsigned i = 0; i < MANY; i++)
		assert_int_equal(askers[i].result, IDENTITY_VALID);
	assert_int_equal(faults_hit(), 1);
	end();
}

STORE_TEST(a_flood_of_one_revoked_token_asks_once_in_five_seconds)
{
	char token[TOKEN_BYTES_MAX + 1];

	begin();
	scene_register("a");
	sign("a", token);
	assert_int_equal(identify(token), IDENTITY_VALID);
	assert_int_equal(store_session_end_await("a"), 1);
	assert_int_equal(verified_forget_session_await("a"), 0);
	count_calls();
	for (unsigned i = 0; i < MANY; i++)
		assert_int_equal(identify(token), IDENTITY_REVOKED);
	assert_int_equal(faults_hit(), 1);
	clock_fake_advance_ms(CACHES_NEGATIVE_MS);
	assert_int_equal(identify(token), IDENTITY_REVOKED);
	assert_int_equal(faults_hit(), 2);
	end();
}

STORE_TEST(a_suspended_account_is_refused_until_it_is_told_otherwise)
{
	struct account account = scene_account("a");
	struct session_new session = scene_session("a", "a");
	char token[TOKEN_BYTES_MAX + 1];

	begin();
	account.status = ACCOUNT_SUSPENDED;
	assert_int_equal(store_account_create_await(&account, &session), 1);
	sign("a", token);
	count_calls();
	assert_int_equal(identify(token), IDENTITY_SUSPENDED);
	assert_int_equal(identify(token), IDENTITY_SUSPENDED);
	assert_int_equal(faults_hit(), 1);
	assert_int_equal(verified_forget_account_await("id-a"), 0);
	assert_int_equal(identify(token), IDENTITY_SUSPENDED);
	assert_int_equal(faults_hit(), 2); /* it was forgotten, and asked about again */
	end();
}

STORE_TEST(a_token_is_not_remembered_longer_than_its_session_lives)
{
	struct account account = scene_account("a");
	struct session_new session = scene_session("a", "a");
	char token[TOKEN_BYTES_MAX + 1];

	begin();
	session.session.ends_ms = session.session.idle_until_ms = SCENE_NOW + 60000;
	assert_int_equal(store_account_create_await(&account, &session), 1);
	sign("a", token);
	assert_int_equal(identify(token), IDENTITY_VALID);
	clock_fake_advance_ms(59999);
	count_calls();
	assert_int_equal(identify(token), IDENTITY_VALID);
	assert_int_equal(faults_hit(), 0);
	clock_fake_advance_ms(1);
	assert_int_equal(identify(token), IDENTITY_REVOKED);
	end();
}

STORE_TEST(a_remembered_token_expires_in_its_time)
{
	char token[TOKEN_BYTES_MAX + 1];

	begin();
	scene_register("a");
	sign("a", token);
	assert_int_equal(identify(token), IDENTITY_VALID);
	count_calls();
	clock_fake_advance_ms(TOKEN_S * 1000 - 1);
	assert_int_equal(identify(token), IDENTITY_VALID);
	clock_fake_advance_ms(1);
	assert_int_equal(identify(token), IDENTITY_EXPIRED);
	assert_int_equal(faults_hit(), 0);
	end();
}

STORE_TEST(forged_tokens_are_neither_looked_up_nor_remembered)
{
	static char tokens[MANY][TOKEN_BYTES_MAX + 1];
	struct asker askers[MANY];

	begin();
	scene_register("a");
	count_calls();
	for (unsigned i = 0; i < MANY; i++) {
		char *signature;

		sign("a", tokens[i]);
		signature = strrchr(tokens[i], '.') + 1;
		signature[i % 80] = signature[i % 80] == 'A' ? 'B' : 'A';
		askers[i] = (struct asker){ tokens[i], -1 };
	}
	scene_together(MANY, ask, askers, sizeof(askers[0]));
	for (unsigned i = 0; i < MANY; i++)
		assert_int_equal(askers[i].result, IDENTITY_INVALID);
	assert_int_equal(faults_hit(), 0);
	assert_int_equal(entries(verified_lookup()), 0);
	end();
}

STORE_TEST(what_is_known_is_answered_while_the_store_is_down_and_its_errors_are_not_kept)
{
	char known[TOKEN_BYTES_MAX + 1], new[TOKEN_BYTES_MAX + 1];
	struct account account;

	begin();
	scene_register("a");
	scene_register("b");
	sign("a", known);
	sign("b", new);
	assert_int_equal(identify(known), IDENTITY_VALID);
	assert_int_equal(user_get_await("id-a", &account), 1);
	assert_int_equal(fault_set(&(struct fault){ .point = FAULT_RUN,
				 .op = FAULT_EVERY_OP,
				 .times = 2,
				 .error = -ERR_STORE_DOWN }),
		0);
	assert_int_equal(identify(known), IDENTITY_VALID);
	assert_int_equal(user_get_await("id-a", &account), 1);
	assert_int_equal(identify(new), -ERR_STORE_DOWN);
	assert_int_equal(user_get_await("id-b", &account), -ERR_STORE_DOWN);
	faults_clear();
	assert_int_equal(identify(new), IDENTITY_VALID);
	assert_int_equal(user_get_await("id-b", &account), 1);
	end();
}

/* --- users --- */

STORE_TEST(a_user_is_looked_up_once_and_has_no_secrets)
{
	struct account account = {};

	begin();
	scene_register("a");
	count_calls();
	for (unsigned i = 0; i < 3; i++) {
		memset(&account, 0, sizeof(account));
		assert_int_equal(user_get_await("id-a", &account), 1);
		assert_string_equal(account.email, "a@Example.org");
		assert_string_equal(account.name, "a");
		assert_int_equal(account.role_count, 2);
		assert_string_equal(account.roles[1], "admin");
		assert_int_equal(account.created_ms, SCENE_NOW);
		assert_string_equal(account.hash, "");
	}
	assert_int_equal(faults_hit(), 1);
	end();
}

STORE_TEST(nobody_is_remembered_briefly)
{
	struct account account;

	begin();
	count_calls();
	assert_int_equal(user_get_await("id-a", &account), 0);
	assert_int_equal(user_get_await("id-a", &account), 0);
	assert_int_equal(faults_hit(), 1);
	assert_int_equal(cache_stats(lookup_cache(users_lookup()))->negative_hits, 1);
	scene_register("a");
	clock_fake_advance_ms(CACHES_NEGATIVE_MS);
	assert_int_equal(user_get_await("id-a", &account), 1);
	end();
}

STORE_TEST(a_renamed_user_is_looked_up_again)
{
	struct account account;

	begin();
	scene_register("a");
	assert_int_equal(user_get_await("id-a", &account), 1);
	assert_int_equal(store_account_rename_await("id-a", "new", SCENE_NOW, &account), 1);
	assert_int_equal(user_get_await("id-a", &account), 1);
	assert_string_equal(account.name, "a"); /* nobody has told */
	assert_int_equal(user_forget_await("id-a"), 0);
	assert_int_equal(user_get_await("id-a", &account), 1);
	assert_string_equal(account.name, "new");
	end();
}

/* --- both --- */

STORE_TEST(caches_are_flushed_by_their_names_and_by_ids)
{
	char a[TOKEN_BYTES_MAX + 1], b[TOKEN_BYTES_MAX + 1];
	struct account account;

	begin();
	scene_register("a");
	scene_register("b");
	sign("a", a);
	sign("b", b);
	assert_int_equal(identify(a), IDENTITY_VALID);
	assert_int_equal(identify(b), IDENTITY_VALID);
	assert_int_equal(user_get_await("id-a", &account), 1);
	assert_int_equal(user_get_await("id-b", &account), 1);
	assert_int_equal(caches_flush_here(STR("tokens"), "id-a"), 0);
	assert_int_equal(entries(verified_lookup()), 1);
	assert_int_equal(caches_flush_here(STR("tokens"), "b"), 0); /* a session's */
	assert_int_equal(entries(verified_lookup()), 0);
	assert_int_equal(caches_flush_here(STR("users"), "id-b"), 0);
	assert_int_equal(entries(users_lookup()), 1);
	assert_int_equal(caches_flush_here(STR("users"), ""), 0);
	assert_int_equal(entries(users_lookup()), 0);
	assert_int_equal(caches_flush_here(STR("sheep"), ""), -ENOENT);
	end();
}
