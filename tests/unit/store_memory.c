/*
 * What store.c, workers.c and keeper.c do when a backend fails, is slow or full: the store in
 * memory fails on demand.
 */
#include "support/store_scene.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shared/err.h"
#include "shared/macros.h"
#include "store/faults.h"

struct caller {
	char name[16];
	int result;
};

static void name_all(struct caller *callers, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		(void)snprintf(callers[i].name, sizeof(callers[i].name), "c%u", i);
}

static void do_register(void *arg)
{
	struct caller *caller = arg;
	struct account account = scene_account(caller->name);
	struct session_new session = scene_session(caller->name, caller->name);

	caller->result = store_account_create_await(&account, &session);
}

static void do_find(void *arg)
{
	struct caller *caller = arg;
	struct account account;

	caller->result = store_account_find_await("a@example.org", &account);
}

static bool one_is_held(void)
{
	return faults_held() == 1;
}

static bool two_are_held(void)
{
	return faults_held() == 2;
}

static bool is_up(void)
{
	struct store_health health;

	store_health(&health);
	return health.is_up;
}

static void fault(struct fault fault)
{
	assert_int_equal(fault_set(&fault), 0);
}

/* --- batches --- */

/* Registrations, of which all but the first wait together while its commit is held. */
static struct {
	struct caller callers[8];
	struct fault next; /* what the others meet */
} batch;

static void batch_part(void *arg)
{
	struct caller *caller = arg;

	/* The first is alone in its batch; the last starts when all others are queued. */
	if (caller == &batch.callers[1])
		scene_until(one_is_held);
	if (caller == &batch.callers[ARRAY_SIZE(batch.callers) - 1])
		faults_replace(&batch.next);
	else
		do_register(caller);
}

static void batch_run(struct fault next)
{
	batch.next = next;
	name_all(batch.callers, ARRAY_SIZE(batch.callers));
	fault((struct fault){
		.point = FAULT_COMMIT, .op = FAULT_EVERY_OP, .times = 1, .delay_ms = FAULT_HELD });
	scene_together(
		ARRAY_SIZE(batch.callers), batch_part, batch.callers, sizeof(batch.callers[0]));
}

STORE_TEST(a_write_that_fails_in_a_batch_undoes_only_itself)
{
	unsigned failed = 0;

	batch_run((struct fault){ .point = FAULT_RAN,
		.op = OP_ACCOUNT_CREATE,
		.after = 2,
		.times = 1,
		.error = -ERR_STORE_DOWN });
	for (unsigned i = 0; i < ARRAY_SIZE(batch.callers) - 1; i++) {
		const struct caller *caller = &batch.callers[i];

		assert_true(caller->result == 1 || caller->result == -ERR_STORE_DOWN);
		failed += caller->result < 0;
		assert_int_equal(scene_lives(caller->name, SCENE_NOW), caller->result == 1);
	}
	assert_int_equal(failed, 1);
}

STORE_TEST(a_commit_that_fails_answers_everyone_and_leaves_nothing)
{
	unsigned failed = 0;

	batch_run((struct fault){
		.point = FAULT_COMMIT, .op = FAULT_EVERY_OP, .error = -ERR_STORE_DOWN });
	for (unsigned i = 0; i < ARRAY_SIZE(batch.callers) - 1; i++) {
		const struct caller *caller = &batch.callers[i];

		assert_true(caller->result == 1 || caller->result == -ERR_STORE_DOWN);
		failed += caller->result < 0;
		assert_int_equal(scene_lives(caller->name, SCENE_NOW), caller->result == 1);
	}
	assert_int_equal(batch.callers[0].result, 1);
	assert_int_equal(failed, 6);
	faults_clear();
	do_register(&batch.callers[7]);
	assert_int_equal(batch.callers[7].result, 1);
}

static void check_all_fail(enum fault_point point)
{
	struct caller caller = { .name = "a" };

	fault((struct fault){ .point = point, .op = FAULT_EVERY_OP, .error = -ERR_STORE_DOWN });
	do_register(&caller);
	assert_int_equal(caller.result, -ERR_STORE_DOWN);
	faults_clear();
	assert_int_equal(scene_lives("a", SCENE_NOW), 0);
	do_register(&caller);
	assert_int_equal(caller.result, 1);
}

STORE_TEST(a_transaction_that_cannot_begin_is_no_end)
{
	check_all_fail(FAULT_BEGIN);
}

STORE_TEST(a_savepoint_that_fails_is_no_end)
{
	check_all_fail(FAULT_SAVE);
}

