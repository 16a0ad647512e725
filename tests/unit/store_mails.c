/* Changed passwords, tickets and mails to be sent, in every backend. */
#include "support/store_scene.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/macros.h"
#include "store/mails.h"

#define MINUTE INT64_C(60000)

/* --- changed passwords --- */

static int change(const char *account, const char *session, const char *hash)
{
	char id[80];
	const struct password_change request = { .account_id = id,
		.session_id = session,
		.hash = hash,
		.new_hash = "new-hash",
		.now_ms = SCENE_NOW + 5 };

	(void)snprintf(id, sizeof(id), "id-%s", account);
	return store_password_change_await(&request);
}

STORE_TEST(a_changed_password_ends_the_other_sessions)
{
	struct account found;

	scene_register("a");
	scene_register("b");
	assert_int_equal(scene_login("a", "a2", SCENE_NOW), LOGIN_ACCEPTED);
	assert_int_equal(change("a", "a2", "hash-a"), 1);
	assert_int_equal(scene_lives("a", SCENE_NOW), 0);
	assert_int_equal(scene_lives("a2", SCENE_NOW), 1);
	assert_int_equal(scene_lives("b", SCENE_NOW), 1);
	assert_int_equal(store_account_get_await("id-a", &found), 1);
	assert_string_equal(found.hash, "new-hash");
	assert_int_equal(found.updated_ms, SCENE_NOW + 5);
	assert_int_equal(store_account_get_await("id-b", &found), 1);
	assert_string_equal(found.hash, "hash-b");
}

STORE_TEST(a_password_that_is_another_by_now_is_not_changed)
{
	struct account found;

	scene_register("a");
	assert_int_equal(change("a", "", "hash-x"), 0);
	assert_int_equal(change("nobody", "", "hash-a"), 0);
	assert_int_equal(scene_lives("a", SCENE_NOW), 1);
	assert_int_equal(store_account_get_await("id-a", &found), 1);
	assert_string_equal(found.hash, "hash-a");
}

STORE_TEST(a_locked_account_changes_no_password)
{
	static const struct lockout_policy policy = {
		.free = 1, .base_ms = MINUTE, .max_ms = MINUTE
	};
	struct login_attempts attempts;
	struct account found;

	scene_register("a");
	for (int i = 0; i < 2; i++)
		assert_int_equal(store_login_fail_await("a@example.org", &policy,
					 SCENE_NOW - MINUTE + 6, &attempts),
			LOGIN_ACCEPTED);
	assert_int_equal(change("a", "a", "hash-a"), 0); /* it is locked for a millisecond more */
	assert_int_equal(store_account_get_await("id-a", &found), 1);
	assert_string_equal(found.hash, "hash-a");
}

/* --- tickets --- */

static int ticket_put(
	const char *name, const char *account, enum ticket_purpose purpose, int64_t created_ms)
{
	struct ticket ticket = {
		.purpose = purpose, .created_ms = created_ms, .expires_ms = SCENE_NOW + 30 * MINUTE
	};

	scene_digest(name, ticket.hash);
	(void)snprintf(ticket.account_id, sizeof(ticket.account_id), "id-%s", account);
	(void)snprintf(ticket.email_key, sizeof(ticket.email_key), "%s@example.org", account);
	return store_mail_ticket(&ticket);
}

static int ticket_find(const char *name, enum ticket_purpose purpose, int64_t now_ms)
{
	struct account account = { .id = "untouched" };
	uint8_t hash[STORE_DIGEST_BYTES];
	int r;

	scene_digest(name, hash);
	r = store_ticket_find_await(hash, purpose, now_ms, &account);
	assert_true((r == 1) == (strcmp(account.id, "untouched") != 0));
	return r;
}

static int ticket_use(const char *name, enum ticket_purpose purpose, struct account *ret_account)
{
	struct ticket_use use = {
		.purpose = purpose, .new_hash = "new-hash", .now_ms = SCENE_NOW + 7
	};

	scene_digest(name, use.hash);
	return store_ticket_use_await(&use, ret_account);
}

