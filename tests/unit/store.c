/*
 * What every backend of the store must do, seen as a handler sees it: through store_open() and the
 * `_await` calls on a fiber. The program is built once for each backend.
 */
#include "support/store_scene.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/err.h"
#include "shared/macros.h"
#include "store/store_backend.h"

static const struct lockout_policy policy = { .free = 3, .base_ms = 1000, .max_ms = 8000 };

/* A text that is as long as may be, of characters that no escaping or folding leaves alone. */
static void fill(char *text, size_t bytes_max, const char *pattern)
{
	size_t length = strlen(pattern);

	for (size_t i = 0; i < bytes_max; i++)
		text[i] = pattern[i % length];
	text[bytes_max] = '\0';
}
#define FILL(array, pattern) fill((array), sizeof(array) - 1, (pattern))

static void assert_accounts_equal(const struct account *a, const struct account *b)
{
	assert_string_equal(a->id, b->id);
	assert_string_equal(a->email, b->email);
	assert_string_equal(a->email_key, b->email_key);
	assert_string_equal(a->name, b->name);
	assert_string_equal(a->hash, b->hash);
	assert_int_equal(a->role_count, b->role_count);
	for (unsigned i = 0; i < a->role_count; i++)
		assert_string_equal(a->roles[i], b->roles[i]);
	assert_int_equal(a->status, b->status);
	assert_int_equal(a->is_email_verified, b->is_email_verified);
	assert_int_equal(a->created_ms, b->created_ms);
	assert_int_equal(a->updated_ms, b->updated_ms);
	assert_int_equal(a->last_login_ms, b->last_login_ms);
	assert_int_equal(a->attempts.count, b->attempts.count);
	assert_int_equal(a->attempts.locked_until_ms, b->attempts.locked_until_ms);
}

static void assert_sessions_equal(const struct session *a, const struct session *b)
{
	assert_string_equal(a->id, b->id);
	assert_string_equal(a->account_id, b->account_id);
	assert_memory_equal(a->client, b->client, STORE_DIGEST_BYTES);
	assert_string_equal(a->agent, b->agent);
	assert_string_equal(a->address, b->address);
	assert_int_equal(a->created_ms, b->created_ms);
	assert_int_equal(a->used_ms, b->used_ms);
	assert_int_equal(a->idle_until_ms, b->idle_until_ms);
	assert_int_equal(a->ends_ms, b->ends_ms);
}

/* --- accounts --- */

STORE_TEST(an_account_is_found_as_it_was_made)
{
	struct account made = scene_account("a"), found = {};
	struct session_new session = scene_session("s", "a");

	made.is_email_verified = true;
	assert_int_equal(store_account_create_await(&made, &session), 1);
	assert_int_equal(store_account_find_await(made.email_key, &found), 1);
	assert_accounts_equal(&found, &made);
	memset(&found, 0, sizeof(found));
	assert_int_equal(store_account_get_await(made.id, &found), 1);
	assert_accounts_equal(&found, &made);
}

STORE_TEST(what_was_acknowledged_is_there_after_a_restart)
{
	struct account found = {};

	if (strcmp(STORE_BACKEND, "memory") == 0)
		return; /* which forgets, by design */
	scene_register("a");
	scene_restart();
	assert_int_equal(store_account_find_await("a@example.org", &found), 1);
	assert_int_equal(scene_lives("a", SCENE_NOW), 1);
}

STORE_TEST(nobody_is_found_by_an_unknown_address_or_id)
{
	struct account found = { .attempts = { .count = 7 } };

	assert_int_equal(store_account_find_await("a@example.org", &found), 0);
	assert_int_equal(found.attempts.count, 0);
	assert_int_equal(store_account_get_await("id-a", &found), 0);
	assert_int_equal(store_account_get_await("", &found), 0);
}

STORE_TEST(an_address_is_taken_once)
{
	struct account first = scene_account("a"), second = scene_account("a"), found;
	struct session_new session = scene_session("s1", "a"), other = scene_session("s2", "b");

	(void)snprintf(second.id, sizeof(second.id), "id-b");
	(void)snprintf(second.email, sizeof(second.email), "A@EXAMPLE.org");
	assert_int_equal(store_account_create_await(&first, &session), 1);
	assert_int_equal(store_account_create_await(&second, &other), 0);
	assert_int_equal(store_account_find_await(first.email_key, &found), 1);
	assert_accounts_equal(&found, &first);
	/* Both or none: the session of the second does not exist either. */
	assert_int_equal(scene_lives("s2", SCENE_NOW), 0);
	assert_int_equal(store_account_get_await("id-b", &found), 0);
}

struct racer {
	char name[8];
	int result;
};

static void race_to_register(void *arg)
{
	struct racer *racer = arg;
	struct account account = scene_account("same");
	struct session_new session = scene_session(racer->name, racer->name);

	(void)snprintf(account.id, sizeof(account.id), "id-%s", racer->name);
	racer->result = store_account_create_await(&account, &session);
}

