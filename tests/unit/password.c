/*
 * Password hashes against published vectors, and everything that must not match. All at the least
 * cost. What waits is run once, on a core of its own; several tests then look at what came back.
 */
#include "crypt/password.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "core/core.h"
#include "core/job.h"
#include "shared/clock.h"
#include "shared/err.h"
#include "shared/macros.h"
#include "support/test.h"

/* The tests of crypt_blowfish, at cost 5. */
#define HASH_U "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW" /* of "U*U" */

/* Repeated text of any length, for what is too long. */
static const char *letters(size_t len)
{
	static char text[PASSWORD_JOB_BYTES_MAX + 2];

	memset(text, 'a', len);
	text[len] = '\0';
	return text;
}

static void expect_match(const char *hash, const char *password, int expected)
{
	assert_int_equal(password_check(str_cstr(hash), str_cstr(password)), expected);
}

static void expect_new_hash(struct str password, unsigned cost, int expected)
{
	char hash[PASSWORD_HASH_BYTES] = "untouched";

	assert_int_equal(password_hash(password, cost, hash), expected);
	if (expected < 0)
		assert_string_equal(hash, "untouched");
	else
		assert_int_equal(password_check(str_cstr(hash), password), 1);
}

/* --- vectors --- */

TEST(published_bcrypt_hashes_match)
{
	expect_match(HASH_U, "U*U", 1);
	expect_match("$2a$05$CCCCCCCCCCCCCCCCCCCCC.VGOzA784oUp/Z0DY336zx7pLYAy0lwK", "U*U*", 1);
	expect_match("$2a$05$XXXXXXXXXXXXXXXXXXXXXOAcXxm9kjPGEMsLznoKqmqw7tc8WCx4a", "U*U*U", 1);
	expect_match("$2a$05$CCCCCCCCCCCCCCCCCCCCC.7uG0VCzI2bS7j6ymqJi9CdcdxiRTWNy", "", 1);
}

TEST(published_bcrypt_hash_of_eight_bit_characters_matches)
{
	expect_match(
		"$2y$05$/OK.fbVrR/bpIqNJ5ianF.CE5elHaaO4EbggVDjb8P19RukzXSM3e", "\xff\xff\xa3", 1);
}

TEST(published_hashes_of_other_formats_match)
{
	/* U. Drepper, "Unix crypt using SHA-256 and SHA-512". */
	expect_match("$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4"
		     "OTLiBFdcbYEdFCoEOfaS35inz1",
		"Hello world!", 1);
	/* The scrypt vector of RFC 7914 section 12, as crypt(5) writes it. */
	expect_match("$7$C6..../....SodiumChloride$kBGj9fHznVYFQMEn/qDCfrDevf9YDtcDdKvEqHJLV8D",
		"pleaseletmein", 1);
}

TEST(stored_yescrypt_hash_matches) /* made by libxcrypt: no vector is published */
{
	expect_match("$y$j75$k2XAnEHBqQ1Ct2aMXFKNa/$U714.Qb8scG3K4QGg/xKCyJYcAYtgz2YQfZyHILKld1",
		"Hello world!", 1);
}

TEST(bytes_behind_the_72nd_do_not_count_for_bcrypt)
{
	const char hash[] = "$2a$05$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui";

#define DIGITS_AND_LETTERS "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	expect_match(hash, DIGITS_AND_LETTERS "0123456789chars after 72 are ignored", 1);
	expect_match(hash, DIGITS_AND_LETTERS "0123456789", 1);
	expect_match(hash, DIGITS_AND_LETTERS "012345678", 0);
}

/* --- what does not match --- */

TEST(another_password_does_not_match)
{
	expect_match(HASH_U, "U*V", 0);
	expect_match(HASH_U, "u*u", 0);
	expect_match(HASH_U, "U*U ", 0);
	expect_match(HASH_U, "", 0);
}

TEST(a_hash_cut_short_does_not_match_at_any_length)
{
	for (size_t len = 0; len < sizeof(HASH_U) - 1; len++)
		assert_int_equal(password_check(str_of(HASH_U, len), STR("U*U")), 0);
}

TEST(what_is_no_hash_does_not_match)
{
	const char *const texts[] = { "", "U*U", "*0", "*1", "!", "x", "$", "$2", "$2b$", "$$",
		"$99$salt$", "$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyO:W" };

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		expect_match(texts[i], "U*U", 0);
}

TEST(a_des_hash_does_not_match)
{
	expect_match("abCY/CHNnliwA", "U*U", 0); /* what crypt("U*U", "ab") gives */
}

TEST(a_hash_behind_a_nul_byte_is_not_read)
{
	char hash[sizeof(HASH_U) + 1] = HASH_U;

	assert_int_equal(password_check(str_of(hash, sizeof(hash)), STR("U*U")), 0);
}

