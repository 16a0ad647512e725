/*
 * The hashing threads: who gets a lane, who leaves one, who shares a hash. The linker wraps the
 * bcrypt kernel, so that a test can stop it, do something meanwhile, and let it go on: nothing
 * depends on how fast a hash is.
 */
#include "crypt/password.h"

#include <errno.h>
#include <sched.h>
#include <string.h>

#include "core/core.h"
#include "core/job.h"
#include "crypt/bcrypt.h"
#include "crypt/password_sharing.h"
#include "shared/clock.h"
#include "shared/err.h"
#include "shared/macros.h"
#include "support/test.h"

#define WAIT_NS (30 * NS_PER_S) /* for what happens at once, on a machine that is busy */
#define DEADLINE_MS 60000
#define COST 8 /* 256 iterations: four steps, so that others can join */

/* Would take a minute: a test that ends has seen it broken off. */
#define ENDLESS "$2b$20$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"

/* --- the kernel, stopped and started --- */

static struct {
	_Atomic bool is_stopped, is_broken;
	_Atomic uint64_t calls;
	_Atomic unsigned lanes_max;
} kernel;

void __real_bcrypt_expand(struct bcrypt_lane *lanes, unsigned count);
void __wrap_bcrypt_expand(struct bcrypt_lane *lanes, unsigned count);

void __wrap_bcrypt_expand(struct bcrypt_lane *lanes, unsigned count)
{
	atomic_fetch_add(&kernel.calls, 1);
	if (count > atomic_load(&kernel.lanes_max))
		atomic_store(&kernel.lanes_max, count);
	while (atomic_load(&kernel.is_stopped))
		sched_yield();
	__real_bcrypt_expand(lanes, count);
	if (atomic_load(&kernel.is_broken))
		lanes[0].state.words[0] ^= 1;
}

/* --- the scene: one core, on which fibers ask; the test watches from outside --- */

struct asker {
	struct inbox_item item;
	struct str hash, password;
	struct fiber *fiber;
	uint64_t asked_ns, finished_ns;
	int result;
	unsigned place; /* 1: the first that was answered */
	_Atomic bool is_waiting, is_finished;
};

static struct password_stats before;
static _Atomic unsigned answered;

static void wait_until(bool (*holds)(const void *arg), const void *arg)
{
	uint64_t end_ns = clock_now_ns() + WAIT_NS;

	while (!holds(arg)) {
		assert_true(clock_now_ns() < end_ns);
		sched_yield();
	}
}

static int on_start(_unused_ struct core *core)
{
	return 0;
}

static void on_nothing(_unused_ struct core *core)
{
}

static struct core *core_of_test(void)
{
	static const struct core_app app = { on_start, on_nothing, on_nothing };
	static const struct core_options options = { .cores = 1,
		.fibers_max = 2 * PASSWORD_SHARERS_MAX,
		.stack_bytes = 64 * 1024,
		.loop = { .entries = 64, .receive_buffers = 16, .receive_buffer_bytes = 4096 } };

	if (!cores_count())
		assert_int_equal(cores_start(&options, &app), 0);
	return core_at(0);
}

static void asker_main(void *arg)
{
	struct asker *asker = arg;

	asker->result = password_check_await(asker->hash, asker->password);
	asker->finished_ns = clock_now_ns();
	asker->place = atomic_fetch_add(&answered, 1) + 1;
	atomic_store(&asker->is_finished, true);
}

static void on_ask(struct inbox_item *item)
{
	struct asker *asker = container_of(item, struct asker, item);
	uint64_t deadline_ns = clock_after_ms(clock_now_ns(), DEADLINE_MS);

	assert_int_equal(
		fiber_start(core_current()->fibers, asker_main, asker, deadline_ns, &asker->fiber),
		0);
	/* Here it waits, or has been refused. */
	atomic_store(&asker->is_waiting, true);
}

static void on_leave(struct inbox_item *item)
{
	fiber_cancel(container_of(item, struct asker, item)->fiber);
}

static bool is_waiting(const void *arg)
{
	return atomic_load(&((const struct asker *)arg)->is_waiting);
}