STORE_TEST(of_many_who_register_one_address_at_a_time_one_gets_it)
{
	struct racer racers[32] = {};
	struct account found;
	unsigned won = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(racers); i++)
		(void)snprintf(racers[i].name, sizeof(racers[i].name), "r%u", i);
	scene_together(ARRAY_SIZE(racers), race_to_register, racers, sizeof(racers[0]));
	assert_int_equal(store_account_find_await("same@example.org", &found), 1);
	for (unsigned i = 0; i < ARRAY_SIZE(racers); i++) {
		assert_true(racers[i].result == 0 || racers[i].result == 1);
		won += racers[i].result == 1;
		assert_int_equal(scene_lives(racers[i].name, SCENE_NOW), racers[i].result);
		if (racers[i].result == 1)
			assert_string_equal(found.id + 3, racers[i].name);
	}
	assert_int_equal(won, 1);
}

STORE_TEST(a_name_is_changed_and_nothing_else)
{
	struct account expected = scene_account("a"), renamed, found;

	scene_register("a");
	assert_int_equal(
		store_account_rename_await("id-a", "new name", SCENE_NOW + 5, &renamed), 1);
	(void)snprintf(expected.name, sizeof(expected.name), "new name");
	expected.updated_ms = SCENE_NOW + 5;
	assert_accounts_equal(&renamed, &expected);
	assert_int_equal(store_account_get_await("id-a", &found), 1);
	assert_accounts_equal(&found, &expected);
	assert_int_equal(store_account_rename_await("id-b", "new name", SCENE_NOW, &found), 0);
}

STORE_TEST(every_text_may_be_as_long_as_its_maximum)
{
	struct account made = scene_account("a"), found;
	struct session_new new = scene_session("s", "a");
	struct session session;

	FILL(made.id, "i");
	FILL(made.email, "Aé");
	FILL(made.email_key, "aé");
	FILL(made.name, "n\xf0\x9f\x98\x80");
	FILL(made.hash, "$h");
	made.role_count = STORE_ROLES_MAX;
	for (unsigned i = 0; i < STORE_ROLES_MAX; i++) {
		FILL(made.roles[i], "r");
		made.roles[i][0] = (char)('a' + i);
	}
	FILL(new.session.id, "s");
	FILL(new.session.account_id, "i");
	FILL(new.session.agent, "agent/1.0 \"'\\$");
	FILL(new.session.address, "f");
	/* A character may be cut at the end: a store keeps UTF-8, so the pattern must fit. */
	made.email[STORE_EMAIL_BYTES_MAX - 2] = made.email_key[STORE_EMAIL_BYTES_MAX - 2] = 'z';
	made.email[STORE_EMAIL_BYTES_MAX - 1] = made.email_key[STORE_EMAIL_BYTES_MAX - 1] = 'z';
	assert_int_equal(store_account_create_await(&made, &new), 1);
	assert_int_equal(store_account_find_await(made.email_key, &found), 1);
	assert_accounts_equal(&found, &made);
	assert_int_equal(store_session_find_await(new.session.id, SCENE_NOW, &session, &found), 1);
	assert_sessions_equal(&session, &new.session);
	assert_accounts_equal(&found, &made);
}

STORE_TEST(unusual_text_comes_back_unchanged)
{
	static const char *const texts[] = { "", " ", "'; drop table accounts; --", "$where", "a.b",
		"\"quoted\"", "\\", "%s%n", "\xc3\xa9t\xc3\xa9", "\xf0\x9f\x98\x80\xf0\x9f\x8f\xbd",
		"e\xcc\x81", "\xe2\x80\xae right to left", "line\nbreak\ttab", "\x01\x7f", "null" };

	for (unsigned i = 0; i < ARRAY_SIZE(texts); i++) {
		struct account made = scene_account("a"), found;
		struct session_new new = scene_session("s", "a");
		struct session session;

		/* An id is the value of a header field, too. */
		(void)snprintf(made.id, sizeof(made.id), "id%u%.40s", i,
			strpbrk(texts[i], "\n\x01") ? "" : texts[i]);
		(void)snprintf(made.email_key, sizeof(made.email_key), "key%u%s", i, texts[i]);
		(void)snprintf(made.name, sizeof(made.name), "%s", texts[i]);
		(void)snprintf(new.session.id, sizeof(new.session.id), "s%u", i);
		memcpy(new.session.account_id, made.id, sizeof(made.id));
		(void)snprintf(new.session.agent, sizeof(new.session.agent), "%s", texts[i]);
		scene_digest(new.session.id, new.refresh_hash);
		assert_int_equal(store_account_create_await(&made, &new), 1);
		assert_int_equal(store_account_find_await(made.email_key, &found), 1);
		assert_accounts_equal(&found, &made);
		assert_int_equal(
			store_session_find_await(new.session.id, SCENE_NOW, &session, &found), 1);
		assert_sessions_equal(&session, &new.session);
		assert_int_equal(
			store_account_rename_await(made.id, texts[i], SCENE_NOW, &found), 1);
		assert_string_equal(found.name, texts[i]);
	}
}

