/*
 * Calls of the store as fibers of a core make them, through the store's queue and its threads:
 * store-loop BACKEND WHERE SECONDS CALLS, where WHERE is a URI or a file, makes accounts and then
 * prints for each call its name, how many were made per second, and microseconds of CPU for one.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/core.h"
#include "shared/clock.h"
#include "shared/macros.h"
#include "shared/random.h"
#include "store/store.h"

#define ACCOUNTS 200
#define CALLS_MAX 64
#define RUN_MS 600000 /* more than all takes */
#define IDLE_MS INT64_C(2592000000)

typedef int operation(unsigned account); /* what the store said: 0 or more; 1 where one was found */

static struct {
	struct core *core;
	struct inbox_item start;
	bool is_good;
	double seconds;
	unsigned calls;
	operation *present;
	struct fiber *waiter;
	unsigned running;
	bool is_waited, has_failed;
	uint64_t done, end_ns;
	uint8_t tokens[ACCOUNTS][STORE_DIGEST_BYTES]; /* that each account's session has now */
} bench;

static double cpu_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* --- records --- */

static struct account account_of(unsigned number)
{
	int64_t now_ms = clock_wall_ms();
	struct account account = {
		.role_count = 1, .roles = { "user" }, .created_ms = now_ms, .updated_ms = now_ms
	};

	(void)snprintf(account.id, sizeof(account.id), "id%u", number);
	(void)snprintf(account.email, sizeof(account.email), "user%u@example.org", number);
	(void)snprintf(account.email_key, sizeof(account.email_key), "user%u@example.org", number);
	(void)snprintf(account.name, sizeof(account.name), "User");
	(void)snprintf(account.hash, sizeof(account.hash), "hash");
	return account;
}

static struct session_new session_of(const char *id, unsigned account)
{
	int64_t now_ms = clock_wall_ms();
	struct session_new new = { .session = { .agent = "agent",
					   .address = "192.0.2.1",
					   .created_ms = now_ms,
					   .used_ms = now_ms,
					   .idle_until_ms = now_ms + IDLE_MS,
					   .ends_ms = now_ms + IDLE_MS } };

	(void)snprintf(new.session.id, sizeof(new.session.id), "%s", id);
	(void)snprintf(new.session.account_id, sizeof(new.session.account_id), "id%u", account);
	random_bytes(new.refresh_hash, sizeof(new.refresh_hash));
	return new;
}

/* --- the calls --- */

static int account_make(unsigned number)
{
	struct account account = account_of(number);
	struct session_new session;
	char id[32];

	(void)snprintf(id, sizeof(id), "session%u", number);
	session = session_of(id, number);
	memcpy(bench.tokens[number], session.refresh_hash, STORE_DIGEST_BYTES);
	return store_account_create_await(&account, &session);
}

static int account_find(unsigned number)
{
	struct account account = account_of(number), found;

	return store_account_find_await(account.email_key, &found);
}

static int session_find(unsigned number)
{
	struct account account;
	struct session session;
	char id[32];

	(void)snprintf(id, sizeof(id), "session%u", number);
	return store_session_find_await(id, clock_wall_ms(), &session, &account);
}

static int login(unsigned number)
{
	static unsigned logins;
	struct session_new session;
	struct login_request request = {
		.session = &session, .hash = "hash", .now_ms = clock_wall_ms()
	};
	struct login_result result;
	char id[32];
	int r;

	(void)snprintf(id, sizeof(id), "login%u", logins++);
	session = session_of(id, number);
	r = store_login_await(&request, &result);
	return r < 0 ? r : r == LOGIN_ACCEPTED;
}

static int refresh(unsigned number)
{
	struct refresh_request request = { .now_ms = clock_wall_ms(), .idle_ms = IDLE_MS };
	struct refresh_result result;
	int r;

	memcpy(request.hash, bench.tokens[number], sizeof(request.hash));
	random_bytes(request.new_hash, sizeof(request.new_hash));
	r = store_refresh_await(&request, &result);
	memcpy(bench.tokens[number], request.new_hash, sizeof(request.new_hash));
	return r < 0 ? r : r == REFRESH_ROTATED;
}