static void mails_open(void)
{
	const char *why = "";

	assert_int_equal(store_mails_open(&why), 0);
}

#define MAILS_TEST(name)                                                                           \
	static void name##_inner(void);                                                            \
	STORE_TEST(name)                                                                           \
	{                                                                                          \
		mails_open();                                                                      \
		name##_inner();                                                                    \
		store_mails_close();                                                               \
	}                                                                                          \
	static void name##_inner(void)

MAILS_TEST(a_ticket_is_good_for_its_purpose_until_it_expires)
{
	scene_register("a");
	assert_int_equal(ticket_put("t", "a", TICKET_RESET, SCENE_NOW), 1);
	assert_int_equal(ticket_find("t", TICKET_RESET, SCENE_NOW), 1);
	assert_int_equal(ticket_find("t", TICKET_RESET, SCENE_NOW + 30 * MINUTE - 1), 1);
	assert_int_equal(ticket_find("t", TICKET_RESET, SCENE_NOW + 30 * MINUTE), 0);
	assert_int_equal(ticket_find("t", TICKET_VERIFY, SCENE_NOW), 0);
	assert_int_equal(ticket_find("u", TICKET_RESET, SCENE_NOW), 0);
}

MAILS_TEST(nobody_gets_a_ticket_without_an_account)
{
	assert_int_equal(ticket_put("t", "a", TICKET_RESET, SCENE_NOW), 0);
	assert_int_equal(ticket_find("t", TICKET_RESET, SCENE_NOW), 0);
}

MAILS_TEST(a_ticket_for_an_address_that_the_account_no_longer_has_is_worthless)
{
	struct ticket ticket = { .purpose = TICKET_RESET,
		.account_id = "id-a",
		.email_key = "old@example.org",
		.expires_ms = SCENE_NOW + MINUTE };
	struct account account;

	scene_register("a");
	scene_digest("t", ticket.hash);
	assert_int_equal(store_mail_ticket(&ticket), 1);
	assert_int_equal(ticket_find("t", TICKET_RESET, SCENE_NOW), 0);
	assert_int_equal(ticket_use("t", TICKET_RESET, &account), 0);
}

MAILS_TEST(a_reset_replaces_the_password_and_ends_every_session)
{
	static const struct lockout_policy policy = {
		.free = 1, .base_ms = MINUTE, .max_ms = MINUTE
	};
	struct login_attempts attempts;
	struct account used, found;

	scene_register("a");
	scene_register("b");
	for (int i = 0; i < 2; i++)
		assert_true(store_login_fail_await(
				    "a@example.org", &policy, SCENE_NOW, &attempts) >= 0);
	assert_int_equal(ticket_put("t", "a", TICKET_RESET, SCENE_NOW), 1);
	assert_int_equal(ticket_put("v", "a", TICKET_VERIFY, SCENE_NOW), 1);
	assert_int_equal(ticket_put("t2", "a", TICKET_RESET, SCENE_NOW), 1);
	assert_int_equal(ticket_use("t", TICKET_RESET, &used), 1);
	assert_int_equal(store_account_get_await("id-a", &found), 1);
	assert_string_equal(found.hash, "new-hash");
	assert_true(found.is_email_verified && used.is_email_verified);
	assert_int_equal(found.updated_ms, SCENE_NOW + 7);
	assert_int_equal(found.attempts.count, 0);
	assert_int_equal(found.attempts.locked_until_ms, 0);
	assert_string_equal(used.id, "id-a");
	assert_int_equal(scene_lives("a", SCENE_NOW), 0);
	assert_int_equal(scene_lives("b", SCENE_NOW), 1);
	/* Once; and what was asked for before is worthless too. */
	assert_int_equal(ticket_use("t", TICKET_RESET, &used), 0);
	assert_int_equal(ticket_use("t2", TICKET_RESET, &used), 0);
	assert_int_equal(ticket_find("v", TICKET_VERIFY, SCENE_NOW), 1);
}

