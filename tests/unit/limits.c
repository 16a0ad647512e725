/* The limits by name, and who they count for. */
#include "support/test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "guard/limits.h"
#include "shared/clock.h"
#include "shared/macros.h"

#define START (1000 * NS_PER_S)
#define MINUTE (60 * NS_PER_S)

static void start(void)
{
	struct limits_options options = { .subjects_max = 1024 };

	options.rates[LIMIT_LOGIN] = (struct limiter_rate){ 3, MINUTE };
	options.rates[LIMIT_ACCOUNT] = (struct limiter_rate){ 2, MINUTE };
	options.rates[LIMIT_FAILURES] = (struct limiter_rate){ 4, MINUTE };
	assert_int_equal(limits_apply(&options), 0);
}

static struct address address(const char *text)
{
	struct address address;

	assert_int_equal(address_parse_host(str_cstr(text), &address), 0);
	return address;
}

static bool are_same(struct subject a, struct subject b)
{
	return a.key == b.key && a.kind == b.kind;
}

static struct subject by_address(const char *text)
{
	struct address parsed = address(text);

	return subject_of_address(&parsed);
}

static struct subject by_network(const char *text)
{
	struct address parsed = address(text);

	return subject_of_network(&parsed);
}

static unsigned take_all(enum limit limit, struct subject subject)
{
	unsigned taken = 0;

	while (limit_take(limit, &subject, START).is_allowed)
		taken++;
	return taken;
}

TEST(ipv4_counts_by_address_and_ipv6_by_subscriber)
{
	assert_false(are_same(by_address("192.0.2.1"), by_address("192.0.2.2")));
	assert_true(are_same(by_address("2001:db8:1:2::1"), by_address("2001:db8:1:2:ffff::9")));
	assert_false(are_same(by_address("2001:db8:1:2::1"), by_address("2001:db8:1:3::1")));
	assert_true(are_same(by_address("::ffff:192.0.2.1"), by_address("192.0.2.1")));
	assert_false(are_same(by_address("0:0:0:c000::1"), by_address("0.0.192.0")));
}

TEST(failures_count_by_network)
{
	assert_true(are_same(by_network("192.0.2.1"), by_network("192.0.2.254")));
	assert_false(are_same(by_network("192.0.2.1"), by_network("192.0.3.1")));
	assert_true(are_same(by_network("2001:db8::1"), by_network("2001:db8::2")));
	assert_false(are_same(by_network("192.0.2.0"), by_address("192.0.2.0")));
}

TEST(subjects_have_texts_that_name_them_again)
{
	static const char *const texts[] = { "192.0.2.0/24", "2001:db8:1:2::/64", "unknown",
		"account:0123456789abcdef" };
	struct subject subjects[SUBJECT_MEANINGS_MAX];
	char text[SUBJECT_TEXT_BYTES];

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		assert_int_equal(subject_parse(str_cstr(texts[i]), subjects), 1);
		assert_true(str_equal(subject_text(&subjects[0], text), str_cstr(texts[i])));
	}
	assert_int_equal(subject_parse(STR("192.0.2.7"), subjects), 2);
	assert_true(are_same(subjects[0], by_network("192.0.2.7")));
	assert_true(are_same(subjects[1], by_address("192.0.2.7")));
	assert_true(str_equal(subject_text(&subjects[1], text), STR("192.0.2.7")));
	assert_int_equal(subject_parse(STR("ann@example.org"), subjects), 1);
	assert_true(are_same(subjects[0], subject_of_account(STR("ann@example.org"))));
}