STORE_TEST(each_kind_of_write_is_undone_when_it_fails_late)
{
	struct account before, after;
	struct login_attempts attempts;
	const struct lockout_policy policy = { .free = 3, .base_ms = 1, .max_ms = 1 };

	scene_register("a");
	assert_int_equal(store_account_get_await("id-a", &before), 1);
	fault((struct fault){ .point = FAULT_RAN, .op = FAULT_EVERY_OP, .error = -ERR_STORE_DOWN });
	assert_int_equal(
		store_account_rename_await("id-a", "x", SCENE_NOW + 1, &after), -ERR_STORE_DOWN);
	assert_int_equal(store_login_fail_await("a@example.org", &policy, SCENE_NOW, &attempts),
		-ERR_STORE_DOWN);
	assert_int_equal(
		store_login_fail_await("nobody@example.org", &policy, SCENE_NOW, &attempts),
		-ERR_STORE_DOWN);
	assert_int_equal(scene_login("a", "s", SCENE_NOW + 1), -ERR_STORE_DOWN);
	assert_int_equal(scene_refresh("a", "b", SCENE_NOW), -ERR_STORE_DOWN);
	assert_int_equal(store_session_end_await("a"), -ERR_STORE_DOWN);
	assert_int_equal(store_sessions_end_await("id-a"), -ERR_STORE_DOWN);
	faults_clear();
	assert_int_equal(store_account_get_await("id-a", &after), 1);
	assert_memory_equal(&after, &before, sizeof(after));
	assert_int_equal(store_account_find_await("nobody@example.org", &after), 0);
	assert_int_equal(after.attempts.count, 0);
	assert_int_equal(scene_lives("a", SCENE_NOW), 1);
	assert_int_equal(scene_lives("s", SCENE_NOW), 0);
	assert_int_equal(scene_refresh("b", "c", SCENE_NOW), REFRESH_UNKNOWN);
	assert_int_equal(scene_refresh("a", "c", SCENE_NOW), REFRESH_ROTATED);
}

/* --- errors and health --- */

STORE_TEST(the_nth_call_fails_and_the_next_does_not)
{
	struct caller caller = {};

	scene_register("a");
	fault((struct fault){ .point = FAULT_RUN,
		.op = OP_ACCOUNT_FIND,
		.after = 1,
		.times = 2,
		.error = -ERR_STORE_DOWN });
	for (unsigned i = 1; i <= 4; i++) {
		do_find(&caller);
		assert_int_equal(caller.result, i == 2 || i == 3 ? -ERR_STORE_DOWN : 1);
	}
	assert_int_equal(faults_hit(), 2);
}

STORE_TEST(health_says_what_failed_and_is_well_after_the_next_success)
{
	struct store_health health;
	struct caller caller = {};

	fault((struct fault){
		.point = FAULT_RUN, .op = OP_ACCOUNT_FIND, .times = 1, .error = -ERR_STORE_DOWN });
	do_find(&caller);
	store_health(&health);
	assert_false(health.is_up);
	assert_string_equal(health.reason, "memory: account_find");
	assert_int_equal(health.failures, 1);
	do_find(&caller);
	store_health(&health);
	assert_true(health.is_up);
	assert_string_equal(health.reason, "");
	assert_int_equal(health.failures, 1);
}

STORE_TEST(while_writing_fails_reading_does_not_make_it_healthy)
{
	struct caller caller = { .name = "a" };

	fault((struct fault){
		.point = FAULT_COMMIT, .op = FAULT_EVERY_OP, .error = -ERR_STORE_DOWN });
	do_register(&caller);
	assert_int_equal(caller.result, -ERR_STORE_DOWN);
	do_find(&caller);
	assert_int_equal(caller.result, 0);
	assert_false(is_up());
	(void)store_tend(SCENE_NOW); /* the probe writes too now */
	assert_false(is_up());
	faults_clear();
	assert_int_equal(store_tend(SCENE_NOW), 0);
	assert_true(is_up());
}

STORE_TEST(a_probe_that_fails_is_told)
{
	fault((struct fault){
		.point = FAULT_PING, .op = FAULT_EVERY_OP, .error = -ERR_STORE_DOWN });
	(void)store_tend(SCENE_NOW);
	assert_false(is_up());
	faults_clear();
	assert_int_equal(store_tend(SCENE_NOW), 0);
	assert_true(is_up());
}

STORE_TEST(a_sweep_that_fails_is_tried_again)
{
	fault((struct fault){
		.point = FAULT_SWEEP, .op = FAULT_EVERY_OP, .times = 1, .error = -ERR_STORE_DOWN });
	assert_int_equal(store_tend(SCENE_NOW), -ERR_STORE_DOWN);
	assert_int_equal(store_tend(SCENE_NOW), 0);
}

/* --- slow and full --- */

static void leave_early(void *arg)
{
	struct caller *caller = arg;

	do_find(caller);
}

STORE_TEST(who_waits_too_long_gives_up_and_the_call_ends_without_him)
{
	struct caller caller = {};

	scene_register("a");
	fault((struct fault){
		.point = FAULT_RUN, .op = OP_ACCOUNT_FIND, .times = 1, .delay_ms = FAULT_HELD });
	scene_deadline(leave_early, &caller, 100);
	assert_int_equal(caller.result, -ETIMEDOUT);
	assert_int_equal(faults_held(), 1);
	faults_clear();
	do_find(&caller);
	assert_int_equal(caller.result, 1);
}

