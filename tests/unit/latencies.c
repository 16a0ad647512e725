/* Windows of latencies, minute by minute, without waiting for any: see control/latencies.h. */
#include "control/latencies.h"

#include <stdatomic.h>

#include "core/core.h"
#include "shared/clock.h"
#include "support/test.h"

static const char *const routes[] = { "/a", "/b" };

/* On a core, once: the numbers are recorded by its thread. */
static int on_start(struct core *core)
{
	int r = metrics_core_start(core->index);

	for (unsigned i = 0; i < 10; i++)
		metric_request(1, 0, 200, NS_PER_MS);
	metric_request(2, 0, 200, NS_PER_S);
	metric_stage(1, STAGE_DB, 500 * NS_PER_US);
	return r;
}

static void on_drain(struct core *core)
{
	core_stop(core);
}

static void on_stop(struct core *core)
{
	(void)core;
}

static const struct core_app app = {
	.on_start = on_start, .on_drain = on_drain, .on_stop = on_stop
};

static void with_a_core(void)
{
	const struct core_options options = { .cores = 1,
		.fibers_max = 4,
		.stack_bytes = 65536,
		.loop = { .entries = 64, .receive_buffers = 16, .receive_buffer_bytes = 2048 } };

	metrics_routes_set(routes, 2);
	assert_int_equal(cores_start(&options, &app), 0);
}

static void without(void)
{
	cores_drain();
	assert_int_equal(cores_join(20000), 0);
	metrics_reset();
	latencies_stop();
	cores_free();
}

static uint64_t counted(unsigned route, unsigned stage, unsigned seconds)
{
	static struct histogram times;

	times = (struct histogram){};
	latencies_sum(route, stage, seconds, &times);
	return times.count;
}

static void ticks(unsigned count)
{
	while (count--)
		latencies_tick();
}

TEST(what_came_in_a_second_is_in_every_window_until_that_is_over)
{
	with_a_core();
	ticks(1);
	assert_int_equal(counted(1, STAGES, 1), 10);
	assert_int_equal(counted(2, STAGES, 1), 1);
	assert_int_equal(counted(METRIC_ROUTES_MAX, STAGES, 1), 11);
	assert_int_equal(counted(1, STAGE_DB, 1), 1);
	assert_int_equal(counted(1, STAGE_HASH, 1), 0);
	ticks(1);
	assert_int_equal(counted(1, STAGES, 1), 0);
	assert_int_equal(counted(1, STAGES, 10), 10);
	ticks(8);
	assert_int_equal(counted(1, STAGES, 10), 10);
	ticks(1);
	assert_int_equal(counted(1, STAGES, 10), 0);
	assert_int_equal(counted(1, STAGES, 60), 10);
	ticks(49);
	assert_int_equal(counted(1, STAGES, 60), 10);
	ticks(1);
	assert_int_equal(counted(1, STAGES, 60), 0);
	/* In minutes it lives on, whatever second it is. */
	for (unsigned i = 0; i < 59; i++, ticks(60))
		assert_int_equal(counted(1, STAGES, 3600), 10);
	assert_int_equal(counted(1, STAGES, 600), 0);
	ticks(60);
	assert_int_equal(counted(1, STAGES, 3600), 0);
	without();
}

TEST(windows_of_minutes_have_the_present_one_too)
{
	with_a_core();
	ticks(1);
	assert_int_equal(counted(1, STAGES, 600), 10);
	assert_int_equal(counted(1, STAGES, 3600), 10);
	ticks(59);
	assert_int_equal(counted(1, STAGES, 600), 10);
	ticks(1);
	assert_int_equal(counted(1, STAGES, 600), 10);
	without();
}

TEST(percentiles_and_sums_of_a_window_are_those_of_its_values)
{
	static struct histogram times;

	with_a_core();
	ticks(1);
	times = (struct histogram){};
	latencies_sum(METRIC_ROUTES_MAX, STAGES, 60, &times);
	assert_in_range(histogram_percentile(&times, 50), NS_PER_MS, NS_PER_MS + NS_PER_MS / 32);
	assert_in_range(histogram_percentile(&times, 100), NS_PER_S, NS_PER_S + NS_PER_S / 32);
	assert_int_equal(times.sum, 10 * NS_PER_MS + NS_PER_S);
	without();
}

TEST(reset_forgets_and_gives_the_memory_back)
{
	uint64_t bytes;

	with_a_core();
	ticks(1);
	bytes = latencies_bytes();
	latencies_reset();
	assert_true(latencies_bytes() < bytes);
	assert_int_equal(counted(METRIC_ROUTES_MAX, STAGES, 3600), 0);
	assert_int_equal(latencies_lost(), 0);
	without();
}