MAILS_TEST(a_password_that_an_administrator_sets_makes_tickets_for_one_worthless)
{
	const struct account values = { .hash = "other-hash" };
	const struct account_change change = { .id = "id-a",
		.fields = ACCOUNT_FIELD_PASSWORD,
		.values = &values,
		.now_ms = SCENE_NOW };
	struct account account;

	scene_register("a");
	scene_register("b");
	assert_int_equal(ticket_put("t", "a", TICKET_RESET, SCENE_NOW), 1);
	assert_int_equal(ticket_put("v", "a", TICKET_VERIFY, SCENE_NOW), 1);
	assert_int_equal(ticket_put("u", "b", TICKET_RESET, SCENE_NOW), 1);
	assert_int_equal(store_account_change_await(&change, &account), CHANGE_DONE);
	assert_int_equal(ticket_find("t", TICKET_RESET, SCENE_NOW), 0);
	assert_int_equal(ticket_find("v", TICKET_VERIFY, SCENE_NOW), 1);
	assert_int_equal(ticket_find("u", TICKET_RESET, SCENE_NOW), 1);
}

MAILS_TEST(tickets_of_a_deleted_account_are_worthless)
{
	scene_register("a");
	assert_int_equal(ticket_put("t", "a", TICKET_RESET, SCENE_NOW), 1);
	assert_int_equal(store_account_delete_await("id-a"), 1);
	assert_int_equal(ticket_find("t", TICKET_RESET, SCENE_NOW), 0);
}

MAILS_TEST(verifying_changes_nothing_else)
{
	struct account used, found;

	scene_register("a");
	assert_int_equal(ticket_put("v", "a", TICKET_VERIFY, SCENE_NOW), 1);
	assert_int_equal(ticket_use("v", TICKET_RESET, &used), 0);
	assert_int_equal(ticket_use("v", TICKET_VERIFY, &used), 1);
	assert_int_equal(ticket_use("v", TICKET_VERIFY, &used), 0);
	assert_int_equal(store_account_get_await("id-a", &found), 1);
	assert_true(found.is_email_verified);
	assert_string_equal(found.hash, "hash-a");
	assert_int_equal(scene_lives("a", SCENE_NOW), 1);
}

struct user {
	int result;
};

static void race_to_use(void *arg)
{
	struct user *user = arg;
	struct account account;

	user->result = ticket_use("t", TICKET_RESET, &account);
}

MAILS_TEST(of_many_who_use_a_ticket_at_a_time_one_wins)
{
	struct user users[16] = {};
	int won = 0;

	scene_register("a");
	assert_int_equal(ticket_put("t", "a", TICKET_RESET, SCENE_NOW), 1);
	scene_together(ARRAY_SIZE(users), race_to_use, users, sizeof(users[0]));
	for (size_t i = 0; i < ARRAY_SIZE(users); i++) {
		assert_in_range(users[i].result, 0, 1);
		won += users[i].result;
	}
	assert_int_equal(won, 1);
}

MAILS_TEST(one_ticket_more_makes_the_oldest_worthless)
{
	char name[16];

	scene_register("a");
	assert_int_equal(ticket_put("verify", "a", TICKET_VERIFY, SCENE_NOW - 1), 1);
	for (int i = 0; i <= STORE_TICKETS_PER_ACCOUNT_MAX; i++) {
		(void)snprintf(name, sizeof(name), "t%d", i);
		assert_int_equal(ticket_put(name, "a", TICKET_RESET, SCENE_NOW + i), 1);
	}
	assert_int_equal(ticket_find("t0", TICKET_RESET, SCENE_NOW), 0);
	assert_int_equal(ticket_find("t1", TICKET_RESET, SCENE_NOW), 1);
	assert_int_equal(ticket_find(name, TICKET_RESET, SCENE_NOW), 1);
	assert_int_equal(ticket_find("verify", TICKET_VERIFY, SCENE_NOW), 1);
}

MAILS_TEST(a_changed_password_makes_tickets_for_another_worthless)
{
	scene_register("a");
	assert_int_equal(ticket_put("t", "a", TICKET_RESET, SCENE_NOW), 1);
	assert_int_equal(ticket_put("v", "a", TICKET_VERIFY, SCENE_NOW), 1);
	assert_int_equal(change("a", "a", "hash-a"), 1);
	assert_int_equal(ticket_find("t", TICKET_RESET, SCENE_NOW), 0);
	assert_int_equal(ticket_find("v", TICKET_VERIFY, SCENE_NOW), 1);
}