STORE_TEST(digests_may_hold_any_bytes)
{
	struct account account = scene_account("a");
	struct session_new new = scene_session("s", "a");
	struct refresh_request request = { .now_ms = SCENE_NOW, .idle_ms = 1000 };
	struct refresh_result result;
	struct session session;

	for (unsigned i = 0; i < STORE_DIGEST_BYTES; i++) {
		new.refresh_hash[i] = (uint8_t)(i * 8);
		new.session.client[i] = (uint8_t)(255 - i);
	}
	new.refresh_hash[5] = new.session.client[5] = 0;
	assert_int_equal(store_account_create_await(&account, &new), 1);
	assert_int_equal(store_session_find_await("s", SCENE_NOW, &session, &account), 1);
	assert_memory_equal(session.client, new.session.client, STORE_DIGEST_BYTES);
	memcpy(request.hash, new.refresh_hash, STORE_DIGEST_BYTES);
	memcpy(request.client, new.session.client, STORE_DIGEST_BYTES);
	assert_int_equal(store_refresh_await(&request, &result), REFRESH_ROTATED);
	request.hash[6] ^= 1;
	assert_int_equal(store_refresh_await(&request, &result), REFRESH_UNKNOWN);
}

/* --- lockout --- */

static int fail_login(const char *key, int64_t now_ms, struct login_attempts *attempts)
{
	return store_login_fail_await(key, &policy, now_ms, attempts);
}

static void check_lockout(const char *key)
{
	struct login_attempts attempts;
	struct account found;
	int64_t now = SCENE_NOW;

	for (unsigned i = 1; i <= policy.free; i++) {
		assert_int_equal(fail_login(key, now, &attempts), LOGIN_ACCEPTED);
		assert_int_equal(attempts.count, i);
		assert_int_equal(attempts.locked_until_ms, 0);
	}
	/* 1, 2, 4, 8, and 8 seconds for ever. */
	for (unsigned i = 0; i < 6; i++) {
		int64_t delay = MIN(1000 << i, 8000);

		assert_int_equal(fail_login(key, now, &attempts), LOGIN_ACCEPTED);
		assert_int_equal(attempts.locked_until_ms, now + delay);
		assert_int_equal(fail_login(key, now, &attempts), LOGIN_LOCKED);
		assert_int_equal(fail_login(key, now + delay - 1, &attempts), LOGIN_LOCKED);
		assert_int_equal(attempts.count, policy.free + 1 + i);
		(void)store_account_find_await(key, &found);
		assert_int_equal(found.attempts.count, attempts.count);
		assert_int_equal(found.attempts.locked_until_ms, now + delay);
		now += delay;
	}
}

STORE_TEST(failures_of_an_account_lock_it_for_growing_times)
{
	scene_register("a");
	check_lockout("a@example.org");
}

STORE_TEST(failures_of_a_stranger_lock_it_for_the_same_times)
{
	check_lockout("nobody@example.org");
}

STORE_TEST(whoever_registers_begins_without_the_failures_of_the_stranger)
{
	struct login_attempts attempts;
	struct account found;

	for (unsigned i = 0; i < 3; i++)
		(void)fail_login("a@example.org", SCENE_NOW, &attempts);
	scene_register("a");
	assert_int_equal(store_account_find_await("a@example.org", &found), 1);
	assert_int_equal(found.attempts.count, 0);
	assert_int_equal(fail_login("a@example.org", SCENE_NOW, &attempts), LOGIN_ACCEPTED);
	assert_int_equal(attempts.count, 1);
}

static void guess(void *arg)
{
	struct login_attempts attempts;

	*(int *)arg = fail_login("a@example.org", SCENE_NOW, &attempts);
}

static void check_parallel_guesses(void)
{
	int outcomes[64] = {};
	unsigned counted = 0;
	struct account found;

	scene_together(ARRAY_SIZE(outcomes), guess, outcomes, sizeof(outcomes[0]));
	for (unsigned i = 0; i < ARRAY_SIZE(outcomes); i++) {
		assert_true(outcomes[i] == LOGIN_ACCEPTED || outcomes[i] == LOGIN_LOCKED);
		counted += outcomes[i] == LOGIN_ACCEPTED;
	}
	/* The fourth locks it: not one more guess is answered, however many come at a time. */
	assert_int_equal(counted, policy.free + 1);
	(void)store_account_find_await("a@example.org", &found);
	assert_int_equal(found.attempts.count, policy.free + 1);
	assert_int_equal(found.attempts.locked_until_ms, SCENE_NOW + policy.base_ms);
}

STORE_TEST(parallel_guesses_at_an_account_are_each_counted)
{
	scene_register("a");
	check_parallel_guesses();
}

STORE_TEST(parallel_guesses_at_a_stranger_are_each_counted)
{
	check_parallel_guesses();
}

STORE_TEST_WITH(of_too_many_strangers_the_oldest_are_forgotten, .strangers_max = 20)
{
	struct login_attempts attempts;
	char key[32];

	for (unsigned i = 0; i < 30; i++) {
		(void)snprintf(key, sizeof(key), "nobody%02u@example.org", i);
		assert_int_equal(fail_login(key, SCENE_NOW + i, &attempts), LOGIN_ACCEPTED);
	}
	assert_int_equal(store_tend(SCENE_NOW + 30), 0);
	for (unsigned i = 0; i < 30; i++) {
		(void)snprintf(key, sizeof(key), "nobody%02u@example.org", i);
		assert_int_equal(fail_login(key, SCENE_NOW + 31, &attempts), LOGIN_ACCEPTED);
		assert_int_equal(attempts.count, i < 10 ? 1 : 2);
	}
}

