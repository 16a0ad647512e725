/* What runs on each core: see serving.h. */
#include "start/serving.h"

#include "api/router.h"
#include "auth/caches.h"
#include "core/core.h"
#include "core/listener.h"
#include "observe/log.h"
#include "observe/metrics.h"
#include "shared/macros.h"
#include "start/fail.h"
#include "start/listening.h"
#include "start/live.h"
#include "start/parts.h"

#define LISTEN_BACKLOG 4096 /* a burst of reconnecting clients; the kernel cuts it to somaxconn */
/* A client that is there brings its next request within this, and is told to go elsewhere. */
#define DRAIN_IDLE_MS 1000
/* When another daemon serves nobody waits for us to end, and the longer a client has been silent
 * the less likely is it to send at the very moment when its connection ends. */
#define HANDED_IDLE_MS 10000

static struct serving_options serving;
static _Atomic(struct http_server *) servers[CORES_MAX];

static int listen_all(struct http_server *server, unsigned core)
{
	struct listening_socket sockets[HTTP_LISTENERS_MAX];
	unsigned count = listening_of(core, sockets);
	int r = 0;

	if (serving.is_held)
		http_server_start_held(server);
	for (unsigned i = 0; r == 0 && i < count; i++)
		r = http_server_listen(server, sockets[i].fd, sockets[i].kind);
	return r;
}

/* 0 when nobody is redirected. */
static unsigned redirect_port(void)
{
	const struct config *config = serving.config;
	struct address address;

	if (config->tls.redirect_port || !config->tls.listen.count ||
		address_parse(str_cstr(config->tls.listen.items[0]), &address) < 0)
		return (unsigned)config->tls.redirect_port;
	return address_port(&address);
}

static int on_start(struct core *core)
{
	const struct config *config = serving.config;
	const struct http_options options = {
		.idle_timeout_ms = config->http.idle_timeout_ms,
		.request_timeout_ms = config->http.request_timeout_ms,
		.send_timeout_ms = config->http.send_timeout_ms,
		.handshake_timeout_ms = config->tls.handshake_timeout_ms,
		.redirect_port = redirect_port(),
		.connections_max = (uint32_t)config->http.connections_max,
		/* Half of them may be waiting for their clients' bytes. */
		.exchanges_max = (uint32_t)config->core.fibers_max * 2,
		.compression = { .is_on = config->http.is_compressing,
			.level = (int)config->http.compression_level,
			.threshold_bytes = (uint32_t)config->http.compression_threshold_bytes },
		.trust = *serving.trust,
	};
	const uint32_t fibers = (uint32_t)config->core.fibers_max;
	const struct caches_options caches = {
		.users_max = (uint32_t)config->cache.users_max,
		.tokens_max = (uint32_t)config->cache.tokens_max,
		.ttl_ms = config->cache.ttl_ms,
		.sweep_ms = config->cache.sweep_ms,
		/* With the one that loads: a quarter of the stacks is for other requests, as it is
		 * with costly ones (admission_start()). */
		.waiters_max = fibers - fibers / 4 - 1,
	};
	struct http_server *server;
	int r;

	r = log_core_start(core->index);
	if (r == 0 && config->metrics.is_recording)
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
	uint64_t idle_ms = serving.is_handed_over() ? HANDED_IDLE_MS : DRAIN_IDLE_MS;

	http_server_drain(core->app, MIN(idle_ms, live_drain_timeout_ms() / 2), on_drained, core);
}

static void on_stop(_unused_ struct core *core)
{
	caches_stop();
}

static const struct core_app app = {
	.on_start = on_start, .on_drain = on_drain, .on_stop = on_stop
};

int serving_start(const struct serving_options *options)
{
	const struct config *config = options->config;
	const struct core_options cores = {
		.cores = processors(config->core.threads),
		.is_pinned = config->core.is_pinned,
		.fibers_max = (unsigned)config->core.fibers_max,
		.stack_bytes = (unsigned)config->core.stack_bytes,
		.loop = { .engine = (enum loop_engine_choice)config->io.engine,
			.entries = (unsigned)config->io.entries,
			.receive = (enum loop_receive)config->io.receive,
			.receive_buffers = (unsigned)config->io.buffers,
			.receive_buffer_bytes = (unsigned)config->io.buffer_bytes },
	};
	const char *where = "";
	int r;

	serving = *options;
	r = listening_start(config, cores.cores, LISTEN_BACKLOG, &where);
	if (r < 0)
		return fail(where, r, listening_why(r));
	r = cores_start(&cores, &app);
	return r < 0 ? fail("cores", r, loop_error_remedy(r)) : r;
}

struct http_server *serving_on(struct core *core)
{
	return atomic_load(&servers[core->index]);
}

bool serving_is_draining(void)
{
	return atomic_load_explicit(&core_at(0)->is_draining, memory_order_relaxed);
}
