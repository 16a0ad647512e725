/*
 * authd: reads its configuration, starts the store, the hashing threads, the cores and the
 * operator's socket, waits for a signal, and stops them in the opposite order. Nothing is served
 * here: follow a request from http/conn.c.
 */
#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "api/cors.h"
#include "api/documents.h"
#include "api/router.h"
#include "auth/clients.h"
#include "auth/common.h"
#include "auth/remote.h"
#include "auth/rotation.h"
#include "command_line.h"
#include "config/config.h"
#include "control/control.h"
#include "control/exporter.h"
#include "control/memory.h"
#include "core/core.h"
#include "core/inherit.h"
#include "core/listener.h"
#include "crypt/password.h"
#include "guard/limits.h"
#include "http/server.h"
#include "observe/log.h"
#include "observe/metrics.h"
#include "observe/notify.h"
#include "observe/trace.h"
#include "shared/clock.h"
#include "shared/err.h"
#include "shared/macros.h"
#include "shared/random.h"
#include "start/alone.h"
#include "start/check.h"
#include "start/fail.h"
#include "start/listening.h"
#include "start/live.h"
#include "start/mail.h"
#include "start/parts.h"
#include "start/serving.h"
#include "start/store.h"
#include "start/tracing.h"
#include "store/store.h"
#include "tls/tls.h"
#include "upgrade/handover.h"
#include "upgrade/predecessor.h"
#include "upgrade/successor.h"

#define JOIN_TIMEOUT_MS 5000
#define STORE_CLOSE_MS 30000 /* the last commit, on a disk that is slow */

/* sysexits.h: a supervisor can tell a wrong configuration from a failure. */
enum { EXIT_USAGE = 2, EXIT_CONFIG = 78 };

static struct config config;
static struct http_trust trust;
static struct config_origins origins;
static char boot[UUID_BYTES]; /* this run of the process */
static const char commit[] =
#include "commit.inc" /* of the build: meson.build */
	;

/* --- starting --- */

/* io_uring was wanted and could not be had: it serves, but the operator should know. */
static void engine_log(void)
{
	int error = loop_features(core_at(0)->loop)->fallback_error;

	if (error)
		log_event(LOG_LEVEL_WARN, "loop.fallback", str_cstr(loop_error_remedy(error)),
			LOG_TEXT("authd.engine", STR("epoll")),
			LOG_TEXT("error.type", str_cstr(err_name(error))));
}

/* --- what the service manager is told --- */

/* For what can tell of one only. */
static const char *first_address(void)
{
	return config.http.listen.count ? config.http.listen.items[0] : config.tls.listen.items[0];
}
static void tell_serving(void)
{
	char status[CONFIG_TEXT_BYTES + 64];

	(void)snprintf(
		status, sizeof(status), "serving %s on %u cores", first_address(), cores_count());
	notify_ready(status);
}

/* On the control thread. */
static int apply(const struct config *changed)
{
	int r;

	notify_reloading();
	r = live_apply(changed);
	tell_serving();
	return r;
}

/* How long the end may take: draining, cutting off, and what the store has in hand. */
static void tell_stopping(void)
{
	notify_stopping("finishing what is in progress",
		live_drain_timeout_ms() + JOIN_TIMEOUT_MS + STORE_CLOSE_MS);
}

static struct control_upgrade upgrade = { .program = successor_program,
	.start = successor_start,
	.step = successor_step,
	.told = successor_told,
	.has_predecessor = predecessor_is_there };

static struct control_context context_make(const char *path)
{
	const struct loop_features *features = loop_features(core_at(0)->loop);

	upgrade.number = predecessor_upgrades();
	return (struct control_context){ .version = AUTHD_VERSION,
		.commit = commit,
		.boot = boot,
		.config_path = path ? path : "",
		.started_ns = clock_now_ns(),
		.started_wall_ms = clock_wall_ms(),
		.engine = features->engine,
		.engine_why = loop_why(features),
		.is_multishot = features->is_receive_multishot,
		.is_draining = serving_is_draining,
		.http_of = serving_on,
		.upgrade = &upgrade };
}

/* Without an operator's socket, or without metrics, it serves all the same: the log says so. */
static void control_run(const struct control_context *context)
{
	const struct control_options options = { .config = &config,
		.origins = &origins,
		.apply = apply,
		.check = config_try,
		.context = *context,
		.inherited_fd = inherit_take(HANDOVER_CONTROL) };
	const char *why;
	int r = config.control.socket[0] ? control_start(&options, &why) : 0;

	if (r < 0)
		log_event(LOG_LEVEL_WARN, "control.unavailable", STR("authctl cannot connect"),
			LOG_TEXT("path", str_cstr(config.control.socket)));
	if (r < 0)
		(void)fail(config.control.socket, r, why);
}

