/*
 * authd: reads its configuration, starts the store, the hashing threads, the cores and the
 * operator's socket, waits for a signal, and stops them in the opposite order. Nothing is served
 * here: follow a request from http/conn.c.
 */
#include <assert.h>
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "adopt.h"
#include "api/cors.h"
#include "api/documents.h"
#include "api/router.h"
#include "auth/caches.h"
#include "auth/clients.h"
#include "auth/common.h"
#include "auth/remote.h"
#include "auth/rotation.h"
#include "config/config.h"
#include "control/control.h"
#include "control/exporter.h"
#include "control/memory.h"
#include "core/core.h"
#include "core/inherit.h"
#include "core/listener.h"
#include "crypt/password.h"
#include "guard/admission.h"
#include "guard/limits.h"
#include "handover.h"
#include "http/server.h"
#include "listening.h"
#include "mail_start.h"
#include "live.h"
#include "make_admin.h"
#include "observe/log.h"
#include "observe/metrics.h"
#include "observe/trace.h"
#include "observe/notify.h"
#include "predecessor.h"
#include "shared/clock.h"
#include "shared/err.h"
#include "shared/macros.h"
#include "shared/probe.h"
#include "shared/random.h"
#include "shared/secret.h"
#include "store/store.h"
#include "store_start.h"
#include "successor.h"
#include "tls/tls.h"
#include "tracing_start.h"
#include "transfer.h"

#define LISTEN_BACKLOG 4096 /* a burst of reconnecting clients; the kernel cuts it to somaxconn */
/* A client that is there brings its next request within this, and is told to go elsewhere. */
#define DRAIN_IDLE_MS 1000
/* When another daemon serves nobody waits for us to end, and the longer a client has been silent
 * the less likely is it to send at the very moment when its connection ends. */
#define HANDED_IDLE_MS 10000
#define JOIN_TIMEOUT_MS 5000
#define STORE_CLOSE_MS 30000 /* the last commit, on a disk that is slow */

/* sysexits.h: a supervisor can tell a wrong configuration from a failure. */
enum { EXIT_USAGE = 2, EXIT_CONFIG = 78 };

static struct config config;
static struct http_trust trust;
static struct config_origins origins;
static _Atomic(struct http_server *) servers[CORES_MAX];
static char boot[UUID_BYTES]; /* this run of the process */
static const char commit[] =
#include "commit.inc" /* of the build: meson.build */
	;

static int fail(const char *what, int error, const char *why)
{
	(void)fprintf(stderr, "authd: %s: %s\n", what, why && *why ? why : err_text(error));
	return error;
}

/* --- what runs on each core --- */

static int listen_all(struct http_server *server, unsigned core)
{
	struct listening_socket sockets[HTTP_LISTENERS_MAX];
	unsigned count = listening_of(core, sockets);
	int r = 0;

	if (predecessor_is_there())
		http_server_start_held(server);
	for (unsigned i = 0; r == 0 && i < count; i++)
		r = http_server_listen(server, sockets[i].fd, sockets[i].kind);
	return r;
}

/* For what can tell of one only. */
static const char *first_address(void)
{
	return config.http.listen.count ? config.http.listen.items[0] : config.tls.listen.items[0];
}

/* 0 when nobody is redirected. */
static unsigned redirect_port(void)
{
	struct address address;

	if (config.tls.redirect_port || !config.tls.listen.count ||
		address_parse(str_cstr(config.tls.listen.items[0]), &address) < 0)
		return (unsigned)config.tls.redirect_port;
	return address_port(&address);
}

