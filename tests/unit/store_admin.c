/*
 * Lists, and what administrators do to accounts: what every backend must do. As store.c, which see;
 * a program of its own because that one is long enough.
 */
#include "support/store_scene.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/err.h"
#include "shared/macros.h"

/* --- sessions --- */

struct seen {
	unsigned count;
	char ids[STORE_PAGE_MAX][STORE_ID_BYTES_MAX + 1];
};

static void see_session(const struct session *session, void *arg)
{
	struct seen *seen = arg;

	assert_true(seen->count < STORE_PAGE_MAX);
	memcpy(seen->ids[seen->count++], session->id, sizeof(session->id));
}

STORE_TEST(sessions_of_one_account_are_listed_the_latest_used_first)
{
	struct seen seen = {};

	scene_register("a");
	scene_register("b");
	assert_int_equal(scene_login("a", "older", SCENE_NOW + 1000), LOGIN_ACCEPTED);
	assert_int_equal(scene_login("a", "newer", SCENE_NOW + 2000), LOGIN_ACCEPTED);
	assert_int_equal(scene_refresh("older", "t", SCENE_NOW + 3000), REFRESH_ROTATED);
	assert_int_equal(
		store_sessions_list_await("id-a", SCENE_NOW + 4000, see_session, &seen), 3);
	assert_int_equal(seen.count, 3);
	assert_string_equal(seen.ids[0], "older");
	assert_string_equal(seen.ids[1], "newer");
	assert_string_equal(seen.ids[2], "a");
}

static void keep_session(const struct session *session, void *arg)
{
	*(struct session *)arg = *session;
}

STORE_TEST(a_listed_session_is_what_was_made)
{
	struct session_new made = scene_session("s", "a");
	struct account account = scene_account("a");
	struct session listed = {};

	assert_int_equal(store_account_create_await(&account, &made), 1);
	assert_int_equal(store_sessions_list_await("id-a", SCENE_NOW, keep_session, &listed), 1);
	assert_string_equal(listed.id, "s");
	assert_string_equal(listed.account_id, "id-a");
	assert_string_equal(listed.agent, made.session.agent);
	assert_string_equal(listed.address, made.session.address);
	assert_int_equal(listed.created_ms, SCENE_NOW);
	assert_int_equal(listed.used_ms, SCENE_NOW);
	assert_int_equal(listed.idle_until_ms, made.session.idle_until_ms);
	assert_int_equal(listed.ends_ms, made.session.ends_ms);
}

STORE_TEST(sessions_that_are_over_are_not_listed)
{
	struct seen seen = {};

	scene_register("a");
	assert_int_equal(store_sessions_list_await(
				 "id-a", SCENE_NOW + SCENE_IDLE_MS - 1, see_session, &seen),
		1);
	assert_int_equal(
		store_sessions_list_await("id-a", SCENE_NOW + SCENE_IDLE_MS, see_session, &seen),
		0);
	assert_int_equal(store_sessions_list_await("id-b", SCENE_NOW, see_session, &seen), 0);
	assert_int_equal(seen.count, 1);
}

STORE_TEST(as_many_sessions_are_listed_as_an_account_may_have)
{
	struct seen seen = {};
	char name[16];

	scene_register("a");
	for (int i = 1; i < STORE_SESSIONS_PER_ACCOUNT_MAX + 5; i++) {
		(void)snprintf(name, sizeof(name), "s%d", i);
		assert_int_equal(scene_login("a", name, SCENE_NOW + i), LOGIN_ACCEPTED);
	}
	assert_int_equal(store_sessions_list_await("id-a", SCENE_NOW + 500, see_session, &seen),
		STORE_SESSIONS_PER_ACCOUNT_MAX);
}

/* --- looking at a refresh token --- */

static int look(const char *token, int64_t now_ms, struct session *session, struct account *account)
{
	uint8_t hash[STORE_DIGEST_BYTES];

	scene_digest(token, hash);
	return store_refresh_look_await(hash, now_ms, session, account);
}

STORE_TEST(a_refresh_token_is_looked_at_and_stays_good)
{
	struct session session;
	struct account account;

	scene_register("a");
	for (int i = 0; i < 2; i++) {
		assert_int_equal(look("a", SCENE_NOW, &session, &account), 1);
		assert_string_equal(session.id, "a");
		assert_string_equal(account.id, "id-a");
		assert_int_equal(session.used_ms, SCENE_NOW);
	}
	assert_int_equal(scene_refresh("a", "b", SCENE_NOW + 1), REFRESH_ROTATED);
}