static void exporter_run(const struct control_context *context)
{
	const char *listen = config.metrics.listen;
	int r = listen[0] ? exporter_start(listen, inherit_take(HANDOVER_METRICS), context) : 0;

	if (r < 0)
		log_event(LOG_LEVEL_WARN, "metrics.unavailable", STR("nobody can scrape"),
			LOG_TEXT("server.address", str_cstr(listen)),
			LOG_TEXT("error.message", str_cstr(err_text(r))));
}

/* --- running --- */

/* Connections are descriptors: as many as the system lets us have. */
static void descriptors_raise(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
}

/* Before the first thread is made: blocked in every one, the main one takes them with sigwait(). */
static void signals_block(sigset_t *ret_set)
{
	sigemptyset(ret_set);
	sigaddset(ret_set, SIGTERM);
	sigaddset(ret_set, SIGINT);
	sigaddset(ret_set, SIGHUP);
	sigaddset(ret_set, SIGUSR1);
	sigaddset(ret_set, SIGUSR2); /* of successor.c */
	pthread_sigmask(SIG_BLOCK, ret_set, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGXFSZ, SIG_IGN); /* a limit on file sizes is a full disk, not our end */
}

static void wait_for_end(const sigset_t *signals)
{
	int number;

	while (sigwait(signals, &number) == 0) {
		if (number == SIGHUP || number == SIGUSR1)
			(void)log_reopen();
		else if (number != SIGUSR2 || successor_is_serving())
			break;
	}
	log_event(LOG_LEVEL_INFO, "server.draining", STR("finishing what is in progress"),
		LOG_NUMBER("signal", number));
}

/* While another daemon changes the same store, what is cached may be of yesterday. */
static int cores_await(bool is_shared)
{
	uint64_t end_ns = clock_after_ms(clock_now_ns(), live_drain_timeout_ms());
	uint64_t now_ns = clock_now_ns();
	int r = -ETIMEDOUT;

	for (; r < 0 && now_ns < end_ns; now_ns = clock_now_ns()) {
		uint64_t left_ms = (end_ns - now_ns + NS_PER_MS - 1) / NS_PER_MS;

		r = cores_join((unsigned)(is_shared ? MIN(left_ms, HANDOVER_SHARED_MS) : left_ms));
		if (r < 0 && is_shared)
			remote_change(STORE_ANYTHING, "");
	}
	return r;
}

/* What there is once for all daemons goes first, if another one waits for it. */
static void operators_stop(bool is_handed_over)
{
	exporter_stop(is_handed_over);
	if (config.control.socket[0])
		control_stop(is_handed_over);
	if (!is_handed_over)
		return;
	successor_free();
	notify_stop();
}

static void serve_end(void)
{
	bool is_handed_over = successor_settle();

	if (is_handed_over)
		operators_stop(true);
	else
		tell_stopping();
	cores_drain();
	if (cores_await(is_handed_over) < 0) {
		cores_stop();
		(void)cores_join(JOIN_TIMEOUT_MS);
	}
	predecessor_unwatch();
	if (!is_handed_over)
		operators_stop(false);
	trace_stop();
	password_threads_stop();
	mail_stop();
	rotation_stop();
	store_close();
	limits_stop();
	common_unload();
	clients_unload();
	documents_free();
	live_stop();
	notify_stop();
	log_event(LOG_LEVEL_INFO, "server.stopped", STR("everything was finished"),
		LOG_NUMBER("exit", 0));
}

/* The daemon before us has gone: what it shared is ours. */
static void followed(void)
{
	listening_retire();
	(void)alone_follow(&config);
}