MAILS_TEST(tickets_that_have_expired_are_swept)
{
	scene_register("a");
	assert_int_equal(ticket_put("t", "a", TICKET_RESET, SCENE_NOW), 1);
	assert_int_equal(store_tend(SCENE_NOW + 30 * MINUTE - 1), 0);
	assert_int_equal(ticket_find("t", TICKET_RESET, SCENE_NOW), 1);
	assert_int_equal(store_tend(SCENE_NOW + 30 * MINUTE), 0);
	assert_int_equal(ticket_find("t", TICKET_RESET, SCENE_NOW), 0);
}

/* --- mails --- */

static int put(const char *key, enum mail_kind kind, int64_t now_ms)
{
	return store_mail_put_await(kind, key, now_ms);
}

MAILS_TEST(mails_are_taken_in_the_order_in_which_they_are_due)
{
	struct mails_view view;
	struct mail mail;

	assert_int_equal(store_mails_view(&view), 0);
	assert_int_equal(view.count, 0);
	assert_int_equal(view.next_ms, 0);
	assert_int_equal(put("b@example.org", MAIL_RESET, SCENE_NOW + 2), 1);
	assert_int_equal(put("a@example.org", MAIL_VERIFY, SCENE_NOW + 1), 1);
	assert_int_equal(store_mails_view(&view), 0);
	assert_int_equal(view.count, 2);
	assert_int_equal(view.next_ms, SCENE_NOW + 1);
	assert_int_equal(store_mail_take(SCENE_NOW, SCENE_NOW + MINUTE, &mail), 0);
	assert_int_equal(store_mail_take(SCENE_NOW + 2, SCENE_NOW + MINUTE, &mail), 1);
	assert_string_equal(mail.email_key, "a@example.org");
	assert_int_equal(mail.kind, MAIL_VERIFY);
	assert_int_equal(mail.asked_ms, SCENE_NOW + 1);
	assert_int_equal(mail.next_ms, SCENE_NOW + MINUTE);
	assert_int_equal(mail.attempts, 1);
	assert_int_equal(store_mail_take(SCENE_NOW + 2, SCENE_NOW + MINUTE, &mail), 1);
	assert_string_equal(mail.email_key, "b@example.org");
	assert_int_equal(store_mail_take(SCENE_NOW + 2, SCENE_NOW + MINUTE, &mail), 0);
}

MAILS_TEST(one_that_waits_already_is_not_kept_twice)
{
	struct mails_view view;
	struct mail mail;

	for (int i = 0; i < 3; i++)
		assert_int_equal(put("a@example.org", MAIL_RESET, SCENE_NOW + i), 1);
	assert_int_equal(put("a@example.org", MAIL_VERIFY, SCENE_NOW + 9), 1);
	assert_int_equal(store_mails_view(&view), 0);
	assert_int_equal(view.count, 2);
	assert_int_equal(store_mail_take(SCENE_NOW, SCENE_NOW + MINUTE, &mail), 1);
	assert_int_equal(mail.asked_ms, SCENE_NOW);
	assert_int_equal(mail.kind, MAIL_RESET);
}

MAILS_TEST(a_mail_is_due_again_when_who_took_it_has_died)
{
	struct mail first, second;

	assert_int_equal(put("a@example.org", MAIL_RESET, SCENE_NOW), 1);
	assert_int_equal(store_mail_take(SCENE_NOW, SCENE_NOW + MINUTE, &first), 1);
	assert_int_equal(store_mail_take(SCENE_NOW + MINUTE - 1, SCENE_NOW, &second), 0);
	assert_int_equal(store_mail_take(SCENE_NOW + MINUTE, SCENE_NOW + 2 * MINUTE, &second), 1);
	assert_int_equal(second.attempts, 2);
	/* Who was only late must not decide any more. */
	first.next_ms = SCENE_NOW;
	assert_int_equal(store_mail_later(&first), 0);
	assert_int_equal(store_mail_done(&first), 0);
	assert_int_equal(store_mail_done(&second), 1);
	assert_int_equal(store_mail_done(&second), 0);
}