STORE_TEST(a_refresh_token_that_is_used_unknown_or_over_is_not_good)
{
	struct session session;
	struct account account;

	scene_register("a");
	assert_int_equal(look("x", SCENE_NOW, &session, &account), 0);
	assert_int_equal(scene_refresh("a", "b", SCENE_NOW + 1), REFRESH_ROTATED);
	assert_int_equal(look("a", SCENE_NOW + 2, &session, &account), 0);
	assert_int_equal(look("b", SCENE_NOW + 2, &session, &account), 1);
	assert_int_equal(look("b", SCENE_NOW + 1 + SCENE_IDLE_MS, &session, &account), 0);
	assert_int_equal(store_session_end_await("a"), 1);
	assert_int_equal(look("b", SCENE_NOW + 2, &session, &account), 0);
}

/* --- accounts --- */

static void make(const char *name, enum account_status status)
{
	struct account account = scene_account(name);

	account.status = status;
	assert_int_equal(store_account_create_await(&account, NULL), 1);
}

STORE_TEST(an_account_without_a_session_is_made)
{
	struct account found;
	struct seen seen = {};

	make("a", ACCOUNT_ACTIVE);
	assert_int_equal(store_account_find_await("a@example.org", &found), 1);
	assert_int_equal(store_sessions_list_await("id-a", SCENE_NOW, see_session, &seen), 0);
	assert_int_equal(scene_login("a", "s", SCENE_NOW), LOGIN_ACCEPTED);
	found = scene_account("a");
	assert_int_equal(store_account_create_await(&found, NULL), 0);
}

static void see_account(const struct account *account, void *arg)
{
	struct seen *seen = arg;

	assert_true(seen->count < STORE_PAGE_MAX);
	memcpy(seen->ids[seen->count++], account->id, sizeof(account->id));
}

static unsigned list(const char *after, int status, unsigned rows_max, struct seen *seen)
{
	const struct accounts_query query = {
		.after = after, .status = status, .rows_max = rows_max
	};
	int count;

	*seen = (struct seen){};
	count = store_accounts_list_await(&query, see_account, seen);
	assert_int_equal(count, seen->count);
	return seen->count;
}

STORE_TEST(accounts_are_listed_by_id_page_by_page)
{
	struct seen seen;

	assert_int_equal(list("", -1, 2, &seen), 0);
	make("c", ACCOUNT_ACTIVE);
	make("a", ACCOUNT_ACTIVE);
	make("b", ACCOUNT_ACTIVE);
	assert_int_equal(list("", -1, 2, &seen), 2);
	assert_string_equal(seen.ids[0], "id-a");
	assert_string_equal(seen.ids[1], "id-b");
	assert_int_equal(list("id-b", -1, 2, &seen), 1);
	assert_string_equal(seen.ids[0], "id-c");
	assert_int_equal(list("id-c", -1, 2, &seen), 0);
	/* One that came or went in between moves nobody else to another page. */
	assert_int_equal(store_account_delete_await("id-a"), 1);
	make("bb", ACCOUNT_ACTIVE);
	assert_int_equal(list("id-b", -1, STORE_PAGE_MAX, &seen), 2);
	assert_string_equal(seen.ids[0], "id-bb");
	assert_string_equal(seen.ids[1], "id-c");
}

STORE_TEST(accounts_are_listed_by_status)
{
	struct seen seen;

	make("a", ACCOUNT_ACTIVE);
	make("b", ACCOUNT_SUSPENDED);
	make("c", ACCOUNT_ACTIVE);
	make("d", ACCOUNT_SUSPENDED);
	assert_int_equal(list("", ACCOUNT_SUSPENDED, 10, &seen), 2);
	assert_string_equal(seen.ids[0], "id-b");
	assert_string_equal(seen.ids[1], "id-d");
	assert_int_equal(list("id-b", ACCOUNT_SUSPENDED, 10, &seen), 1);
	assert_int_equal(list("", ACCOUNT_ACTIVE, 10, &seen), 2);
	assert_string_equal(seen.ids[1], "id-c");
}