TEST(what_names_no_subject_is_refused)
{
	static const char *const texts[] = { "", "ann", "192.0.2.0/25", "192.0.2.1/24",
		"2001:db8::/48", "account:", "account:0123456789abcde",
		"account:0123456789abcdeg" };
	struct subject subjects[SUBJECT_MEANINGS_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		assert_int_equal(subject_parse(str_cstr(texts[i]), subjects), -EINVAL);
}

TEST(a_limit_that_is_off_allows_everything_and_counts_nothing)
{
	struct subject subject = by_address("192.0.2.1");
	struct limit_info info;

	start();
	assert_false(limit_is_on(LIMIT_VERIFY));
	for (unsigned i = 0; i < 1000; i++)
		assert_true(limit_take(LIMIT_VERIFY, &subject, START).is_allowed);
	limit_info(LIMIT_VERIFY, &info);
	assert_false(info.is_on);
	assert_int_equal(info.counts.allowed, 0);
	limits_stop();
	assert_true(limit_take(LIMIT_LOGIN, &subject, START).is_allowed);
}

TEST(limits_say_what_they_are_and_what_they_decided)
{
	struct limit_info info;

	start();
	assert_int_equal(take_all(LIMIT_LOGIN, by_address("192.0.2.1")), 3);
	limit_info(LIMIT_LOGIN, &info);
	assert_string_equal(info.name, "login");
	assert_true(info.is_on);
	assert_int_equal(info.rate.count, 3);
	assert_int_equal(info.rate.window_ns, MINUTE);
	assert_int_equal(info.counts.allowed, 3);
	assert_int_equal(info.counts.refused, 1);
	limits_stop();
}

TEST(the_worst_offenders_come_first)
{
	struct limit_offender top[3];

	start();
	for (unsigned i = 0; i < 5; i++) {
		struct subject subject;
		char text[SUBJECT_TEXT_BYTES];

		(void)snprintf(text, sizeof(text), "192.0.2.%u", i + 1);
		subject = by_address(text);
		assert_int_equal(take_all(LIMIT_LOGIN, subject), 3);
		for (unsigned j = 0; j < i; j++)
			(void)limit_take(LIMIT_LOGIN, &subject, START);
	}
	assert_int_equal(take_all(LIMIT_ACCOUNT, subject_of_account(STR("a@b.example"))), 2);
	assert_int_equal(limits_top(top, 3, START), 3);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(top[i].limit, LIMIT_LOGIN);
		assert_int_equal(top[i].count, 3);
		assert_int_equal(top[i].entry.refused, 5 - i);
	}
	assert_true(are_same(top[0].entry.subject, by_address("192.0.2.5")));
	assert_int_equal(limits_top(top, 3, START + 60 * NS_PER_S), 0);
	limits_stop();
}

TEST(clearing_an_address_clears_its_network_too)
{
	start();
	assert_int_equal(take_all(LIMIT_LOGIN, by_address("192.0.2.1")), 3);
	assert_int_equal(take_all(LIMIT_FAILURES, by_network("192.0.2.9")), 4);
	assert_int_equal(limits_clear(STR("192.0.2.1"), START), 2);
	assert_int_equal(limits_clear(STR("192.0.2.1"), START), 0);
	assert_int_equal(take_all(LIMIT_LOGIN, by_address("192.0.2.1")), 3);
	assert_int_equal(take_all(LIMIT_FAILURES, by_network("192.0.2.1")), 4);
	assert_int_equal(limits_clear(STR("nobody"), START), -EINVAL);
	limits_stop();
}

TEST(limits_change_while_they_count)
{
	struct limits_options options = { .subjects_max = 1024 };
	struct limit_info info;

	start();
	assert_int_equal(take_all(LIMIT_LOGIN, by_address("192.0.2.1")), 3);
	options.rates[LIMIT_LOGIN] = (struct limiter_rate){ 5, MINUTE };
	options.rates[LIMIT_VERIFY] = (struct limiter_rate){ 7, MINUTE };
	assert_int_equal(limits_apply(&options), 0);
	assert_int_equal(take_all(LIMIT_LOGIN, by_address("192.0.2.2")), 5);
	assert_int_equal(take_all(LIMIT_VERIFY, by_address("192.0.2.2")), 7);
	assert_false(limit_is_on(LIMIT_ACCOUNT));
	assert_true(limit_take(LIMIT_ACCOUNT, &(struct subject){ 1, SUBJECT_ACCOUNT }, START)
			    .is_allowed);
	/* What was used before is still used, and what was counted is still known. */
	assert_int_equal(take_all(LIMIT_LOGIN, by_address("192.0.2.1")), 0);
	limit_info(LIMIT_LOGIN, &info);
	assert_int_equal(info.counts.allowed, 8);
	limits_stop();
}