static bool is_finished(const void *arg)
{
	return atomic_load(&((const struct asker *)arg)->is_finished);
}

static bool is_idle(_unused_ const void *arg)
{
	const struct job_queue *queue = password_queue();
	struct password_stats now;

	password_stats_read(&now);
	return now.lanes_busy == 0 && atomic_load(&queue->running) == 0;
}

static bool has_called(const void *calls)
{
	return atomic_load(&kernel.calls) >= *(const uint64_t *)calls;
}

/* Returns when the check is on its way. */
static void ask(struct asker *asker, const char *hash, const char *password)
{
	asker->hash = str_cstr(hash);
	asker->password = str_cstr(password);
	asker->asked_ns = clock_now_ns();
	asker->item.on_core = on_ask;
	inbox_send(&core_of_test()->inbox, &asker->item);
	wait_until(is_waiting, asker);
}

/* The first of its kind: returns when it is in a lane and the kernel stands still. */
static void ask_and_stop(struct asker *asker, const char *hash, const char *password)
{
	uint64_t calls = atomic_load(&kernel.calls) + 1;

	atomic_store(&kernel.is_stopped, true);
	ask(asker, hash, password);
	wait_until(has_called, &calls);
}

static void go_on(void)
{
	atomic_store(&kernel.is_stopped, false);
}

static void leave(struct asker *asker)
{
	asker->item.on_core = on_leave;
	inbox_send(&core_of_test()->inbox, &asker->item);
	wait_until(is_finished, asker);
	assert_int_equal(asker->result, -ERR_CANCELED);
}

static void expect(struct asker *asker, int result)
{
	wait_until(is_finished, asker);
	assert_int_equal(asker->result, result);
}

static void start(unsigned threads)
{
	const struct password_options options = {
		.threads = threads, .queued_max = 2 * PASSWORD_SHARERS_MAX, .cost = COST
	};

	(void)core_of_test();
	assert_int_equal(password_threads_start(&options), 0);
	password_stats_read(&before);
	atomic_store(&kernel.lanes_max, 0);
}

/* What has been counted since the start. */
static struct password_stats since_start(void)
{
	struct password_stats now;

	wait_until(is_idle, NULL);
	password_stats_read(&now);
	for (unsigned i = 0; i <= PASSWORD_LANES_MAX; i++)
		now.hashes[i] -= before.hashes[i];
	now.shared -= before.shared;
	now.left -= before.left;
	return now;
}

static uint64_t hashes_of(const struct password_stats *stats)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i <= PASSWORD_LANES_MAX; i++)
		sum += stats->hashes[i];
	return sum;
}

/* Hashes of "0", "1" ... with that cost. */
static const char *hash_of_digit(unsigned digit, unsigned cost)
{
	static char hashes[10][PASSWORD_HASH_BYTES];
	char password[2] = { (char)('0' + digit) };

	assert_int_equal(password_hash(str_cstr(password), cost, hashes[digit]), 0);
	return hashes[digit];
}

static const char *const digits[] = { "0", "1", "2", "3", "4", "5", "6", "7", "8", "9" };

/* --- lanes --- */

TEST(a_lone_check_has_a_lane_for_itself)
{
	struct asker right = {}, wrong = {};
	struct password_stats stats;

	start(1);
	ask(&right, hash_of_digit(0, COST), "0");
	expect(&right, 1);
	ask(&wrong, hash_of_digit(1, COST), "0");
	expect(&wrong, 0);
	stats = since_start();
	assert_int_equal(stats.hashes[1], 2);
	assert_int_equal(hashes_of(&stats), 2);
	assert_int_equal(atomic_load(&kernel.lanes_max), 1);
	password_threads_stop();
}