TEST(a_hash_may_have_its_greatest_length_and_not_one_more)
{
	char hash[PASSWORD_HASH_BYTES + 1];

	/* Neither is a hash: that no byte is read or written too far is for the sanitizer to see.
	 */
	memset(hash, 'a', sizeof(hash));
	hash[0] = '$';
	assert_int_equal(password_check(str_of(hash, PASSWORD_HASH_BYTES - 1), STR("U*U")), 0);
	assert_int_equal(password_check(str_of(hash, PASSWORD_HASH_BYTES), STR("U*U")), 0);
	assert_int_equal(password_check(str_of(hash, PASSWORD_HASH_BYTES + 1), STR("U*U")), 0);
}

TEST(a_password_with_a_nul_byte_does_not_match_what_is_before_it)
{
	assert_int_equal(password_check(STR(HASH_U), STR("U*U\0more")), 0);
	assert_int_equal(password_check(STR(HASH_U), STR("U*U\0")), 0);
}

TEST(a_password_too_long_for_a_job_does_not_match)
{
	char hash[PASSWORD_HASH_BYTES];

	assert_int_equal(password_hash(str_cstr(letters(72)), PASSWORD_COST_MIN, hash), 0);
	expect_match(hash, letters(PASSWORD_JOB_BYTES_MAX), 1); /* bcrypt reads 72 of them */
	expect_match(hash, letters(PASSWORD_JOB_BYTES_MAX + 1), 0);
}

/* These would take days, not seconds: the test ends only because they are not computed. */
TEST(a_bcrypt_cost_that_nobody_chose_is_not_computed)
{
	expect_match("$2b$31$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", "U*U", 0);
	expect_match("$2b$21$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", "U*U", 0);
	expect_match("$2b$03$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", "U*U", 0);
}

TEST(a_damaged_bcrypt_hash_of_great_cost_is_not_computed)
{
	expect_match("$2b$31$CCCCCCCCCCCCCCCCCCCCC.", "U*U", 0);
	expect_match("$2b$31$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeWW", "U*U", 0);
	expect_match("$2x$31$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", "U*U", 0);
}

/* --- new hashes --- */

TEST(a_new_hash_is_bcrypt_of_that_cost_and_matches)
{
	char hash[PASSWORD_HASH_BYTES];

	assert_int_equal(password_hash(STR("secret"), PASSWORD_COST_MIN, hash), 0);
	assert_true(str_starts(str_cstr(hash), STR("$2b$04$")));
	assert_int_equal(strlen(hash), 60);
	expect_match(hash, "secret", 1);
	expect_match(hash, "Secret", 0);
}

TEST(two_hashes_of_one_password_differ)
{
	char a[PASSWORD_HASH_BYTES], b[PASSWORD_HASH_BYTES];

	assert_int_equal(password_hash(STR("secret"), PASSWORD_COST_MIN, a), 0);
	assert_int_equal(password_hash(STR("secret"), PASSWORD_COST_MIN, b), 0);
	assert_string_not_equal(a, b);
}

TEST(a_password_to_hash_has_0_to_72_bytes)
{
	expect_new_hash(str_of(NULL, 0), PASSWORD_COST_MIN, 0);
	expect_new_hash(str_cstr(letters(PASSWORD_BCRYPT_BYTES_MAX)), PASSWORD_COST_MIN, 0);
	expect_new_hash(
		str_cstr(letters(PASSWORD_BCRYPT_BYTES_MAX + 1)), PASSWORD_COST_MIN, -EINVAL);
}

TEST(a_password_with_a_nul_byte_is_not_hashed)
{
	expect_new_hash(STR("sec\0ret"), PASSWORD_COST_MIN, -EINVAL);
}

TEST(a_cost_out_of_range_is_refused)
{
	expect_new_hash(STR("secret"), PASSWORD_COST_MIN - 1, -EINVAL);
	expect_new_hash(STR("secret"), PASSWORD_COST_MAX + 1, -EINVAL);
}

/* --- rehashing --- */

TEST(a_bcrypt_hash_of_the_cost_or_above_is_kept)
{
	assert_false(password_needs_rehash(STR(HASH_U), 4));
	assert_false(password_needs_rehash(STR(HASH_U), 5));
}

TEST(a_weaker_or_foreign_hash_is_made_again)
{
	assert_true(password_needs_rehash(STR(HASH_U), 6));
	assert_true(password_needs_rehash(STR(""), 4));
	assert_true(password_needs_rehash(STR("$6$saltstring$svn8UoSVapNtMuq1"), 4));
	assert_true(password_needs_rehash(
		STR("$2x$05$/OK.fbVrR/bpIqNJ5ianF.CE5elHaaO4EbggVDjb8P19RukzXSM3e"), 4));
}

