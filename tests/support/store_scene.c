/* A scene for tests of the store: see store_scene.h. */
#include "support/store_scene.h"

#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sched.h>
#include <unistd.h>

#include "core/core.h"
#include "shared/clock.h"
#include "shared/macros.h"
#include "store/faults.h"

#define TESTS_MS 600000 /* more than all tests take, sanitizers and a busy machine included */
#define UNTIL_MS 10000

static struct {
	struct core *core;
	struct inbox_item start;
	int (*run)(void);
	int result;
	char folder[64], path[80], uri[256];
	struct store_options options;
	bool is_open;
} scene;

/* --- the core: all tests run on one fiber of it --- */

static int on_start(struct core *core)
{
	scene.core = core;
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

static void fiber_main(_unused_ void *arg)
{
	scene.result = scene.run();
	core_stop(scene.core);
}

static void on_tests(_unused_ struct inbox_item *item)
{
	struct fiber *fiber;

	(void)fiber_start(scene.core->fibers, fiber_main, NULL,
		clock_after_ms(clock_now_ns(), TESTS_MS), &fiber);
}

int test_around(int (*run)(void))
{
	static const struct core_app app = { on_start, on_drain, on_stop };
	static const struct core_options options = { .cores = 1,
		.fibers_max = 256,
		.stack_bytes = 256 * 1024,
		.loop = { .entries = 64, .receive_buffers = 16, .receive_buffer_bytes = 4096 } };
	int r = cores_start(&options, &app);

	if (r < 0)
		return EXIT_FAILURE;
	scene.run = run;
	scene.result = EXIT_FAILURE;
	scene.start.on_core = on_tests;
	inbox_send(&scene.core->inbox, &scene.start);
	r = cores_join(TESTS_MS);
	return r < 0 ? EXIT_FAILURE : scene.result;
}

/* --- the store --- */

static int file_remove(const char *path, const struct stat *stat, int type, struct FTW *walk)
{
	(void)stat, (void)type, (void)walk;
	return remove(path);
}

/* Each test has a database of its own: servers of tests are thrown away with all of them. */
static void mongodb_options(struct store_options *options)
{
	static unsigned number;
	const char *server = getenv("AUTHD_TEST_MONGODB"); /* mongodb://127.0.0.1:27017 */

	assert_non_null(server);
	(void)snprintf(scene.uri, sizeof(scene.uri), "%s/test-%d-%u", server, getpid(), ++number);
	options->uri = scene.uri;
	options->pool_min = 2;
	options->pool_max = 16;
	options->connect_timeout_ms = options->op_timeout_ms = options->select_timeout_ms = 5000;
}

static void store_begin(void)
{
	const char *why = "";
	int r = store_open(&scene.options, &why);

	if (r < 0)
		print_error("store: %s\n", why);
	assert_int_equal(r, 0);
	scene.is_open = true;
}

static void store_end(void)
{
	store_close();
	scene.is_open = false;
}

void scene_run(void (*body)(void), const struct scene_options *options)
{
	if (scene.is_open) /* the test before has failed */
		store_end();
	faults_clear();
	(void)snprintf(scene.folder, sizeof(scene.folder), "/tmp/authd-store-XXXXXX");
	assert_non_null(mkdtemp(scene.folder));
	(void)snprintf(scene.path, sizeof(scene.path), "%s/test.db", scene.folder);
	scene.options = (struct store_options){ .backend = STORE_BACKEND,
		.path = scene.path,
		.reader_threads = options->reader_threads ? options->reader_threads : 2,
		.queued_max = options->queued_max ? options->queued_max : 1024,
		.strangers_max = options->strangers_max,
		/* What fails here is the store's to answer: no breaker comes before it, and no
		 * time-out, since some tests set the clock back when they end. */
		.call_timeout_ms = TESTS_MS,
		.breaker.calls_min = UINT_MAX };
	if (strcmp(STORE_BACKEND, "mongodb") == 0)
		mongodb_options(&scene.options);
	store_begin();
	body();
	store_end();
	assert_int_equal(nftw(scene.folder, file_remove, 8, FTW_DEPTH | FTW_PHYS), 0);
}

void scene_restart(void)
{
	store_end();
	store_begin();
}

/* --- fibers --- */

struct together {
	void (*run)(void *arg);
	struct fiber *waiter;
	unsigned waiting;
	bool is_waited;
};

struct part {
	struct together *together;
	void *arg;
};

static void part_main(void *arg)
{
	struct part *part = arg;
	struct together *together = part->together;

	together->run(part->arg);
	if (--together->waiting == 0 && together->is_waited)
		fiber_wake(together->waiter, 0);
}

static void start_together(
	struct together *together, unsigned count, void *args, size_t arg_bytes, uint64_t ms)
{
	struct part parts[256];
	struct fiber *fiber;

	assert_true(count <= ARRAY_SIZE(parts));
	together->waiter = fiber_current();
	together->waiting = count;
	for (unsigned i = 0; i < count; i++) {
		parts[i] = (struct part){ together, (char *)args + i * arg_bytes };
		assert_int_equal(fiber_start(scene.core->fibers, part_main, &parts[i],
					 clock_after_ms(clock_now_ns(), ms), &fiber),
			0);
	}
	if (together->waiting) {
		together->is_waited = true;
		assert_int_equal(fiber_wait_await(), 0);
	}
}

void scene_together(unsigned count, void (*run)(void *arg), void *args, size_t arg_bytes)
{
	start_together(&(struct together){ .run = run }, count, args, arg_bytes, TESTS_MS);
}

void scene_deadline(void (*run)(void *arg), void *arg, uint64_t ms)
{
	start_together(&(struct together){ .run = run }, 1, arg, 0, ms);
}

void scene_until(bool (*is_true)(void))
{
	uint64_t end_ns = clock_after_ms(clock_now_ns(), UNTIL_MS);

	while (!is_true() && clock_now_ns() < end_ns)
		sched_yield();
	assert_true(is_true());
}

/* --- records --- */

void scene_digest(const char *text, uint8_t digest[static STORE_DIGEST_BYTES])
{
	size_t length = strlen(text);

	assert_true(length < STORE_DIGEST_BYTES);
	memset(digest, 0xa5, STORE_DIGEST_BYTES);
	memcpy(digest, text, length + 1);
}

struct account scene_account(const char *name)
{
	struct account account = { .role_count = 2,
		.roles = { "user", "admin" },
		.created_ms = SCENE_NOW,
		.updated_ms = SCENE_NOW,
		.last_login_ms = SCENE_NOW };

	(void)snprintf(account.id, sizeof(account.id), "id-%s", name);
	(void)snprintf(account.email, sizeof(account.email), "%s@Example.org", name);
	(void)snprintf(account.email_key, sizeof(account.email_key), "%s@example.org", name);
	(void)snprintf(account.name, sizeof(account.name), "%s", name);
	(void)snprintf(account.hash, sizeof(account.hash), "hash-%s", name);
	return account;
}

struct session_new scene_session(const char *name, const char *account_name)
{
	struct session_new new = { .session = { .agent = "agent",
					   .address = "192.0.2.1",
					   .created_ms = SCENE_NOW,
					   .used_ms = SCENE_NOW,
					   .idle_until_ms = SCENE_NOW + SCENE_IDLE_MS,
					   .ends_ms = SCENE_NOW + SCENE_ENDS_MS } };

	(void)snprintf(new.session.id, sizeof(new.session.id), "%s", name);
	(void)snprintf(
		new.session.account_id, sizeof(new.session.account_id), "id-%s", account_name);
	scene_digest("client", new.session.client);
	scene_digest(name, new.refresh_hash);
	return new;
}

void scene_register(const char *name)
{
	struct account account = scene_account(name);
	struct session_new session = scene_session(name, name);

	assert_int_equal(store_account_create_await(&account, &session), 1);
}

int scene_login(const char *account_name, const char *session_name, int64_t now_ms)
{
	struct session_new session = scene_session(session_name, account_name);
	struct account account = scene_account(account_name);
	struct login_request request = {
		.session = &session, .hash = account.hash, .now_ms = now_ms
	};
	struct login_result result;

	session.session.created_ms = session.session.used_ms = now_ms;
	return store_login_await(&request, &result);
}

int scene_refresh(const char *from, const char *to, int64_t now_ms)
{
	struct refresh_request request = {
		.now_ms = now_ms, .idle_ms = SCENE_IDLE_MS, .grace_ms = 10000
	};
	struct refresh_result result;

	scene_digest(from, request.hash);
	scene_digest(to, request.new_hash);
	scene_digest("client", request.client);
	return store_refresh_await(&request, &result);
}

int scene_lives(const char *session_name, int64_t now_ms)
{
	struct session session;
	struct account account;

	return store_session_find_await(session_name, now_ms, &session, &account);
}