MAILS_TEST(a_mail_that_failed_is_tried_later)
{
	struct mails_view view;
	struct mail mail;

	assert_int_equal(put("a@example.org", MAIL_EXISTS, SCENE_NOW), 1);
	assert_int_equal(store_mail_take(SCENE_NOW, SCENE_NOW + MINUTE, &mail), 1);
	mail.next_ms = SCENE_NOW + 5 * MINUTE;
	assert_int_equal(store_mail_later(&mail), 1);
	assert_int_equal(store_mails_view(&view), 0);
	assert_int_equal(view.next_ms, SCENE_NOW + 5 * MINUTE);
	assert_int_equal(store_mail_take(SCENE_NOW + 5 * MINUTE - 1, SCENE_NOW, &mail), 0);
	assert_int_equal(store_mail_take(SCENE_NOW + 5 * MINUTE, SCENE_NOW, &mail), 1);
	assert_int_equal(mail.attempts, 2);
}

MAILS_TEST(a_mail_that_is_asked_for_while_it_is_sent_is_sent_again)
{
	struct mail mail;

	assert_int_equal(put("a@example.org", MAIL_RESET, SCENE_NOW), 1);
	assert_int_equal(put("a@example.org", MAIL_RESET, SCENE_NOW + 1), 1);
	assert_int_equal(store_mail_take(SCENE_NOW + 1, SCENE_NOW + MINUTE, &mail), 1);
	assert_int_equal(put("a@example.org", MAIL_RESET, SCENE_NOW + 2), 1);
	assert_int_equal(store_mail_done(&mail), 1);
	assert_int_equal(store_mail_take(SCENE_NOW + 1, SCENE_NOW + MINUTE, &mail), 0);
	assert_int_equal(store_mail_take(SCENE_NOW + 2, SCENE_NOW + MINUTE, &mail), 1);
	assert_int_equal(mail.asked_ms, SCENE_NOW + 2);
	assert_int_equal(store_mail_done(&mail), 1);
	assert_int_equal(store_mail_take(SCENE_NOW + MINUTE, SCENE_NOW + MINUTE, &mail), 0);
}

STORE_TEST(mails_survive_a_restart)
{
	struct mail mail;

	if (strcmp(STORE_BACKEND, "memory") == 0)
		return; /* which forgets, by design */
	assert_int_equal(put("a@example.org", MAIL_RESET, SCENE_NOW), 1);
	scene_restart();
	mails_open();
	assert_int_equal(store_mail_take(SCENE_NOW, SCENE_NOW + MINUTE, &mail), 1);
	store_mails_close();
}

struct putter {
	unsigned from, to, refused;
};

static void put_many(void *arg)
{
	struct putter *putter = arg;
	char key[64];

	for (unsigned i = putter->from; i < putter->to; i++) {
		(void)snprintf(key, sizeof(key), "a%u@example.org", i);
		putter->refused += put(key, MAIL_RESET, SCENE_NOW) == 0;
	}
}

MAILS_TEST(only_so_many_mails_wait)
{
	struct putter putters[64] = {};
	unsigned refused = 0, each = STORE_MAILS_MAX / 64 + 1;
	struct mails_view view;

	if (getenv("AUTHD_TEST_MONGODB"))
		return; /* a server over a socket needs minutes for so many; its bound is a rough
			   one */
	for (unsigned i = 0; i < 64; i++)
		putters[i] = (struct putter){ .from = i * each, .to = (i + 1) * each };
	scene_together(64, put_many, putters, sizeof(putters[0]));
	for (unsigned i = 0; i < 64; i++)
		refused += putters[i].refused;
	assert_int_equal(refused, 64 * each - STORE_MAILS_MAX);
	assert_int_equal(store_mails_view(&view), 0);
	assert_int_equal(view.count, STORE_MAILS_MAX);
}