/* --- threads --- */

static int start(unsigned threads, unsigned cost)
{
	const struct password_options options = {
		.threads = threads, .queued_max = 4, .cost = cost
	};

	return password_threads_start(&options);
}

TEST(before_the_start_work_is_refused)
{
	char hash[PASSWORD_HASH_BYTES] = "untouched";

	assert_null(password_queue());
	assert_int_equal(password_check_await(STR(HASH_U), STR("U*U")), -ERR_OVERLOADED);
	assert_int_equal(
		password_hash_await(STR("secret"), PASSWORD_COST_MIN, hash), -ERR_OVERLOADED);
	assert_string_equal(hash, "untouched");
}

TEST(options_out_of_range_do_not_start)
{
	assert_int_equal(start(0, PASSWORD_COST_MIN), -EINVAL);
	assert_int_equal(start(PASSWORD_THREADS_MAX + 1, PASSWORD_COST_MIN), -EINVAL);
	assert_int_equal(start(1, PASSWORD_COST_MIN - 1), -EINVAL);
	assert_int_equal(start(1, PASSWORD_COST_MAX + 1), -EINVAL);
	assert_null(password_queue());
}

TEST(threads_start_and_stop_more_than_once)
{
	for (int i = 0; i < 2; i++) {
		assert_int_equal(start(2, PASSWORD_COST_MIN), 0);
		assert_non_null(password_queue());
		password_threads_stop();
		assert_null(password_queue());
	}
	password_threads_stop();
}

/* A dummy hash, until the next one is asked for. */
static struct str dummy_hash(const char *name)
{
	static char text[PASSWORD_DUMMY_BYTES];

	return password_dummy_hash(str_cstr(name), text);
}

TEST(a_dummy_hash_has_the_configured_cost_and_no_password)
{
	struct str dummy;

	assert_int_equal(start(1, PASSWORD_COST_MIN), 0);
	dummy = dummy_hash("nobody@example.org");
	assert_int_equal(dummy.len, 60);
	assert_true(str_starts(dummy, STR("$2b$04$")));
	assert_int_equal(password_check(dummy, STR("")), 0);
	assert_int_equal(password_check(dummy, STR("secret")), 0);
	password_threads_stop();
}

TEST(a_name_has_one_dummy_hash_and_another_name_another_one)
{
	char first[PASSWORD_DUMMY_BYTES], again[PASSWORD_DUMMY_BYTES], other[PASSWORD_DUMMY_BYTES];

	assert_int_equal(start(1, PASSWORD_COST_MIN), 0);
	(void)password_dummy_hash(STR("nobody@example.org"), first);
	(void)password_dummy_hash(STR("nobody@example.org"), again);
	(void)password_dummy_hash(STR("noone@example.org"), other);
	password_threads_stop();
	assert_string_equal(first, again);
	/* Neither salt nor digest. */
	assert_memory_not_equal(first + 7, other + 7, 22);
	assert_memory_not_equal(first + 29, other + 29, 31);
}

TEST(before_the_start_there_is_no_dummy_hash)
{
	assert_int_equal(dummy_hash("nobody@example.org").len, 0);
	expect_match("no hash", "secret", 0);
}

static int64_t cpu_ns_of_check(struct str hash, struct str password)
{
	struct timespec before, after;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &before);
	assert_int_equal(password_check(hash, password), 0);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &after);
	return (after.tv_sec - before.tv_sec) * INT64_C(1000000000) + after.tv_nsec -
	       before.tv_nsec;
}

TEST(what_cannot_be_checked_costs_as_much_as_a_wrong_password)
{
	int64_t wrong;

	/* Cost 8 takes over 10 ms: far above what surrounds it. Half of it is far above noise. */
	assert_int_equal(start(1, 8), 0);
	wrong = cpu_ns_of_check(dummy_hash("nobody"), STR("secret"));
	assert_true(cpu_ns_of_check(STR("no hash"), STR("secret")) > wrong / 2);
	assert_true(cpu_ns_of_check(STR(""), STR("secret")) > wrong / 2);
	assert_true(cpu_ns_of_check(dummy_hash("nobody"), STR("sec\0ret")) > wrong / 2);
	assert_true(cpu_ns_of_check(dummy_hash("nobody"),
			    str_cstr(letters(PASSWORD_JOB_BYTES_MAX + 1))) > wrong / 2);
	assert_true(
		cpu_ns_of_check(STR("$2b$08$CCCCCCCCCC:CCCCCCCCCCuKo7XXnRgUaxTS4dDFlR7YnFPUErgq"),
			STR("secret")) > wrong / 2);
	password_threads_stop();
}

/* --- on fibers --- */