/* --- measuring --- */

static void caller_main(void *arg)
{
	unsigned first = (unsigned)(uintptr_t)arg, account = first;

	while (clock_now_ns() < bench.end_ns && !bench.has_failed) {
		if (bench.present(account) != 1)
			bench.has_failed = true;
		bench.done++;
		account = account + bench.calls < ACCOUNTS ? account + bench.calls : first;
	}
	if (--bench.running == 0 && bench.is_waited)
		fiber_wake(bench.waiter, 0);
}

static bool measure_await(const char *name, operation *call)
{
	uint64_t began_ns = clock_now_ns();
	double began_cpu_s = cpu_s(), elapsed_s;
	struct fiber *fiber;

	bench.present = call;
	bench.done = 0;
	bench.is_waited = false;
	bench.end_ns = clock_after_ms(began_ns, (uint64_t)(bench.seconds * 1000));
	bench.running = bench.calls;
	for (uintptr_t i = 0; i < bench.calls; i++)
		if (fiber_start(bench.core->fibers, caller_main, (void *)i,
			    clock_after_ms(began_ns, RUN_MS), &fiber) < 0)
			return false;
	bench.is_waited = true;
	if (bench.running && fiber_wait_await() < 0)
		return false;
	elapsed_s = (double)(clock_now_ns() - began_ns) / NS_PER_S;
	(void)printf("%s %.1f %.1f\n", name, (double)bench.done / elapsed_s,
		(cpu_s() - began_cpu_s) * 1e6 / (double)bench.done);
	return !bench.has_failed;
}

static void bench_main(_unused_ void *arg)
{
	bench.waiter = fiber_current();
	bench.is_good = true;
	for (unsigned i = 0; i < ACCOUNTS && bench.is_good; i++)
		bench.is_good = account_make(i) == 1;
	bench.is_good = bench.is_good && measure_await("account_find", account_find) &&
			measure_await("session_find", session_find) &&
			measure_await("refresh", refresh) && measure_await("login", login);
	core_stop(bench.core);
}

/* --- one core --- */

static void on_begin(_unused_ struct inbox_item *item)
{
	struct fiber *fiber;

	(void)fiber_start(bench.core->fibers, bench_main, NULL,
		clock_after_ms(clock_now_ns(), RUN_MS), &fiber);
}

static int on_start(struct core *core)
{
	bench.core = core;
	return 0;
}

static void on_drain(struct core *core)
{
	core_stop(core);
}

static void on_stop(struct core *core)
{
	fiber_pool_free(core->fibers);
}

static int core_run(void)
{
	static const struct core_app app = { on_start, on_drain, on_stop };
	static const struct core_options options = { .cores = 1,
		.fibers_max = CALLS_MAX + 1,
		.stack_bytes = 256 * 1024,
		.loop = { .entries = 64, .receive_buffers = 16, .receive_buffer_bytes = 4096 } };
	int r = cores_start(&options, &app);

	if (r < 0)
		return r;
	bench.start.on_core = on_begin;
	inbox_send(&bench.core->inbox, &bench.start);
	return cores_join(RUN_MS);
}

int main(int argc, char **argv)
{
	struct store_options options = { .reader_threads = 2,
		.queued_max = 1024,
		.pool_min = 2,
		.connect_timeout_ms = 5000,
		.op_timeout_ms = 5000,
		.select_timeout_ms = 5000,
		.call_timeout_ms = 5000 };
	const char *why = "";
	int r;

	if (argc != 5)
		return EXIT_FAILURE;
	options.backend = argv[1];
	options.path = options.uri = argv[2];
	bench.seconds = strtod(argv[3], NULL);
	bench.calls = (unsigned)strtoul(argv[4], NULL, 10);
	if (!bench.calls || bench.calls > CALLS_MAX)
		return EXIT_FAILURE;
	options.pool_max = bench.calls + STORE_POOL_KEPT;
	if (store_open(&options, &why) < 0) {
		(void)fprintf(stderr, "%s\n", why);
		return EXIT_FAILURE;
	}
	r = core_run();
	store_close();
	return r == 0 && bench.is_good ? EXIT_SUCCESS : EXIT_FAILURE;
}