STORE_TEST(a_stranger_is_forgotten_after_a_day)
{
	struct login_attempts attempts;
	struct account found;

	(void)fail_login("nobody@example.org", SCENE_NOW, &attempts);
	assert_int_equal(store_tend(SCENE_NOW + STORE_STRANGER_MS - 1), 0);
	(void)store_account_find_await("nobody@example.org", &found);
	assert_int_equal(found.attempts.count, 1);
	assert_int_equal(store_tend(SCENE_NOW + STORE_STRANGER_MS), 0);
	(void)store_account_find_await("nobody@example.org", &found);
	assert_int_equal(found.attempts.count, 0);
}

/* --- login --- */

STORE_TEST(a_login_makes_a_session_and_forgets_the_failures)
{
	struct login_attempts attempts;
	struct account found;

	scene_register("a");
	(void)fail_login("a@example.org", SCENE_NOW, &attempts);
	assert_int_equal(scene_login("a", "s", SCENE_NOW + 5), LOGIN_ACCEPTED);
	assert_int_equal(scene_lives("s", SCENE_NOW + 5), 1);
	assert_int_equal(store_account_get_await("id-a", &found), 1);
	assert_int_equal(found.attempts.count, 0);
	assert_int_equal(found.last_login_ms, SCENE_NOW + 5);
	assert_string_equal(found.hash, "hash-a");
}

STORE_TEST(a_login_while_the_account_is_locked_is_refused_until_the_lock_ends)
{
	struct login_attempts attempts;
	struct account found;

	scene_register("a");
	for (unsigned i = 0; i <= policy.free; i++)
		(void)fail_login("a@example.org", SCENE_NOW, &attempts);
	assert_int_equal(scene_login("a", "s", SCENE_NOW + 999), LOGIN_LOCKED);
	assert_int_equal(scene_lives("s", SCENE_NOW), 0);
	assert_int_equal(store_account_get_await("id-a", &found), 1);
	assert_int_equal(found.attempts.count, policy.free + 1);
	assert_int_equal(scene_login("a", "s", SCENE_NOW + 1000), LOGIN_ACCEPTED);
}

STORE_TEST(a_login_tells_until_when_it_is_locked)
{
	struct session_new session = scene_session("s", "a");
	struct login_request request = {
		.session = &session, .hash = "hash-a", .now_ms = SCENE_NOW
	};
	struct login_attempts attempts;
	struct login_result result;

	scene_register("a");
	for (unsigned i = 0; i <= policy.free; i++)
		(void)fail_login("a@example.org", SCENE_NOW, &attempts);
	assert_int_equal(store_login_await(&request, &result), LOGIN_LOCKED);
	assert_int_equal(result.account.attempts.locked_until_ms, SCENE_NOW + policy.base_ms);
}

STORE_TEST(a_login_of_a_suspended_account_is_refused)
{
	struct account account = scene_account("a");
	struct session_new session = scene_session("first", "a");

	account.status = ACCOUNT_SUSPENDED;
	assert_int_equal(store_account_create_await(&account, &session), 1);
	assert_int_equal(scene_login("a", "s", SCENE_NOW), LOGIN_SUSPENDED);
	assert_int_equal(scene_lives("s", SCENE_NOW), 0);
}

STORE_TEST(a_login_of_nobody_or_with_a_hash_of_yesterday_is_gone)
{
	struct session_new session = scene_session("s", "a");
	struct login_request request = {
		.session = &session, .hash = "hash-of-yesterday", .now_ms = SCENE_NOW
	};
	struct login_result result;

	scene_register("a");
	assert_int_equal(store_login_await(&request, &result), LOGIN_GONE);
	assert_int_equal(scene_login("b", "s", SCENE_NOW), LOGIN_GONE);
	assert_int_equal(scene_lives("s", SCENE_NOW), 0);
}

STORE_TEST(a_login_may_replace_the_hash)
{
	struct session_new session = scene_session("s", "a");
	struct login_request request = { .session = &session,
		.hash = "hash-a",
		.new_hash = "$2b$12$better",
		.now_ms = SCENE_NOW };
	struct login_result result;
	struct account found;

	scene_register("a");
	assert_int_equal(store_login_await(&request, &result), LOGIN_ACCEPTED);
	assert_string_equal(result.account.hash, "$2b$12$better");
	assert_int_equal(store_account_get_await("id-a", &found), 1);
	assert_string_equal(found.hash, "$2b$12$better");
	assert_int_equal(scene_login("a", "t", SCENE_NOW), LOGIN_GONE);
}