/* What the calls gave that were made on a core; cores start once in a process. */
static struct {
	bool is_done;
	int right, wrong, damaged;
	int hashed;
	char hash[PASSWORD_HASH_BYTES];
	int late;
	char late_hash[PASSWORD_HASH_BYTES];
	int crowd[3]; /* at the same time, with one thread and room for one in the queue */
	unsigned crowd_done;
	int after; /* when all of that is over */
} fibers;

#define CROWD_COST 10 /* 50 ms: the first is not over when the last one asks */

static void start_fiber(void (*entry)(void *arg), void *arg, uint64_t deadline_ns)
{
	struct fiber *fiber;

	if (fiber_start(core_current()->fibers, entry, arg, deadline_ns, &fiber) < 0)
		core_stop(core_current());
}

static void last_fiber(void *arg)
{
	(void)arg;
	/* The job that was given up has the only place until the thread looks at it. */
	while ((fibers.after = password_check_await(STR(HASH_U), STR("U*U"))) == -ERR_OVERLOADED)
		(void)fiber_wait_until_await(clock_after_ms(clock_now_ns(), 1));
	fibers.is_done = true;
	core_stop(core_current());
}

static void late_fiber(void *arg)
{
	(void)arg;
	strcpy(fibers.late_hash, "untouched");
	fibers.late = password_hash_await(STR("secret"), 12, fibers.late_hash);
	/* There is one thread: the last fiber's job is done after the one given up here. */
	start_fiber(last_fiber, NULL, CLOCK_NEVER);
}

static void crowd_fiber(void *arg)
{
	char hash[PASSWORD_HASH_BYTES];

	*(int *)arg = password_hash_await(STR("secret"), CROWD_COST, hash);
	if (++fibers.crowd_done == ARRAY_SIZE(fibers.crowd))
		start_fiber(late_fiber, NULL, clock_after_ms(clock_now_ns(), 20));
}

static void first_fiber(void *arg)
{
	(void)arg;
	fibers.right = password_check_await(STR(HASH_U), STR("U*U"));
	fibers.wrong = password_check_await(STR(HASH_U), STR("U*V"));
	fibers.damaged = password_check_await(STR("no hash"), STR("U*U"));
	fibers.hashed = password_hash_await(STR("secret"), PASSWORD_COST_MIN, fibers.hash);
	for (size_t i = 0; i < ARRAY_SIZE(fibers.crowd); i++)
		start_fiber(crowd_fiber, &fibers.crowd[i], CLOCK_NEVER);
}

static int on_start(struct core *core)
{
	(void)core;
	start_fiber(first_fiber, NULL, CLOCK_NEVER);
	return 0;
}

static void on_nothing(struct core *core)
{
	(void)core;
}

static void run_fibers_once(void)
{
	static const struct core_app app = { on_start, on_nothing, on_nothing };
	const struct password_options passwords = {
		.threads = 1, .queued_max = 1, .cost = PASSWORD_COST_MIN
	};
	const struct core_options options = {
		.cores = 1,
		.fibers_max = 8,
		.stack_bytes = 64 * 1024,
		.loop = { .entries = 64, .receive_buffers = 8, .receive_buffer_bytes = 4096 },
	};

	if (!fibers.is_done) {
		assert_int_equal(password_threads_start(&passwords), 0);
		assert_int_equal(cores_start(&options, &app), 0);
		assert_int_equal(cores_join(30000), 0);
		password_threads_stop();
	}
	assert_true(fibers.is_done);
}

TEST(a_fiber_gets_the_answer_of_a_check)
{
	run_fibers_once();
	assert_int_equal(fibers.right, 1);
	assert_int_equal(fibers.wrong, 0);
	assert_int_equal(fibers.damaged, 0);
}

TEST(a_fiber_gets_a_new_hash)
{
	run_fibers_once();
	assert_int_equal(fibers.hashed, 0);
	expect_match(fibers.hash, "secret", 1);
}

TEST(one_more_than_the_queue_holds_is_refused)
{
	unsigned refused = 0, hashed = 0;

	run_fibers_once();
	for (size_t i = 0; i < ARRAY_SIZE(fibers.crowd); i++) {
		refused += fibers.crowd[i] == -ERR_OVERLOADED;
		hashed += fibers.crowd[i] == 0;
	}
	/* Two are refused when the thread had not taken the first yet. */
	assert_true(refused == 1 || refused == 2);
	assert_int_equal(refused + hashed, ARRAY_SIZE(fibers.crowd));
}

TEST(a_fiber_whose_time_is_over_gets_no_hash)
{
	run_fibers_once();
	assert_int_equal(fibers.late, -ETIMEDOUT);
	assert_string_equal(fibers.late_hash, "untouched");
}

TEST(hashing_goes_on_after_a_fiber_gave_up)
{
	run_fibers_once();
	assert_int_equal(fibers.after, 1);
}
