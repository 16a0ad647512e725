/* Who is let in: places, waiting, deadlines; and what the refused are told. */
#include "support/test.h"

#include "guard/admission.h"
#include "shared/clock.h"
#include "shared/macros.h"

#define START_NS (1000 * NS_PER_S)
#define FAR_NS (START_NS + 3600 * NS_PER_S)
#define PLACES 50
#define CORE_PLACES 40

static struct job_queue reads, hashing, writes;
static unsigned entered;

static void end(_unused_ const int *scene)
{
	while (entered) {
		admission_leave();
		entered--;
	}
	atomic_store(&reads.queued, 0);
	atomic_store(&hashing.queued, 0);
	atomic_store(&writes.queued, 0);
	job_queue_deinit(&reads);
	job_queue_deinit(&hashing);
	job_queue_deinit(&writes);
}

/* One hash takes 250 ms and one at a time is made; reads and writes cost nothing. */
static void begin(unsigned core_places)
{
	job_queue_init(&reads, "reads", 1024);
	job_queue_init(&hashing, "hashing", 1024);
	job_queue_init(&writes, "writes", 1024);
	job_queue_expect(&hashing, 1, 250 * NS_PER_MS);
	admission_init(&(struct admission_options){ .concurrent_max = PLACES,
		.core_max = core_places,
		.queue_time_max_ms = 5000,
		.queue_time_standing_ms = 1000,
		.reads = &reads,
		.hashing = &hashing,
		.writes = &writes });
}

#define SCENE(core_places)                                                                         \
	_cleanup_(end) _unused_ const int scene = 0;                                               \
	begin(core_places)

static bool enters_before(uint64_t deadline_ns)
{
	bool is_in = admission_enter(deadline_ns, START_NS) == 0;

	entered += is_in;
	return is_in;
}

static bool enters(void)
{
	return enters_before(FAR_NS);
}

/* Costly requests let in, `queued` of them waiting for a hash. */
static void let_in(unsigned count, unsigned queued)
{
	while (count--)
		assert_true(enters());
	atomic_store(&hashing.queued, queued);
}

static struct admission_view view_now(void)
{
	struct admission_view view;

	admission_view(&view, START_NS);
	return view;
}

static uint64_t refused(enum admission_reason reason)
{
	static uint64_t before[ADMISSION_REASONS];
	uint64_t now = view_now().refused[reason], since = now - before[reason];

	before[reason] = now;
	return since;
}

/* --- places --- */

TEST(one_more_than_the_places_is_refused)
{
	SCENE(PLACES);

	for (unsigned i = 0; i < PLACES; i++)
		assert_true(enters());
	(void)refused(ADMISSION_CONCURRENT);
	assert_false(enters());
	assert_int_equal(refused(ADMISSION_CONCURRENT), 1);
	assert_int_equal(view_now().in_progress, PLACES);
}

TEST(a_place_that_is_left_is_free)
{
	SCENE(PLACES);

	for (unsigned i = 0; i < PLACES; i++)
		assert_true(enters());
	admission_leave();
	entered--;
	assert_true(enters());
	assert_false(enters());
}

TEST(one_core_does_not_give_all_its_stacks_to_costly_requests)
{
	SCENE(CORE_PLACES);

	for (unsigned i = 0; i < CORE_PLACES; i++)
		assert_true(enters());
	(void)refused(ADMISSION_CORE);
	assert_false(enters());
	assert_int_equal(refused(ADMISSION_CORE), 1);
}

/* --- waiting --- */

TEST(who_would_wait_longer_than_allowed_is_refused)
{
	SCENE(PLACES);

	let_in(21, 20);
	assert_int_equal(view_now().wait_ns, 5 * NS_PER_S);
	assert_true(enters()); /* five seconds are just allowed */
	atomic_store(&hashing.queued, 21);
	(void)refused(ADMISSION_WAIT);
	assert_false(enters());
	assert_int_equal(refused(ADMISSION_WAIT), 1);
}

TEST(a_burst_counts_before_its_lookups_are_done)
{
	SCENE(PLACES);

	let_in(21, 0);
	atomic_store(&reads.queued, 20);
	pace_taken(&reads.pace, 1, true, START_NS);
	atomic_store(&reads.running, 1);
	assert_int_equal(view_now().wait_ns, 21 * 250 * NS_PER_MS);
	assert_false(enters());
	atomic_store(&reads.running, 0);
}

TEST(lookups_of_others_are_no_hashes)
{
	SCENE(PLACES);

	atomic_store(&reads.queued, 1000);
	assert_true(enters());
}

TEST(costly_requests_that_do_not_hash_make_nobody_wait)
{
	SCENE(PLACES);

	let_in(PLACES - 1, 0);
	assert_int_equal(view_now().wait_ns, 0);
	assert_true(enters());
}

TEST(waiting_for_the_store_counts_too)
{
	SCENE(PLACES);

	job_queue_expect(&writes, 1, NS_PER_S);
	atomic_store(&writes.queued, 5);
	assert_true(enters());
	atomic_store(&writes.queued, 6);
	assert_false(enters());
}

TEST(while_overload_lasts_only_a_short_queue_is_let_in)
{
	SCENE(PLACES);

	let_in(21, 4);
	atomic_store(&hashing.busy_since_ns, START_NS - 5 * NS_PER_S);
	assert_int_equal(view_now().limit_ns, 5 * NS_PER_S); /* it may still be a burst */
	atomic_store(&hashing.busy_since_ns, START_NS - 5 * NS_PER_S - 1);
	assert_int_equal(view_now().limit_ns, NS_PER_S);
	assert_true(enters()); /* a second is just allowed */
	atomic_store(&hashing.queued, 5);
	assert_false(enters());
	/* The queue was empty once: the next burst is welcome. */
	atomic_store(&hashing.busy_since_ns, 0);
	assert_true(enters());
}

TEST(who_would_wait_past_the_deadline_is_refused)
{
	SCENE(PLACES);

	let_in(5, 4);
	(void)refused(ADMISSION_DEADLINE);
	assert_false(enters_before(START_NS + NS_PER_S));
	assert_int_equal(refused(ADMISSION_DEADLINE), 1);
	assert_true(enters_before(START_NS + NS_PER_S + 1));
}

TEST(a_pace_measured_in_bad_times_locks_nobody_out)
{
	SCENE(PLACES);

	job_queue_expect(&hashing, 1, 3600 * NS_PER_S);
	assert_true(enters());
}

/* --- what the refused are told --- */

TEST(the_refused_come_back_when_the_queue_is_worked_off_but_not_together)
{
	unsigned least = UINT32_MAX, most = 0;
	SCENE(PLACES);

	let_in(41, 40);
	for (unsigned i = 0; i < 200; i++) {
		unsigned seconds = admission_enter(FAR_NS, START_NS);

		least = MIN(least, seconds);
		most = MAX(most, seconds);
	}
	assert_in_range(least, 10, 12);
	assert_in_range(most, 18, 20);
}

TEST(they_are_never_told_less_than_a_second_nor_more_than_a_minute)
{
	SCENE(PLACES);

	assert_int_equal(admission_retry_s(START_NS), 1);
	job_queue_expect(&hashing, 1, 3600 * NS_PER_S);
	let_in(3, 2);
	assert_int_equal(admission_retry_s(START_NS), ADMISSION_RETRY_S_MAX);
}