STORE_TEST(one_session_too_many_ends_the_one_used_longest_ago)
{
	struct session_new session = scene_session("last", "a");
	struct login_request request = { .session = &session, .hash = "hash-a" };
	struct login_result result;
	char name[16];

	scene_register("a"); /* session "a", used at SCENE_NOW */
	scene_register("b");
	for (int i = 1; i < STORE_SESSIONS_PER_ACCOUNT_MAX; i++) {
		(void)snprintf(name, sizeof(name), "s%d", i);
		assert_int_equal(scene_login("a", name, SCENE_NOW + i), LOGIN_ACCEPTED);
	}
	assert_int_equal(scene_lives("a", SCENE_NOW), 1);
	/* A refresh counts as use: now s1 is the oldest. */
	assert_int_equal(scene_refresh("a", "a2", SCENE_NOW + 500), REFRESH_ROTATED);
	request.now_ms = session.session.used_ms = SCENE_NOW + 1000;
	assert_int_equal(store_login_await(&request, &result), LOGIN_ACCEPTED);
	assert_string_equal(result.ended, "s1");
	assert_int_equal(scene_lives("s1", SCENE_NOW), 0);
	assert_int_equal(scene_lives("a", SCENE_NOW), 1);
	assert_int_equal(scene_lives("s2", SCENE_NOW), 1);
	assert_int_equal(scene_lives("last", SCENE_NOW), 1);
	assert_int_equal(scene_lives("b", SCENE_NOW), 1);
	assert_int_equal(store_sessions_end_await("id-a"), STORE_SESSIONS_PER_ACCOUNT_MAX);
}

STORE_TEST(a_login_below_the_maximum_ends_no_session)
{
	struct session_new session = scene_session("s", "a");
	struct login_request request = {
		.session = &session, .hash = "hash-a", .now_ms = SCENE_NOW
	};
	struct login_result result = { .ended = "?" };

	scene_register("a");
	assert_int_equal(store_login_await(&request, &result), LOGIN_ACCEPTED);
	assert_string_equal(result.ended, "");
}

/* --- sessions --- */

STORE_TEST(a_session_is_found_with_its_account_until_it_is_idle_too_long)
{
	struct session_new new = scene_session("s", "a");
	struct account account = scene_account("a"), found;
	struct session session;

	assert_int_equal(store_account_create_await(&account, &new), 1);
	assert_int_equal(store_session_find_await("s", SCENE_NOW, &session, &found), 1);
	assert_sessions_equal(&session, &new.session);
	assert_accounts_equal(&found, &account);
	assert_int_equal(scene_lives("s", SCENE_NOW + SCENE_IDLE_MS - 1), 1);
	assert_int_equal(scene_lives("s", SCENE_NOW + SCENE_IDLE_MS), 0);
	assert_int_equal(scene_lives("t", SCENE_NOW), 0);
}

STORE_TEST(a_session_ends_for_good_however_often_it_is_used)
{
	char from[16] = "a", to[16];
	int64_t now = SCENE_NOW;

	scene_register("a");
	for (unsigned i = 0; i < 4; i++) {
		(void)snprintf(to, sizeof(to), "t%u", i);
		now += SCENE_IDLE_MS - 1;
		if (now >= SCENE_NOW + SCENE_ENDS_MS)
			break;
		assert_int_equal(scene_refresh(from, to, now), REFRESH_ROTATED);
		memcpy(from, to, sizeof(from));
	}
	assert_int_equal(scene_lives("a", SCENE_NOW + SCENE_ENDS_MS - 1), 1);
	assert_int_equal(scene_lives("a", SCENE_NOW + SCENE_ENDS_MS), 0);
	assert_int_equal(scene_refresh(from, "x", SCENE_NOW + SCENE_ENDS_MS), REFRESH_EXPIRED);
}

STORE_TEST(a_session_of_a_suspended_account_is_found_and_says_so)
{
	struct session_new session = scene_session("s", "a");
	struct account account = scene_account("a");

	account.status = ACCOUNT_SUSPENDED;
	assert_int_equal(store_account_create_await(&account, &session), 1);
	assert_int_equal(store_session_find_await("s", SCENE_NOW, &session.session, &account), 1);
	assert_int_equal(account.status, ACCOUNT_SUSPENDED);
}

STORE_TEST(an_ended_session_is_gone_with_its_refresh_tokens)
{
	scene_register("a");
	assert_int_equal(store_session_end_await("a"), 1);
	assert_int_equal(store_session_end_await("a"), 0);
	assert_int_equal(scene_lives("a", SCENE_NOW), 0);
	assert_int_equal(scene_refresh("a", "b", SCENE_NOW), REFRESH_UNKNOWN);
}

STORE_TEST(a_refresh_token_ends_its_session_and_no_other)
{
	uint8_t hash[STORE_DIGEST_BYTES];
	char id[STORE_ID_BYTES_MAX + 1];

	scene_register("a");
	scene_register("b");
	assert_int_equal(scene_refresh("a", "a2", SCENE_NOW), REFRESH_ROTATED);
	scene_digest("unknown", hash);
	assert_int_equal(store_session_end_by_refresh_await(hash, id), 0);
	scene_digest("a", hash); /* used, but known */
	assert_int_equal(store_session_end_by_refresh_await(hash, id), 1);
	assert_string_equal(id, "a");
	assert_int_equal(scene_lives("a", SCENE_NOW), 0);
	assert_int_equal(scene_lives("b", SCENE_NOW), 1);
	assert_int_equal(store_session_end_by_refresh_await(hash, id), 0);
}