static int on_start(struct core *core)
{
	const struct http_options options = {
		.idle_timeout_ms = config.http.idle_timeout_ms,
		.request_timeout_ms = config.http.request_timeout_ms,
		.send_timeout_ms = config.http.send_timeout_ms,
		.handshake_timeout_ms = config.tls.handshake_timeout_ms,
		.redirect_port = redirect_port(),
		.connections_max = (uint32_t)config.http.connections_max,
		/* Half of them may be waiting for their clients' bytes. */
		.exchanges_max = (uint32_t)config.core.fibers_max * 2,
		.compression = { .is_on = config.http.is_compressing,
			.level = (int)config.http.compression_level,
			.threshold_bytes = (uint32_t)config.http.compression_threshold_bytes },
		.trust = trust,
	};
	const struct caches_options caches = {
		.users_max = (uint32_t)config.cache.users_max,
		.tokens_max = (uint32_t)config.cache.tokens_max,
		.ttl_ms = config.cache.ttl_ms,
		.sweep_ms = config.cache.sweep_ms,
	};
	struct http_server *server;
	int r;

	r = log_core_start(core->index);
	if (r == 0 && config.metrics.is_recording)
		r = metrics_core_start(core->index);
	if (r == 0)
		r = caches_start(&caches);
	if (r < 0)
		return r;
	r = http_server_new(core, &options, &router_service, &server);
	if (r == 0) {
		core->app = server;
		atomic_store(&servers[core->index], server);
		r = listen_all(server, core->index);
	}
	if (r < 0)
		caches_stop(); /* on_stop() is for cores that have started */
	return r;
}

static void on_drained(void *arg)
{
	core_stop(arg);
}

static void on_drain(struct core *core)
{
	uint64_t idle_ms = successor_is_serving() ? HANDED_IDLE_MS : DRAIN_IDLE_MS;

	http_server_drain(core->app, MIN(idle_ms, live_drain_timeout_ms() / 2), on_drained, core);
}

static void on_stop(_unused_ struct core *core)
{
	caches_stop();
}

static const struct core_app app = {
	.on_start = on_start, .on_drain = on_drain, .on_stop = on_stop
};

/* --- starting --- */

static int address_try(const char *option, const char *text, struct buf *errors)
{
	struct address address;

	if (address_parse(str_cstr(text), &address) == 0)
		return 0;
	(void)!buf_printf(errors,
		"error: %s: '%s' is no address: write 127.0.0.1:8080, [::1]:8080 or *:8080\n",
		option, text);
	return -EINVAL;
}

static int addresses_try(
	const char *option, const struct config_list *addresses, struct buf *errors)
{
	int r = 0;

	for (unsigned i = 0; i < addresses->count; i++)
		r = MIN(r, address_try(option, addresses->items[i], errors));
	return r;
}

static int origin_try(const char *text, struct buf *errors)
{
	if (cors_is_origin(str_cstr(text)))
		return 0;
	(void)!buf_printf(errors,
		"error: http.cors_origins: '%s' is no origin: write https://app.example or"
		" http://localhost:3000\n",
		text);
	return -EINVAL;
}

/* An address serves one thing: the kernel would give half of its clients to the other. */
static int addresses_differ(const struct config *tried, struct buf *errors)
{
	const struct config_list *lists[] = { &tried->http.listen, &tried->tls.listen,
		&tried->tls.redirect_listen };
	int r = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(lists); i++)
		for (unsigned j = 0; j < lists[i]->count; j++)
			for (unsigned k = i + 1; k < ARRAY_SIZE(lists); k++)
				if (config_list_has(lists[k], lists[i]->items[j])) {
					(void)!buf_printf(errors,
						"error: %s is to serve with TLS and without\n",
						lists[i]->items[j]);
					r = -EINVAL;
				}
	return r;
}

/* What parsing an option could not know. 0, or -EINVAL and a sentence for each. */
static int config_try(const struct config *tried, const struct config *in_force, struct buf *errors)
{
	const char *scraped = tried->metrics.listen;
	int r = 0;

	r = MIN(r, addresses_try("http.listen", &tried->http.listen, errors));
	r = MIN(r, addresses_try("tls.listen", &tried->tls.listen, errors));
	r = MIN(r, addresses_try("tls.redirect_listen", &tried->tls.redirect_listen, errors));
	r = MIN(r, addresses_differ(tried, errors));
	r = MIN(r, live_tls_try(tried, in_force, errors));
	if (scraped[0] && scraped[0] != '/')
		r = MIN(r, address_try("metrics.listen", scraped, errors));
	for (unsigned i = 0; i < tried->http.cors_origins.count; i++)
		r = MIN(r, origin_try(tried->http.cors_origins.items[i], errors));
	return r;
}