static void hold_both(void *arg)
{
	struct caller *caller = arg;

	if (strcmp(caller->name, "c2") == 0) { /* both readers are held: a third waits its time */
		scene_until(two_are_held);
		scene_deadline(leave_early, caller, 100);
		faults_clear();
	} else {
		do_find(caller);
	}
}

STORE_TEST(a_call_that_nobody_took_up_in_time_is_not_run)
{
	struct caller callers[3] = {};

	name_all(callers, 3);
	fault((struct fault){ .point = FAULT_RUN, .op = OP_ACCOUNT_FIND, .delay_ms = FAULT_HELD });
	scene_together(3, hold_both, callers, sizeof(callers[0]));
	assert_int_equal(callers[0].result, 0);
	assert_int_equal(callers[1].result, 0);
	assert_int_equal(callers[2].result, -ETIMEDOUT);
}

static void fill_queue(void *arg)
{
	struct caller *caller = arg;

	if (strcmp(caller->name, "c1") == 0)
		scene_until(one_is_held);
	do_find(caller);
	/* All others have started when the last does: it lets them go on. */
	if (strcmp(caller->name, "c4") == 0)
		faults_clear();
}

STORE_TEST_WITH(a_full_queue_refuses_at_once, .reader_threads = 1, .queued_max = 2)
{
	struct caller callers[5] = {};
	unsigned refused = 0;

	name_all(callers, ARRAY_SIZE(callers));
	fault((struct fault){ .point = FAULT_RUN, .op = OP_ACCOUNT_FIND, .delay_ms = FAULT_HELD });
	scene_together(5, fill_queue, callers, sizeof(callers[0]));
	for (unsigned i = 0; i < ARRAY_SIZE(callers); i++)
		refused += callers[i].result == -ERR_OVERLOADED;
	assert_int_equal(refused, 2); /* one is held, two wait */
}

STORE_TEST(a_delay_is_waited_out)
{
	struct caller caller = {};

	fault((struct fault){
		.point = FAULT_RUN, .op = FAULT_EVERY_OP, .times = 1, .delay_ms = 20 });
	do_find(&caller);
	assert_int_equal(caller.result, 0);
	assert_int_equal(faults_hit(), 1);
}

STORE_TEST(more_faults_than_there_is_room_for_are_refused)
{
	const struct fault fault_late = {
		.point = FAULT_RUN, .op = OP_LOGIN, .error = -ERR_STORE_DOWN
	};

	for (unsigned i = 0; i < FAULTS_MAX; i++)
		assert_int_equal(fault_set(&fault_late), 0);
	assert_int_equal(fault_set(&fault_late), -ENOBUFS);
	faults_clear();
}

/* --- the script --- */

static void script_write(const char *path, const char *text)
{
	char other[128];
	FILE *file;

	(void)snprintf(other, sizeof(other), "%s.new", path);
	file = fopen(other, "we");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(rename(other, path), 0);
}

STORE_TEST(a_script_is_read_again_when_it_changes)
{
	char path[] = "/tmp/authd-faults-XXXXXX";
	struct caller caller = {};
	const char *why;

	assert_true(close(mkstemp(path)) == 0);
	script_write(path, "# a comment\n\n run:account_find after=1 times=1 error=down \n");
	assert_int_equal(faults_script(path, &why), 0);
	do_find(&caller);
	assert_int_equal(caller.result, 0);
	do_find(&caller);
	assert_int_equal(caller.result, -ERR_STORE_DOWN);
	script_write(path, "run error=memory\n");
	do_find(&caller);
	assert_int_equal(caller.result, -ENOMEM);
	script_write(path, "run:login delay=held\nrun:account_find error=overloaded\n");
	do_find(&caller);
	assert_int_equal(caller.result, -ERR_OVERLOADED);
	assert_int_equal(unlink(path), 0);
	do_find(&caller);
	assert_int_equal(caller.result, 0);
	assert_int_equal(faults_script("", &why), 0);
}

STORE_TEST(a_script_with_a_mistake_is_refused_with_its_line)
{
	static const char *const bad[] = { "\nrunn", "\nrun:logon",
		"\nrun times=", "\nrun times=-1", "\nrun error=up", "\nrun delay=1s", "\nrun after",
		"\nrun x=1", "\nrun times=4294967295" };
	char path[] = "/tmp/authd-faults-XXXXXX", expected[64];
	const char *why;

	assert_true(close(mkstemp(path)) == 0);
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		script_write(path, bad[i]);
		assert_int_equal(faults_script(path, &why), -EINVAL);
		(void)snprintf(expected, sizeof(expected), "%s:2: ", path);
		assert_memory_equal(why, expected, strlen(expected));
	}
	assert_int_equal(unlink(path), 0);
	assert_int_equal(faults_script("", &why), 0);
}