STORE_TEST(all_sessions_of_an_account_end_and_those_of_others_live)
{
	scene_register("a");
	scene_register("b");
	assert_int_equal(scene_login("a", "s1", SCENE_NOW), LOGIN_ACCEPTED);
	assert_int_equal(scene_login("a", "s2", SCENE_NOW), LOGIN_ACCEPTED);
	assert_int_equal(store_sessions_end_await("id-a"), 3);
	assert_int_equal(store_sessions_end_await("id-a"), 0);
	assert_int_equal(store_sessions_end_await("id-nobody"), 0);
	assert_int_equal(scene_lives("s1", SCENE_NOW), 0);
	assert_int_equal(scene_lives("b", SCENE_NOW), 1);
	assert_int_equal(scene_refresh("s2", "x", SCENE_NOW), REFRESH_UNKNOWN);
}

STORE_TEST(sessions_of_everybody_end_some_at_a_time_until_there_are_none)
{
	char account[16], session[24];
	unsigned count = 0;

	for (unsigned i = 0; count <= STORE_ENDED_MAX; i++) {
		(void)snprintf(account, sizeof(account), "a%u", i);
		scene_register(account); /* and logs in */
		count++;
		for (unsigned j = 1; j < STORE_SESSIONS_PER_ACCOUNT_MAX; j++, count++) {
			(void)snprintf(session, sizeof(session), "s%u-%u", i, j);
			assert_int_equal(scene_login(account, session, SCENE_NOW), LOGIN_ACCEPTED);
		}
	}
	assert_int_equal(store_sessions_end_some_await(), STORE_ENDED_MAX);
	assert_int_equal(store_sessions_end_some_await(), count - STORE_ENDED_MAX);
	assert_int_equal(store_sessions_end_some_await(), 0);
	assert_int_equal(scene_lives("a0", SCENE_NOW), 0);
	assert_int_equal(scene_lives("s3-7", SCENE_NOW), 0);
	assert_int_equal(scene_refresh("s3-7", "x", SCENE_NOW), REFRESH_UNKNOWN);
	assert_int_equal(scene_login("a3", "again", SCENE_NOW), LOGIN_ACCEPTED);
	assert_int_equal(scene_lives("again", SCENE_NOW), 1);
}

STORE_TEST(the_sweep_removes_what_has_ended_and_nothing_else)
{
	char name[16];

	scene_register("a");
	for (unsigned i = 0; i < 50; i++) {
		(void)snprintf(name, sizeof(name), "s%u", i);
		assert_int_equal(scene_login("a", name, SCENE_NOW), LOGIN_ACCEPTED);
	}
	assert_int_equal(scene_refresh("s7", "s7b", SCENE_NOW + 1), REFRESH_ROTATED);
	assert_int_equal(store_tend(SCENE_NOW + SCENE_IDLE_MS), 0);
	assert_int_equal(scene_lives("s7", SCENE_NOW), 1);
	/* Had they only ended by their time they would be found in the past. */
	assert_int_equal(scene_lives("s8", SCENE_NOW), 0);
	assert_int_equal(store_sessions_end_await("id-a"), 1);
	assert_int_equal(scene_refresh("s8", "x", SCENE_NOW), REFRESH_UNKNOWN);
}

static uint64_t sessions_counted(int64_t now_ms)
{
	const char *why;
	void *connection;
	uint64_t count;

	assert_int_equal(store_connect(&connection, &why), 0);
	assert_int_equal(store_backend()->sessions_count(connection, now_ms, &count), 0);
	store_backend()->disconnect(connection);
	return count;
}

STORE_TEST(sessions_that_live_are_counted)
{
	struct session_new ended = scene_session("ended", "a");

	scene_register("a");
	scene_register("b");
	assert_int_equal(scene_login("a", "s1", SCENE_NOW), LOGIN_ACCEPTED);
	assert_int_equal(store_session_end_await("s1"), 1);
	assert_int_equal(scene_login("a", "s2", SCENE_NOW), LOGIN_ACCEPTED);
	/* The daemon's registrations that grant nothing are such. */
	ended.session.idle_until_ms = ended.session.ends_ms = 1;
	assert_int_equal(store_login_await(
				 &(struct login_request){
					 .session = &ended, .hash = "hash-a", .now_ms = SCENE_NOW },
				 &(struct login_result){}),
		LOGIN_ACCEPTED);
	assert_int_equal(store_tend(2), 0); /* which not every backend needs for that */
	assert_int_equal(sessions_counted(2), 3);
}

/* --- refresh tokens --- */

STORE_TEST(a_refresh_moves_the_idle_end_and_gives_both_records)
{
	struct refresh_request request = {
		.now_ms = SCENE_NOW + 1000, .idle_ms = 5000, .grace_ms = 0
	};
	struct account account = scene_account("a");
	struct refresh_result result;

	scene_register("a");
	scene_digest("a", request.hash);
	scene_digest("b", request.new_hash);
	assert_int_equal(store_refresh_await(&request, &result), REFRESH_ROTATED);
	assert_accounts_equal(&result.account, &account);
	assert_string_equal(result.session.id, "a");
	assert_int_equal(result.session.used_ms, SCENE_NOW + 1000);
	assert_int_equal(result.session.idle_until_ms, SCENE_NOW + 6000);
	assert_int_equal(scene_lives("a", SCENE_NOW + 5999), 1);
	assert_int_equal(scene_lives("a", SCENE_NOW + 6000), 0);
}