static int proxies_add(const char *text)
{
	unsigned line;
	int r;

	if (text[0] != '@') {
		r = networks_add(&trust.proxies, str_cstr(text));
		if (r < 0)
			return fail(text, r,
				r == -EINVAL ? "is no network: write 10.0.0.0/8 or fd00::/8"
					     : NULL);
		return 0;
	}
	r = networks_add_file(&trust.proxies, text + 1, &line);
	if (r < 0 && line)
		(void)fprintf(stderr, "authd: %s: line %u is wrong\n", text + 1, line);
	return r < 0 ? fail(text + 1, r, r == -EINVAL ? "one network a line is expected" : NULL)
		     : 0;
}

static int trust_parse(void)
{
	int r = 0;

	trust.forwarded = (enum http_forwarded)config.http.forwarded;
	trust.has_proxy_protocol = config.http.has_proxy_protocol;
	for (unsigned i = 0; r == 0 && i < config.http.trusted_proxies.count; i++)
		r = proxies_add(config.http.trusted_proxies.items[i]);
	return r;
}

/* The secret that HS256 shares with an application: as long as its key. */
static char token_secret[STORE_KEY_BYTES_MAX];

static int keys_make(const struct keys **ret_keys)
{
	struct rotation_options options = { .algorithm =
						    (enum signing_algorithm)config.token.algorithm,
		.every_ms = (int64_t)config.token.rotate_every_ms,
		.apply = live_keys };
	const char *path = config.token.secret_file;
	FILE *file;
	size_t bytes;

	if (options.algorithm == SIGNING_HS256 && path[0]) {
		file = fopen(path, "re");
		if (!file)
			return fail(path, -errno, NULL);
		bytes = fread(token_secret, 1, sizeof(token_secret), file);
		(void)fclose(file);
		/* Editors end files with a newline; secrets do not. */
		while (bytes && token_secret[bytes - 1] == '\n')
			bytes--;
		options.secret = str_of(token_secret, bytes);
	}
	return rotation_init(&options, ret_keys);
}

static unsigned processors(uint64_t configured)
{
	long online = sysconf(_SC_NPROCESSORS_ONLN);

	if (configured)
		return (unsigned)configured;
	return online < 1 ? 1 : (unsigned)MIN(online, CORES_MAX);
}

static void breaker_changed(const char *name, const struct breaker_change *change)
{
	static const char *const events[] = { [BREAKER_CLOSED] = "breaker.closed",
		[BREAKER_OPEN] = "breaker.opened",
		[BREAKER_HALF_OPEN] = "breaker.half_open" };

	PROBE3(breaker__change, name, change->from, change->to);
	log_event(change->to == BREAKER_OPEN ? LOG_LEVEL_ERROR : LOG_LEVEL_INFO, events[change->to],
		str_cstr(change->reason), LOG_TEXT("authd.breaker", str_cstr(name)),
		LOG_NUMBER("authd.breaker.calls", change->calls),
		LOG_NUMBER("authd.breaker.failures", change->failures));
}

static int common_start(void)
{
	const char *path = config.password.refused_file;
	unsigned line;
	int r = common_load(path, &line);

	if (r < 0 && line)
		(void)fprintf(stderr, "authd: %s: line %u is no UTF-8\n", path, line);
	return r < 0 ? fail(path, r, NULL) : 0;
}

static int documents_start(void)
{
	return documents_make(&(struct openapi_options){ .base = str_cstr(config.http.base),
				      .cookie = str_cstr(config.token.cookie),
				      .password_points_min = (unsigned)config.password.min },
		config.http.has_docs);
}