TEST(checks_that_come_later_join_and_are_all_right)
{
	struct asker askers[10] = {};
	struct password_stats stats;

	start(1);
	ask_and_stop(&askers[0], hash_of_digit(0, COST), "0");
	/* One more than the lanes hold waits for the first that becomes free. Odd ones are wrong.
	 */
	for (unsigned i = 1; i < 10; i++)
		ask(&askers[i], hash_of_digit(i, COST), i % 2 ? "x" : digits[i]);
	go_on();
	for (unsigned i = 0; i < 10; i++)
		expect(&askers[i], i % 2 == 0);
	stats = since_start();
	assert_int_equal(atomic_load(&kernel.lanes_max), PASSWORD_LANES_MAX);
	assert_int_equal(hashes_of(&stats), 10);
	assert_true(stats.hashes[PASSWORD_LANES_MAX] > 0);
	assert_int_equal(stats.hashes[0], 0);
	password_threads_stop();
}

TEST(a_cheap_hash_that_joins_late_does_not_wait_for_a_costly_one)
{
	struct asker costly = {}, cheap = {};

	start(1);
	ask_and_stop(&costly, hash_of_digit(0, COST + 1), "0");
	ask(&cheap, hash_of_digit(1, PASSWORD_COST_MIN), "1");
	go_on();
	expect(&costly, 1);
	expect(&cheap, 1);
	assert_true(cheap.place < costly.place);
	assert_int_equal(atomic_load(&kernel.lanes_max), 2);
	password_threads_stop();
}

TEST(two_threads_work_on_one_check_each_before_one_takes_two)
{
	struct asker askers[2] = {};
	uint64_t calls;

	start(2);
	ask_and_stop(&askers[0], hash_of_digit(0, COST), "0");
	calls = atomic_load(&kernel.calls) + 1;
	ask(&askers[1], hash_of_digit(1, COST), "1");
	wait_until(has_called, &calls); /* the first thread stands still: this is the second */
	go_on();
	expect(&askers[0], 1);
	expect(&askers[1], 1);
	(void)since_start();
	assert_int_equal(atomic_load(&kernel.lanes_max), 1);
	password_threads_stop();
}

TEST(new_hashes_and_other_formats_go_beside_the_lanes)
{
	struct asker bcrypt = {}, sha512 = {};
	struct password_stats stats;

	start(1);
	ask_and_stop(&bcrypt, hash_of_digit(0, COST), "0");
	/* U. Drepper, "Unix crypt using SHA-256 and SHA-512". */
	ask(&sha512,
		"$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4"
		"OTLiBFdcbYEdFCoEOfaS35inz1",
		"Hello world!");
	go_on();
	expect(&sha512, 1);
	expect(&bcrypt, 1);
	stats = since_start();
	assert_int_equal(stats.hashes[0], 1);
	assert_int_equal(stats.hashes[1], 1);
	password_threads_stop();
}

TEST(damaged_hashes_take_a_lane_as_right_ones_do)
{
	struct asker none = {}, digit = {}, nul = {};
	struct password_stats stats;

	start(1);
	ask(&none, "no hash", "0");
	/* Only who computes it sees that ':' is no digit of a salt. */
	ask(&digit, "$2b$08$CCCCCCCCCC:CCCCCCCCCCuKo7XXnRgUaxTS4dDFlR7YnFPUErgq", "0");
	ask(&nul, "", "");
	expect(&none, 0);
	expect(&digit, 0);
	expect(&nul, 0);
	stats = since_start();
	assert_int_equal(hashes_of(&stats), 3);
	assert_int_equal(stats.hashes[0], 0);
	assert_int_equal(stats.shared, 0);
	password_threads_stop();
}

/* --- leaving --- */

TEST(a_check_whose_client_has_gone_leaves_its_lane)
{
	struct asker gone = {}, stays = {};
	struct password_stats stats;

	start(1);
	ask_and_stop(&gone, ENDLESS, "0");
	ask(&stays, hash_of_digit(1, COST), "1");
	leave(&gone);
	go_on();
	expect(&stays, 1);
	stats = since_start();
	assert_int_equal(stats.left, 1);
	assert_int_equal(hashes_of(&stats), 1);
	assert_int_equal(atomic_load(&password_queue()->expired), 1);
	password_threads_stop();
}

