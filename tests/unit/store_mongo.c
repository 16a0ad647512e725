/*
 * What only MongoDB has: indexes, plans, connections that come and go, and word of what others have
 * changed. AUTHD_TEST_MONGODB names the server; AUTHD_TEST_PARTIAL says that it lacks explain.
 */
#include "support/store_scene.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/err.h"
#include "shared/macros.h"
#include "store/upkeep.h"

/* --- indexes and plans --- */

struct counts {
	unsigned states[4];
	unsigned scans, plans;
};

static void count_index(const struct store_index_status *status, void *arg)
{
	struct counts *counts = arg;

	assert_true(status->name[0] && status->key[0] == '{' && status->detail[0]);
	counts->states[status->state]++;
}

/* The servers of these tests sort by no id's index, as MongoDB does. */
static bool is_in_order_of_ids(const char *statement)
{
	return strncmp(statement, "accounts_list", strlen("accounts_list")) == 0 ||
	       strncmp(statement, "sessions_scan", strlen("sessions_scan")) == 0 ||
	       strncmp(statement, "sessions_end_some", strlen("sessions_end_some")) == 0;
}

static void count_plan(const struct store_plan *plan, void *arg)
{
	struct counts *counts = arg;

	counts->plans++;
	if (is_in_order_of_ids(plan->statement) || strcmp(plan->statement, "adopt_check") == 0)
		return;
	if (strcmp(plan->verdict, "good") != 0 || !plan->index[0]) {
		print_error("%s: %s (%s)\n", plan->statement, plan->verdict, plan->index);
		counts->scans++;
	}
}

STORE_TEST(a_new_database_gets_every_index_that_is_declared)
{
	struct counts counts = {};

	assert_int_equal(store_indexes_check(count_index, &counts), 0);
	assert_true(counts.states[INDEX_PRESENT] >= 7);
	assert_int_equal(counts.states[INDEX_MISSING], 0);
	assert_int_equal(counts.states[INDEX_DIFFERENT], 0);
	assert_int_equal(counts.states[INDEX_EXTRA], 0);
}

static bool is_built(void)
{
	struct store_index_progress progress;

	store_index_progress(&progress);
	return !progress.is_running;
}

STORE_TEST(an_index_is_created_on_demand_in_the_background)
{
	struct store_index_progress progress;

	assert_int_equal(store_index_create("users.nothing"), -ENOENT);
	assert_int_equal(store_index_create("users.email"), 0);
	scene_until(is_built);
	store_index_progress(&progress);
	assert_string_equal(progress.name, "users.email");
	assert_string_equal(progress.reason, "");
	assert_int_equal(progress.result, 0);
}

STORE_TEST(every_statement_uses_an_index)
{
	struct counts counts = {};

	struct login_attempts attempts;
	const struct lockout_policy policy = { .free = 1, .base_ms = 1, .max_ms = 1 };

	scene_register("a");
	(void)store_login_fail_await("nobody@example.org", &policy, SCENE_NOW, &attempts);
	if (getenv("AUTHD_TEST_PARTIAL")) {
		assert_int_equal(store_explain(count_plan, &counts), -ERR_STORE_DOWN);
		return;
	}
	assert_int_equal(store_explain(count_plan, &counts), 0);
	assert_true(counts.plans >= 20);
	assert_int_equal(counts.scans, 0);
}

/* --- connections --- */

static void count_connection(const struct store_connection *connection, void *arg)
{
	unsigned *count = arg;

	assert_string_equal(connection->group, "store-read");
	assert_true(connection->since_ns > 0);
	(*count)++;
}

static unsigned connections(void)
{
	unsigned count = 0;

	store_connections_each(count_connection, &count);
	return count;
}

static void find_nobody(void *arg)
{
	struct account found;

	*(int *)arg = store_account_find_await("nobody@example.org", &found);
}

STORE_TEST(connections_are_made_as_they_are_needed_and_never_too_many)
{
	int results[200];

	assert_int_equal(connections(), 2); /* pool_min of the scene */
	for (unsigned round = 0; round < 5; round++) {
		scene_together(ARRAY_SIZE(results), find_nobody, results, sizeof(results[0]));
		for (unsigned i = 0; i < ARRAY_SIZE(results); i++)
			assert_int_equal(results[i], 0);
		assert_true(connections() <= 16 - STORE_POOL_KEPT);
	}
	assert_true(connections() > 2);
}

static bool is_few(void)
{
	return connections() == 2;
}

STORE_TEST(connections_that_nobody_needs_are_ended)
{
	int results[100];

	scene_together(ARRAY_SIZE(results), find_nobody, results, sizeof(results[0]));
	assert_true(connections() > 2);
	assert_int_equal(store_tend(SCENE_NOW), 0); /* that was the busy minute */
	assert_int_equal(store_tend(SCENE_NOW), 0); /* and this a quiet one */
	scene_until(is_few);
	scene_together(ARRAY_SIZE(results), find_nobody, results, sizeof(results[0]));
	for (unsigned i = 0; i < ARRAY_SIZE(results); i++)
		assert_int_equal(results[i], 0);
}