static int oauth_start(void)
{
	const char *path = config.oauth.clients_file, *why;
	unsigned line;
	int r = clients_load(path, &line, &why);

	if (r < 0 && line)
		(void)fprintf(stderr, "authd: %s: line %u\n", path, line);
	return r < 0 ? fail(path, r, why) : 0;
}

static int hashing_start(void)
{
	const struct password_options options = {
		.threads = processors(config.password.threads),
		.queued_max = (unsigned)config.password.queue_max,
		.cost = (unsigned)config.password.cost,
	};
	struct password_stats stats;
	int r;

	r = password_threads_start(&options);
	if (r < 0)
		return r;
	password_stats_read(&stats);
	if (!stats.is_interleaved)
		log_event(LOG_LEVEL_ERROR, "password.bcrypt_wrong",
			STR("our bcrypt makes wrong hashes on this machine: libxcrypt makes all,"
			    " one at a time on each thread"),
			LOG_NUMBER("authd.hashing_threads", options.threads));
	return 0;
}

static int cores_run(void)
{
	const struct core_options options = {
		.cores = processors(config.core.threads),
		.is_pinned = config.core.is_pinned,
		.fibers_max = (unsigned)config.core.fibers_max,
		.stack_bytes = (unsigned)config.core.stack_bytes,
		.loop = { .engine = (enum loop_engine_choice)config.io.engine,
			.entries = (unsigned)config.io.entries,
			.receive = (enum loop_receive)config.io.receive,
			.receive_buffers = (unsigned)config.io.buffers,
			.receive_buffer_bytes = (unsigned)config.io.buffer_bytes },
	};
	const char *where = "";
	int r = listening_start(&config, options.cores, LISTEN_BACKLOG, &where);

	if (r < 0)
		return fail(where, r, NULL);
	r = cores_start(&options, &app);
	return r < 0 ? fail("cores", r, loop_error_remedy(r)) : r;
}

/* A quarter of a core's stacks is for requests that are not costly, whatever happens. */
static void admission_make(void)
{
	unsigned fibers = (unsigned)config.core.fibers_max;

	job_wait_max_set(config.admission.queue_time_max_ms);
	admission_init(&(struct admission_options){
		.concurrent_max =
			(unsigned)config.admission.concurrent_max * processors(config.core.threads),
		.core_max = fibers - fibers / 4,
		.queue_time_max_ms = config.admission.queue_time_max_ms,
		.queue_time_standing_ms = config.admission.queue_time_standing_ms,
		.reads = job_queue_find("store-read"),
		.hashing = password_queue(),
		.writes = job_queue_find("store-write"),
	});
}

/* io_uring was wanted and could not be had: it serves, but the operator should know. */
static void engine_log(void)
{
	int error = loop_features(core_at(0)->loop)->fallback_error;

	if (error)
		log_event(LOG_LEVEL_WARN, "loop.fallback", str_cstr(loop_error_remedy(error)),
			LOG_TEXT("authd.engine", STR("epoll")),
			LOG_TEXT("error.type", str_cstr(err_name(error))));
}

static struct http_server *server_of(struct core *core)
{
	return atomic_load(&servers[core->index]);
}

static bool is_draining(void)
{
	return atomic_load_explicit(&core_at(0)->is_draining, memory_order_relaxed);
}

/* --- what the service manager is told --- */

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
		.is_draining = is_draining,
		.http_of = server_of,
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