static int serve(const char *path, const sigset_t *signals)
{
	struct control_context context;
	const struct keys *keys = NULL;
	int r;

	descriptors_raise();
	breakers_watch();
	r = predecessor_is_there() ? 0 : alone_begin(&config);
	if (r == 0)
		r = store_start(&config);
	if (r < 0)
		return r;
	r = keys_make(&config, &keys);
	if (r < 0)
		return fail("keys", r, r == -ERR_STORE_DOWN ? store_keys_reason() : NULL);
	r = live_start(&config, keys);
	if (r < 0)
		return fail("policy", r, NULL);
	r = common_start(&config);
	if (r < 0)
		return r;
	r = oauth_start(&config);
	if (r < 0)
		return r;
	r = hashing_start(&config);
	if (r < 0)
		return fail("password hashing", r, NULL);
	r = mail_start(&config);
	if (r < 0)
		return r;
	admission_start(&config);
	router_init(&(struct router_options){ .base = str_cstr(config.http.base),
		.cookie = str_cstr(config.token.cookie),
		.hsts_s = config.tls.hsts_ms / 1000 });
	cors_init(&config.http.cors_origins, config.token.cookie[0] != '\0');
	r = tracing_start(&config, boot);
	if (r < 0)
		return r;
	r = documents_start(&config);
	if (r < 0)
		return fail("documents", r, NULL);
	r = serving_start(&(struct serving_options){ .config = &config,
		.trust = &trust,
		.is_held = predecessor_is_there(),
		.is_handed_over = successor_is_serving });
	if (r < 0)
		return r;
	predecessor_tickets_take();
	remote_begin();
	r = predecessor_follow();
	if (r < 0)
		return fail("the daemon before this one", r, NULL);
	r = rotation_start();
	if (r < 0)
		log_event(LOG_LEVEL_WARN, "keys.unchecked",
			STR("the signing keys will not be rotated"),
			LOG_TEXT("error.type", str_cstr(err_name(r))));
	predecessor_free_await();
	r = notify_start();
	if (r < 0)
		log_event(LOG_LEVEL_WARN, "notify.unavailable",
			STR("the service manager cannot be told how it is"),
			LOG_TEXT("error.type", str_cstr(err_name(r))));
	context = context_make(path);
	memory_init(config.core.stack_bytes);
	exporter_run(&context);
	control_run(&context); /* who finds its socket finds everything */
	inherit_close_rest();
	engine_log();
	log_event(LOG_LEVEL_INFO, "server.started", STR("serving"),
		LOG_TEXT("server.address", str_cstr(first_address())),
		LOG_NUMBER("authd.cores", cores_count()));
	listening_keep();
	tell_serving();
	if (predecessor_is_there())
		predecessor_watch(followed);
	else
		listening_retire();

	wait_for_end(signals);
	serve_end();
	return 0;
}

static int log_begin(void)
{
	return log_start(&(struct log_options){
		.path = config.log.file,
		.least = (enum log_level)config.log.level,
		.format = (enum log_format)config.log.format,
		.instance = uuid_new(boot).data,
		.rotate_bytes = config.log.rotate_bytes,
		.rotate_keep = (unsigned)config.log.rotate_keep,
		.journal = LOG_JOURNAL_SOCKET,
		.stderr_fd = predecessor_stderr(),
	});
}

static int config_read(const char *path)
{
	_cleanup_(buf_deinit) struct buf errors = buf_init(CONFIG_ERRORS_BYTES_MAX);
	int r;

	config_defaults(&config);
	if (!path)
		return 0;
	r = config_load_traced(path, &config, &origins, &errors);
	if (r == 0)
		r = config_try(&config, NULL, &errors);
	if (r < 0 && errors.len)
		(void)fprintf(stderr, STR_FORMAT, STR_ARGS(buf_str(&errors)));
	else if (r < 0)
		(void)fail(path, r, NULL);
	return r;
}

/* Instead of serving. Signals end it: all of these can be called again. */
static int offline(int (*run)(const char *argument), const char *argument)
{
	int r = store_start(&config);

	if (r < 0)
		return r;
	r = run(argument);
	store_close();
	return r;
}

int main(int argc, char **argv)
{
	struct command_line line = {};
	sigset_t signals;
	int r, has_parent;

	(void)tls_account_init(); /* uncounted, it works all the same */
	successor_init(argv);     /* before getopt puts its words into another order */
	has_parent = predecessor_read();
	r = command_line_parse(argc, argv, &line);
	if (r < 0) {
		command_line_usage(stderr);
		return EXIT_USAGE;
	}
	if (r > 0)
		return 0;
	if (config_read(line.config) < 0 || trust_parse(&config, &trust) < 0)
		return EXIT_CONFIG;
	if (line.is_check) {
		doubts_print(line.config ? line.config : "authd", &config);
		return 0;
	}
	if (line.run)
		return offline(line.run, line.argument) < 0 ? EXIT_FAILURE : 0;
	if (has_parent < 0)
		return fail(HANDOVER_VARIABLE, has_parent, NULL) < 0 ? EXIT_FAILURE : 0;
	r = inherit_read(has_parent > 0);
	if (r < 0)
		return fail("LISTEN_FDS", r, NULL) < 0 ? EXIT_FAILURE : 0;
	signals_block(&signals); /* in every thread: who does not would be killed by them */
	r = log_begin();
	if (r < 0)
		return fail(config.log.file, r, NULL) < 0 ? EXIT_FAILURE : 0;
	doubts_log(&config);
	r = serve(line.config, &signals);
	log_stop();
	return r < 0 ? EXIT_FAILURE : 0;
}