STORE_TEST(an_unknown_refresh_token_does_nothing)
{
	scene_register("a");
	assert_int_equal(scene_refresh("b", "c", SCENE_NOW), REFRESH_UNKNOWN);
	assert_int_equal(scene_lives("a", SCENE_NOW), 1);
}

STORE_TEST(within_the_grace_the_same_client_gets_another_token)
{
	scene_register("a");
	assert_int_equal(scene_refresh("a", "b", SCENE_NOW), REFRESH_ROTATED);
	assert_int_equal(scene_refresh("a", "c", SCENE_NOW + 10000), REFRESH_ROTATED);
	assert_int_equal(scene_refresh("b", "d", SCENE_NOW + 10001), REFRESH_ROTATED);
	assert_int_equal(scene_refresh("c", "e", SCENE_NOW + 10002), REFRESH_ROTATED);
	assert_int_equal(scene_lives("a", SCENE_NOW), 1);
}

STORE_TEST(after_the_grace_a_used_token_ends_the_session)
{
	scene_register("a");
	assert_int_equal(scene_refresh("a", "b", SCENE_NOW), REFRESH_ROTATED);
	/* Counted from its first use, not from the last. */
	assert_int_equal(scene_refresh("a", "c", SCENE_NOW + 9000), REFRESH_ROTATED);
	assert_int_equal(scene_refresh("a", "d", SCENE_NOW + 10001), REFRESH_REUSED);
	assert_int_equal(scene_lives("a", SCENE_NOW), 0);
	assert_int_equal(scene_refresh("b", "e", SCENE_NOW + 10002), REFRESH_UNKNOWN);
}

STORE_TEST(without_a_grace_a_token_is_good_once_also_within_a_millisecond)
{
	struct refresh_request request = { .now_ms = SCENE_NOW, .idle_ms = 5000, .grace_ms = 0 };
	struct refresh_result result;

	scene_register("a");
	scene_digest("a", request.hash);
	scene_digest("b", request.new_hash);
	assert_int_equal(store_refresh_await(&request, &result), REFRESH_ROTATED);
	scene_digest("c", request.new_hash);
	assert_int_equal(store_refresh_await(&request, &result), REFRESH_REUSED);
	assert_int_equal(scene_lives("a", SCENE_NOW), 0);
}

STORE_TEST(another_client_has_no_grace)
{
	struct refresh_request request = { .now_ms = SCENE_NOW + 1, .grace_ms = 10000 };
	struct refresh_result result;

	scene_register("a");
	assert_int_equal(scene_refresh("a", "b", SCENE_NOW), REFRESH_ROTATED);
	scene_digest("a", request.hash);
	scene_digest("c", request.new_hash);
	scene_digest("thief", request.client);
	assert_int_equal(store_refresh_await(&request, &result), REFRESH_REUSED);
	assert_string_equal(result.session.id, "a");
	assert_int_equal(scene_lives("a", SCENE_NOW), 0);
}

STORE_TEST(another_client_may_use_a_token_that_is_new)
{
	struct refresh_request request = { .now_ms = SCENE_NOW + 1, .idle_ms = 1000 };
	struct refresh_result result;

	scene_register("a"); /* a phone moves from one network to the next */
	scene_digest("a", request.hash);
	scene_digest("b", request.new_hash);
	scene_digest("elsewhere", request.client);
	assert_int_equal(store_refresh_await(&request, &result), REFRESH_ROTATED);
}

STORE_TEST(an_expired_session_is_not_refreshed)
{
	scene_register("a");
	assert_int_equal(scene_refresh("a", "b", SCENE_NOW + SCENE_IDLE_MS), REFRESH_EXPIRED);
	assert_int_equal(scene_refresh("b", "c", SCENE_NOW), REFRESH_UNKNOWN);
}

STORE_TEST(a_suspended_account_is_not_refreshed_and_loses_nothing)
{
	struct session_new session = scene_session("a", "a");
	struct account account = scene_account("a");

	account.status = ACCOUNT_SUSPENDED;
	assert_int_equal(store_account_create_await(&account, &session), 1);
	assert_int_equal(scene_refresh("a", "b", SCENE_NOW), REFRESH_SUSPENDED);
	assert_int_equal(scene_refresh("b", "c", SCENE_NOW), REFRESH_UNKNOWN);
	assert_int_equal(scene_refresh("a", "b", SCENE_NOW), REFRESH_SUSPENDED);
}

STORE_TEST(refresh_tokens_beyond_the_maximum_are_forgotten_oldest_first)
{
	char from[16] = "a", to[16];

	scene_register("a");
	for (int i = 1; i <= STORE_REFRESH_PER_SESSION_MAX; i++) {
		(void)snprintf(to, sizeof(to), "t%d", i);
		assert_int_equal(scene_refresh(from, to, SCENE_NOW + i), REFRESH_ROTATED);
		memcpy(from, to, sizeof(from));
	}
	/* 64 are remembered beside the first, so that one is unknown, and the second is reused. */
	assert_int_equal(scene_refresh("a", "x", SCENE_NOW + 100000), REFRESH_UNKNOWN);
	assert_int_equal(scene_lives("a", SCENE_NOW), 1);
	assert_int_equal(scene_refresh("t1", "x", SCENE_NOW + 100000), REFRESH_REUSED);
}