STORE_TEST(an_account_is_listed_by_its_address_if_it_is_otherwise_meant)
{
	struct accounts_query query = {
		.after = "", .email_key = "b@example.org", .status = -1, .rows_max = 10
	};
	struct seen seen = {};

	make("a", ACCOUNT_ACTIVE);
	make("b", ACCOUNT_SUSPENDED);
	assert_int_equal(store_accounts_list_await(&query, see_account, &seen), 1);
	assert_string_equal(seen.ids[0], "id-b");
	query.status = ACCOUNT_ACTIVE;
	assert_int_equal(store_accounts_list_await(&query, see_account, &seen), 0);
	query.status = ACCOUNT_SUSPENDED;
	assert_int_equal(store_accounts_list_await(&query, see_account, &seen), 1);
	query.after = "id-b";
	assert_int_equal(store_accounts_list_await(&query, see_account, &seen), 0);
	query = (struct accounts_query){
		.after = "", .email_key = "x@example.org", .status = -1, .rows_max = 10
	};
	assert_int_equal(store_accounts_list_await(&query, see_account, &seen), 0);
}

static unsigned list_prefix(const char *prefix, unsigned rows_max, struct seen *seen)
{
	const struct accounts_query query = { .prefix = prefix, .rows_max = rows_max };
	int count;

	*seen = (struct seen){};
	count = store_accounts_list_await(&query, see_account, seen);
	assert_int_equal(count, seen->count);
	return seen->count;
}

STORE_TEST(accounts_are_listed_by_the_beginning_of_their_address)
{
	struct seen seen;

	make("bob", ACCOUNT_ACTIVE);
	make("ada", ACCOUNT_ACTIVE);
	make("adam", ACCOUNT_SUSPENDED);
	make("ad_z", ACCOUNT_ACTIVE); /* _ and % stand for themselves */
	make("adz", ACCOUNT_ACTIVE);
	make("ad\xc3\xa9", ACCOUNT_ACTIVE);
	assert_int_equal(list_prefix("ada", 10, &seen), 2);
	assert_string_equal(seen.ids[0], "id-ada");
	assert_string_equal(seen.ids[1], "id-adam");
	assert_int_equal(list_prefix("ad_", 10, &seen), 1);
	assert_string_equal(seen.ids[0], "id-ad_z");
	assert_int_equal(list_prefix("ad", 10, &seen), 5);
	assert_int_equal(list_prefix("ad", 3, &seen), 3);
	assert_int_equal(list_prefix("bob@example.org", 10, &seen), 1);
	assert_int_equal(list_prefix("bob@example.org.", 10, &seen), 0);
	assert_int_equal(list_prefix("c", 10, &seen), 0);
}

static int change(const char *name, unsigned fields, const struct account *values,
	struct account *ret_account)
{
	char id[STORE_ID_BYTES_MAX + 1];
	const struct account_change change = {
		.id = id, .fields = fields, .values = values, .now_ms = SCENE_NOW + 5000
	};

	(void)snprintf(id, sizeof(id), "id-%s", name);
	return store_account_change_await(&change, ret_account);
}

STORE_TEST(a_change_writes_what_it_names_and_nothing_else)
{
	struct account other = { .email = "New@Example.org",
		.email_key = "new@example.org",
		.name = "New",
		.hash = "other-hash",
		.role_count = 1,
		.roles = { "clerk" },
		.status = ACCOUNT_SUSPENDED,
		.is_email_verified = true };
	struct account now, found;

	scene_register("a");
	assert_int_equal(change("a", ACCOUNT_FIELD_NAME, &other, &now), CHANGE_DONE);
	assert_string_equal(now.name, "New");
	assert_string_equal(now.email_key, "a@example.org");
	assert_string_equal(now.hash, "hash-a");
	assert_int_equal(now.role_count, 2);
	assert_int_equal(now.status, ACCOUNT_ACTIVE);
	assert_false(now.is_email_verified);
	assert_int_equal(now.updated_ms, SCENE_NOW + 5000);
	assert_int_equal(now.created_ms, SCENE_NOW);
	assert_int_equal(
		change("a", ACCOUNT_FIELD_ROLES | ACCOUNT_FIELD_VERIFIED | ACCOUNT_FIELD_STATUS,
			&other, &now),
		CHANGE_DONE);
	assert_int_equal(now.role_count, 1);
	assert_string_equal(now.roles[0], "clerk");
	assert_true(now.is_email_verified);
	assert_int_equal(store_account_get_await("id-a", &found), 1);
	assert_int_equal(found.status, ACCOUNT_SUSPENDED);
	assert_string_equal(found.roles[0], "clerk");
	assert_string_equal(found.email, "a@Example.org");
	/* The session stays: it is good again when the account is. */
	assert_int_equal(scene_lives("a", SCENE_NOW), 1);
	assert_int_equal(change("b", ACCOUNT_FIELD_NAME, &other, &now), CHANGE_NOBODY);
}