TEST(a_check_whose_deadline_has_passed_leaves_its_lane)
{
	struct asker late = {};
	struct password_stats stats;

	start(1);
	ask_and_stop(&late, ENDLESS, "0");
	clock_fake(clock_after_ms(clock_now_ns(), DEADLINE_MS), clock_wall_ms());
	go_on();
	expect(&late, -ETIMEDOUT);
	clock_fake_off();
	stats = since_start();
	assert_int_equal(stats.left, 1);
	password_threads_stop();
}

TEST(what_is_begun_is_finished_before_the_threads_end)
{
	struct asker askers[3] = {};

	start(1);
	ask_and_stop(&askers[0], hash_of_digit(0, COST), "0");
	ask(&askers[1], hash_of_digit(1, COST), "1");
	ask(&askers[2], hash_of_digit(2, COST), "2");
	go_on();
	password_threads_stop();
	for (unsigned i = 0; i < 3; i++)
		expect(&askers[i], 1);
}

/* --- sharing --- */

TEST(equal_checks_share_one_hash)
{
	struct asker askers[3] = {};
	const char *hash = hash_of_digit(0, COST);
	struct password_stats stats;

	start(1);
	ask_and_stop(&askers[0], hash, "0");
	ask(&askers[1], hash, "0");
	ask(&askers[2], hash, "0");
	go_on();
	for (unsigned i = 0; i < 3; i++)
		expect(&askers[i], 1);
	stats = since_start();
	assert_int_equal(hashes_of(&stats), 1);
	assert_int_equal(stats.shared, 2);
	password_threads_stop();
}

TEST(a_check_that_still_waits_in_the_queue_is_shared_too)
{
	struct asker first = {}, askers[2] = {};
	const char *hash = hash_of_digit(1, COST);
	struct password_stats stats;

	start(1);
	ask_and_stop(&first, hash_of_digit(0, COST), "0");
	ask(&askers[0], hash, "1");
	ask(&askers[1], hash, "1");
	assert_int_equal(atomic_load(&password_queue()->queued), 1);
	go_on();
	expect(&first, 1);
	expect(&askers[0], 1);
	expect(&askers[1], 1);
	stats = since_start();
	assert_int_equal(hashes_of(&stats), 2);
	assert_int_equal(stats.shared, 1);
	password_threads_stop();
}

TEST(another_password_or_another_hash_is_not_shared)
{
	struct asker first = {}, password = {}, hash = {}, longer = {};
	const char *hash_0 = hash_of_digit(0, COST);
	struct password_stats stats;

	start(1);
	ask_and_stop(&first, hash_0, "0");
	ask(&password, hash_0, "1");
	ask(&longer, hash_0, "00");
	ask(&hash, hash_of_digit(1, COST), "0");
	go_on();
	expect(&first, 1);
	expect(&password, 0);
	expect(&longer, 0);
	expect(&hash, 0);
	stats = since_start();
	assert_int_equal(hashes_of(&stats), 4);
	assert_int_equal(stats.shared, 0);
	password_threads_stop();
}

TEST(a_check_after_the_answer_has_a_hash_of_its_own)
{
	struct asker askers[2] = {};
	const char *hash = hash_of_digit(0, COST);
	struct password_stats stats;

	start(1);
	for (unsigned i = 0; i < 2; i++) {
		ask(&askers[i], hash, "0");
		expect(&askers[i], 1);
	}
	stats = since_start();
	assert_int_equal(hashes_of(&stats), 2);
	assert_int_equal(stats.shared, 0);
	password_threads_stop();
}

TEST(who_began_a_shared_hash_may_leave_it_to_the_others)
{
	struct asker first = {}, others[2] = {};
	const char *hash = hash_of_digit(0, COST);
	struct password_stats stats;

	start(1);
	ask_and_stop(&first, hash, "0");
	ask(&others[0], hash, "0");
	ask(&others[1], hash, "0");
	leave(&first);
	leave(&others[0]);
	go_on();
	expect(&others[1], 1);
	stats = since_start();
	assert_int_equal(hashes_of(&stats), 1);
	assert_int_equal(stats.left, 0);
	password_threads_stop();
}