struct refresher {
	char to[16];
	int outcome;
};

static void refresh_same(void *arg)
{
	struct refresher *refresher = arg;

	refresher->outcome = scene_refresh("a", refresher->to, SCENE_NOW);
}

STORE_TEST(parallel_refreshes_with_one_token_all_rotate_within_the_grace)
{
	struct refresher refreshers[16] = {};

	scene_register("a");
	for (unsigned i = 0; i < ARRAY_SIZE(refreshers); i++)
		(void)snprintf(refreshers[i].to, sizeof(refreshers[i].to), "t%u", i);
	scene_together(ARRAY_SIZE(refreshers), refresh_same, refreshers, sizeof(refreshers[0]));
	for (unsigned i = 0; i < ARRAY_SIZE(refreshers); i++)
		assert_int_equal(refreshers[i].outcome, REFRESH_ROTATED);
	assert_int_equal(scene_refresh("a", "x", SCENE_NOW + 10001), REFRESH_REUSED);
	assert_int_equal(scene_refresh("t3", "x", SCENE_NOW + 10001), REFRESH_UNKNOWN);
}

/* --- keys --- */

static struct store_key key_of(unsigned number, const char *algorithm)
{
	struct store_key key = { .is_active = true, .created_ms = SCENE_NOW + number };

	(void)snprintf(key.kid, sizeof(key.kid), "kid%u", number);
	(void)snprintf(key.algorithm, sizeof(key.algorithm), "%s", algorithm);
	key.material_bytes = 200;
	for (unsigned i = 0; i < key.material_bytes; i++)
		key.material[i] = (char)(number + i);
	return key;
}

STORE_TEST(a_key_is_kept_and_is_the_active_one)
{
	struct store_key key = key_of(1, "ES256");
	struct store_key *keys = calloc(STORE_KEYS_MAX, sizeof(*keys));

	assert_int_equal(store_keys_load(keys), 0);
	assert_int_equal(store_key_add(&key, INT64_MIN), 1);
	assert_int_equal(store_keys_load(keys), 1);
	assert_string_equal(keys[0].kid, "kid1");
	assert_string_equal(keys[0].algorithm, "ES256");
	assert_int_equal(keys[0].material_bytes, key.material_bytes);
	assert_memory_equal(keys[0].material, key.material, key.material_bytes);
	assert_true(keys[0].is_active);
	assert_int_equal(keys[0].created_ms, key.created_ms);
	free(keys);
}

STORE_TEST(a_second_key_of_an_algorithm_is_not_added)
{
	struct store_key first = key_of(1, "ES256"), second = key_of(2, "ES256");
	struct store_key *keys = calloc(STORE_KEYS_MAX, sizeof(*keys));

	assert_int_equal(store_key_add(&first, INT64_MIN), 1);
	assert_int_equal(store_key_add(&second, INT64_MIN), 0);
	assert_int_equal(store_keys_load(keys), 1);
	free(keys);
}

STORE_TEST(of_too_many_keys_the_oldest_go_and_one_is_active)
{
	static const char *const algorithms[] = { "ES256", "EdDSA" };
	struct store_key *keys = calloc(STORE_KEYS_MAX, sizeof(*keys));
	unsigned active = 0;

	for (unsigned i = 1; i <= STORE_KEYS_MAX + 3; i++) {
		struct store_key key = key_of(i, algorithms[i % 2]);

		assert_int_equal(store_key_add(&key, INT64_MIN), 1);
	}
	assert_int_equal(store_keys_load(keys), STORE_KEYS_MAX);
	assert_true(keys[0].is_active);
	assert_string_equal(keys[0].kid, "kid11");
	assert_string_equal(keys[STORE_KEYS_MAX - 1].kid, "kid4");
	for (unsigned i = 0; i < STORE_KEYS_MAX; i++)
		active += keys[i].is_active;
	assert_int_equal(active, 1);
	free(keys);
}

/* --- the threads --- */

STORE_TEST(a_fresh_store_is_healthy)
{
	struct store_health health;

	assert_int_equal(store_tend(SCENE_NOW), 0);
	store_health(&health);
	assert_true(health.is_up);
	assert_string_equal(health.reason, "");
	assert_true(health.latency_us > 0);
}

static int register_one(const char *name)
{
	struct account account = scene_account(name);
	struct session_new session = scene_session(name, name);

	return store_account_create_await(&account, &session);
}

static void register_and_find(void *arg)
{
	struct racer *racer = arg;
	struct account found;

	racer->result = register_one(racer->name);
	for (unsigned i = 0; i < 5; i++)
		racer->result += store_account_get_await("id-r0", &found) >= 0;
	racer->result += scene_lives(racer->name, SCENE_NOW);
}

STORE_TEST(many_read_and_write_at_a_time)
{
	struct racer racers[100] = {};

	for (unsigned i = 0; i < ARRAY_SIZE(racers); i++)
		(void)snprintf(racers[i].name, sizeof(racers[i].name), "r%u", i);
	scene_together(ARRAY_SIZE(racers), register_and_find, racers, sizeof(racers[0]));
	for (unsigned i = 0; i < ARRAY_SIZE(racers); i++)
		assert_int_equal(racers[i].result, 7);
}