STORE_TEST(another_address_is_not_verified_and_the_same_stays_as_it_is)
{
	struct account same = { .email = "A@example.ORG", .email_key = "a@example.org" };
	struct account other = { .email = "b@example.org", .email_key = "b@example.org" };
	struct account third = {
		.email = "c@example.org", .email_key = "c@example.org", .is_email_verified = true
	};
	struct account now, found;

	scene_register("a");
	assert_int_equal(change("a", ACCOUNT_FIELD_VERIFIED, &third, &now), CHANGE_DONE);
	assert_int_equal(change("a", ACCOUNT_FIELD_EMAIL, &same, &now), CHANGE_DONE);
	assert_true(now.is_email_verified);
	assert_string_equal(now.email, "A@example.ORG");
	assert_int_equal(change("a", ACCOUNT_FIELD_EMAIL, &other, &now), CHANGE_DONE);
	assert_false(now.is_email_verified);
	assert_int_equal(change("a", ACCOUNT_FIELD_EMAIL, &other, &now), CHANGE_DONE);
	assert_false(now.is_email_verified);
	assert_int_equal(change("a", ACCOUNT_FIELD_EMAIL | ACCOUNT_FIELD_VERIFIED, &third, &now),
		CHANGE_DONE);
	assert_true(now.is_email_verified);
	assert_int_equal(store_account_get_await("id-a", &found), 1);
	assert_true(found.is_email_verified);
}

STORE_TEST(another_address_is_found_and_the_old_one_is_free)
{
	struct account other = { .email = "New@Example.org", .email_key = "new@example.org" };
	struct account now, found;

	scene_register("a");
	assert_int_equal(change("a", ACCOUNT_FIELD_EMAIL, &other, &now), CHANGE_DONE);
	assert_string_equal(now.email, "New@Example.org");
	assert_int_equal(store_account_find_await("new@example.org", &found), 1);
	assert_string_equal(found.email, "New@Example.org");
	assert_int_equal(store_account_find_await("a@example.org", &found), 0);
	(void)snprintf(other.email, sizeof(other.email), "new@example.org");
	assert_int_equal(change("a", ACCOUNT_FIELD_EMAIL, &other, &now), CHANGE_DONE);
	assert_string_equal(now.email, "new@example.org");
}

STORE_TEST(an_address_of_somebody_else_is_refused_and_nothing_changes)
{
	struct account other = scene_account("b"), now, found;

	scene_register("a");
	scene_register("b");
	(void)snprintf(other.name, sizeof(other.name), "New");
	assert_int_equal(change("a", ACCOUNT_FIELD_EMAIL | ACCOUNT_FIELD_NAME, &other, &now),
		CHANGE_EMAIL_TAKEN);
	assert_int_equal(store_account_get_await("id-a", &found), 1);
	assert_string_equal(found.email_key, "a@example.org");
	assert_string_equal(found.name, "a");
}

STORE_TEST(a_new_password_ends_every_session_and_forgets_failures)
{
	static const struct lockout_policy policy = { .free = 3, .base_ms = 1000, .max_ms = 8000 };
	struct account other = { .hash = "other-hash" }, now;
	struct login_attempts attempts;

	scene_register("a");
	scene_register("b");
	assert_int_equal(scene_login("a", "s", SCENE_NOW), LOGIN_ACCEPTED);
	assert_int_equal(store_login_fail_await("a@example.org", &policy, SCENE_NOW, &attempts),
		LOGIN_ACCEPTED);
	assert_int_equal(change("a", ACCOUNT_FIELD_PASSWORD, &other, &now), CHANGE_DONE);
	assert_string_equal(now.hash, "other-hash");
	assert_int_equal(now.attempts.count, 0);
	assert_int_equal(scene_lives("a", SCENE_NOW), 0);
	assert_int_equal(scene_lives("s", SCENE_NOW), 0);
	assert_int_equal(scene_lives("b", SCENE_NOW), 1);
	assert_int_equal(scene_login("a", "t", SCENE_NOW), LOGIN_GONE);
}