static int serve(const char *path, const sigset_t *signals)
{
	struct control_context context;
	const struct keys *keys = NULL;
	int r;

	descriptors_raise();
	breakers_on_change(breaker_changed);
	r = store_start(&config);
	if (r < 0)
		return r;
	r = keys_make(&keys);
	if (r < 0)
		return fail("keys", r, r == -ERR_STORE_DOWN ? store_keys_reason() : NULL);
	r = live_start(&config, keys);
	if (r < 0)
		return fail("policy", r, NULL);
	r = common_start();
	if (r < 0)
		return r;
	r = oauth_start();
	if (r < 0)
		return r;
	r = hashing_start();
	if (r < 0)
		return fail("password hashing", r, NULL);
	r = mail_start(&config);
	if (r < 0)
		return r;
	admission_make();
	router_init(&(struct router_options){ .base = str_cstr(config.http.base),
		.cookie = str_cstr(config.token.cookie),
		.hsts_s = config.tls.hsts_ms / 1000 });
	cors_init(&config.http.cors_origins, config.token.cookie[0] != '\0');
	r = tracing_start(&config, boot);
	if (r < 0)
		return r;
	r = documents_start();
	if (r < 0)
		return fail("documents", r, NULL);
	r = cores_run();
	if (r < 0)
		return r;
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
		predecessor_watch(listening_retire);
	else
		listening_retire();

	wait_for_end(signals);
	serve_end();
	return 0;
}

/* For the documents. */
static void metrics_tell(void)
{
	_cleanup_(buf_deinit) struct buf text = buf_init(METRICS_DOCUMENT_BYTES_MAX);

	if (metrics_document(&text) == 0)
		(void)printf(STR_FORMAT, STR_ARGS(buf_str(&text)));
}

static int usage(FILE *out)
{
	(void)fprintf(out,
		"usage: authd [-c FILE] [--check | --export FILE | --import FILE | --adopt-check\n"
		"                        | --create-indexes | --make-admin EMAIL]\n"
		"  -c, --config FILE  read this configuration (default: none, all defaults)\n"
		"      --check        read it, say what is wrong, and end\n"
		"      --export FILE  write all that the store has to a file, or go on with it\n"
		"      --import FILE  add what a file has to the store\n"
		"      --adopt-check  tell what an application's users are to authd\n"
		"      --create-indexes  build those that are missing in MongoDB\n"
		"      --metrics-table  tell what is measured, as Markdown\n"
		"      --make-admin EMAIL  give this account the role of administrators\n"
		"      --version      tell which one this is\n");
	return out == stderr ? EXIT_USAGE : 0;
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

struct command_line {
	const char *config, *argument;
	int (*run)(const char *argument); /* instead of serving */
	bool is_check;
};

/* 0; 1 when it is answered already; -EINVAL. */
static int command_line_parse(int argc, char **argv, struct command_line *line)
{
	static const struct option options[] = { { "config", required_argument, NULL, 'c' },
		{ "check", no_argument, NULL, 'k' }, { "version", no_argument, NULL, 'v' },
		{ "metrics-table", no_argument, NULL, 'm' },
		{ "export", required_argument, NULL, 'e' },
		{ "import", required_argument, NULL, 'i' },
		{ "adopt-check", no_argument, NULL, 'a' },
		{ "create-indexes", no_argument, NULL, 'x' },
		{ "make-admin", required_argument, NULL, 'A' }, { "help", no_argument, NULL, 'h' },
		{} };
	int option;

	while ((option = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
		switch (option) {
		case 'c':
			line->config = optarg;
			break;
		case 'k':
			line->is_check = true;
			break;
		case 'e':
		case 'i':
			line->run = option == 'e' ? transfer_export : transfer_import;
			line->argument = optarg;
			break;
		case 'a':
			line->run = adopt_check;
			break;
		case 'x':
			line->run = indexes_create;
			break;
		case 'A':
			line->run = make_admin;
			line->argument = optarg;
			break;
		case 'm':
			metrics_tell();
			return 1;
		case 'v':
			(void)printf("authd %s\n", AUTHD_VERSION);
			return 1;
		case 'h':
			(void)usage(stdout);
			return 1;
		default:
			return -EINVAL;
		}
	}
	return optind < argc ? -EINVAL : 0;
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
	if (r < 0)
		return usage(stderr);
	if (r > 0)
		return 0;
	if (config_read(line.config) < 0 || trust_parse() < 0)
		return EXIT_CONFIG;
	if (line.is_check)
		return 0;
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
	r = serve(line.config, &signals);
	log_stop();
	return r < 0 ? EXIT_FAILURE : 0;
}