TEST(a_shared_hash_that_everybody_has_left_is_given_up)
{
	struct asker askers[3] = {};
	struct password_stats stats;

	start(1);
	ask_and_stop(&askers[0], ENDLESS, "0");
	ask(&askers[1], ENDLESS, "0");
	ask(&askers[2], ENDLESS, "0");
	for (unsigned i = 0; i < 3; i++)
		leave(&askers[i]);
	go_on();
	stats = since_start();
	assert_int_equal(stats.left, 1);
	assert_int_equal(stats.shared, 2);
	password_threads_stop();
}

TEST(in_the_queue_too_the_others_keep_what_one_leaves)
{
	struct asker first = {}, gone = {}, stays = {};
	const char *hash = hash_of_digit(1, COST);

	start(1);
	ask_and_stop(&first, hash_of_digit(0, COST), "0");
	ask(&gone, hash, "1");
	ask(&stays, hash, "1");
	leave(&gone);
	go_on();
	expect(&first, 1);
	expect(&stays, 1);
	wait_until(is_idle, NULL);
	password_threads_stop();
}

TEST(one_more_than_may_share_begins_another_hash)
{
	static struct asker askers[PASSWORD_SHARERS_MAX + 3];
	const char *hash = hash_of_digit(0, COST);
	struct password_stats stats;

	start(1);
	ask_and_stop(&askers[0], hash, "0");
	for (size_t i = 1; i < ARRAY_SIZE(askers); i++)
		ask(&askers[i], hash, "0");
	go_on();
	for (size_t i = 0; i < ARRAY_SIZE(askers); i++)
		expect(&askers[i], 1);
	stats = since_start();
	assert_int_equal(hashes_of(&stats), 2);
	assert_int_equal(stats.shared, PASSWORD_SHARERS_MAX + 1); /* the last joined the second */
	password_threads_stop();
}

static bool has_time_passed(const void *end_ns)
{
	return clock_now_ns() >= *(const uint64_t *)end_ns;
}

/* Somebody who joins just before the end must not see by an early no that he was not alone. */
TEST(a_shared_no_comes_no_earlier_than_one_of_its_own)
{
	struct asker first = {}, second = {};
	const char *hash = hash_of_digit(0, COST);
	uint64_t begun_ns, end_ns;

	start(1);
	ask_and_stop(&first, hash, "wrong");
	begun_ns = clock_now_ns();
	end_ns = begun_ns + 50 * NS_PER_MS; /* so long the first has been hashed already */
	wait_until(has_time_passed, &end_ns);
	ask(&second, hash, "wrong");
	go_on();
	expect(&first, 0);
	expect(&second, 0);
	assert_int_equal(since_start().shared, 1);
	assert_true(second.finished_ns - second.asked_ns >= end_ns - begun_ns);
	password_threads_stop();
}

TEST(a_no_that_is_held_back_is_given_when_the_threads_end)
{
	struct asker first = {}, second = {};
	const char *hash = hash_of_digit(0, COST);

	start(1);
	ask_and_stop(&first, hash, "wrong");
	ask(&second, hash, "wrong");
	go_on();
	password_threads_stop();
	expect(&first, 0);
	expect(&second, 0);
}

/* --- when our bcrypt is wrong --- */

TEST(after_a_failed_self_test_libxcrypt_hashes)
{
	struct asker right = {}, wrong = {};
	struct password_stats stats;
	uint64_t calls;

	atomic_store(&kernel.is_broken, true);
	start(1);
	calls = atomic_load(&kernel.calls);
	ask(&right, hash_of_digit(0, COST), "0");
	ask(&wrong, hash_of_digit(1, COST), "0");
	expect(&right, 1);
	expect(&wrong, 0);
	stats = since_start();
	assert_false(stats.is_interleaved);
	assert_int_equal(stats.lanes, 1);
	assert_int_equal(stats.hashes[0], 2);
	assert_int_equal(atomic_load(&kernel.calls), calls);
	password_threads_stop();

	atomic_store(&kernel.is_broken, false);
	start(2);
	stats = since_start();
	assert_true(stats.is_interleaved);
	assert_int_equal(stats.lanes, 2 * PASSWORD_LANES_MAX);
	password_threads_stop();
}