STORE_TEST(a_deleted_account_is_gone_with_all_that_was_its_own)
{
	struct account found = {};
	struct seen seen = {};

	scene_register("a");
	scene_register("b");
	assert_int_equal(scene_login("a", "s", SCENE_NOW), LOGIN_ACCEPTED);
	assert_int_equal(store_account_delete_await("id-a"), 1);
	assert_int_equal(store_account_get_await("id-a", &found), 0);
	assert_int_equal(scene_lives("a", SCENE_NOW), 0);
	assert_int_equal(store_sessions_list_await("id-a", SCENE_NOW, see_session, &seen), 0);
	assert_int_equal(scene_refresh("s", "t", SCENE_NOW), REFRESH_UNKNOWN);
	assert_int_equal(scene_login("a", "u", SCENE_NOW), LOGIN_GONE);
	assert_int_equal(store_account_delete_await("id-a"), 0);
	assert_int_equal(scene_lives("b", SCENE_NOW), 1);
	scene_register("a"); /* the address and the id are free */
}

STORE_TEST(a_role_is_granted_once_and_to_somebody)
{
	struct account account = scene_account("a"), found;

	assert_int_equal(store_role_grant("a@example.org", "boss", SCENE_NOW + 1), 0);
	account.role_count = STORE_ROLES_MAX - 1;
	for (unsigned i = 0; i < account.role_count; i++)
		(void)snprintf(account.roles[i], sizeof(account.roles[i]), "r%u", i);
	assert_int_equal(store_account_create_await(&account, NULL), 1);
	for (int i = 0; i < 2; i++)
		assert_int_equal(store_role_grant("a@example.org", "boss", SCENE_NOW + 1), 1);
	assert_int_equal(store_account_get_await("id-a", &found), 1);
	assert_int_equal(found.role_count, STORE_ROLES_MAX);
	assert_string_equal(found.roles[STORE_ROLES_MAX - 1], "boss");
	assert_string_equal(found.roles[0], "r0");
	assert_int_equal(found.updated_ms, SCENE_NOW + 1);
	assert_int_equal(store_role_grant("a@example.org", "more", SCENE_NOW + 1), -ENOSPC);
}

/* --- keys --- */

static struct store_key key_of(const char *kid, int64_t created_ms)
{
	struct store_key key = { .algorithm = "ES256",
		.material = "material",
		.material_bytes = 8,
		.created_ms = created_ms };

	(void)snprintf(key.kid, sizeof(key.kid), "%s", kid);
	return key;
}

STORE_TEST(a_newer_key_takes_over_from_one_that_is_old_enough_once)
{
	struct store_key a = key_of("a", SCENE_NOW), b = key_of("b", SCENE_NOW + 10);
	struct store_key c = key_of("c", SCENE_NOW + 11);
	struct store_key *keys = calloc(STORE_KEYS_MAX, sizeof(*keys));

	assert_int_equal(store_key_add(&a, INT64_MIN), 1);
	assert_int_equal(store_key_add(&b, SCENE_NOW - 1), 0); /* a is newer than that */
	assert_int_equal(store_key_add(&b, SCENE_NOW), 1);
	assert_int_equal(store_key_add(&c, SCENE_NOW), 0); /* b was first */
	assert_int_equal(store_keys_load(keys), 2);
	assert_string_equal(keys[0].kid, "b");
	assert_true(keys[0].is_active);
	assert_string_equal(keys[1].kid, "a");
	assert_false(keys[1].is_active);
	free(keys);
}

STORE_TEST(a_key_is_removed_unless_it_is_active)
{
	struct store_key a = key_of("a", SCENE_NOW), b = key_of("b", SCENE_NOW + 10);
	struct store_key *keys = calloc(STORE_KEYS_MAX, sizeof(*keys));

	assert_int_equal(store_key_remove("a"), 0);
	assert_int_equal(store_key_add(&a, INT64_MIN), 1);
	assert_int_equal(store_key_remove("a"), 0);
	assert_int_equal(store_key_add(&b, SCENE_NOW), 1);
	assert_int_equal(store_key_remove("b"), 0);
	assert_int_equal(store_key_remove("a"), 1);
	assert_int_equal(store_key_remove("a"), 0);
	assert_int_equal(store_keys_load(keys), 1);
	assert_string_equal(keys[0].kid, "b");
	free(keys);
}
