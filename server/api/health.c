/* /health: how the process and its store are, from numbers that are at hand. */
#include <malloc.h>
#include <stdio.h>
#include <unistd.h>

#include "api/routes.h"
#include "core/core.h"
#include "shared/clock.h"
#include "shared/macros.h"
#include "store/store.h"

static uint64_t process_started_ns;

__attribute__((constructor)) static void remember_start(void)
{
	process_started_ns = clock_now_ns();
}

/* Pages in memory, by the kernel's count; 0 when it does not tell. Asked once a second per core. */
static uint64_t rss_bytes(void)
{
	static _Thread_local uint64_t asked_ns, bytes;
	uint64_t now_ns = clock_now_ns();
	unsigned long long pages;
	FILE *file;

	if (asked_ns && now_ns - asked_ns < NS_PER_S)
		return bytes;
	asked_ns = now_ns;
	file = fopen("/proc/self/statm", "re");
	if (!file)
		return bytes;
	if (fscanf(file, "%*s %llu", &pages) == 1)
		bytes = pages * (uint64_t)sysconf(_SC_PAGESIZE);
	(void)fclose(file);
	return bytes;
}

static void put_megabytes(struct json_writer *w, const char *key, uint64_t bytes)
{
	char text[32];
	int n = snprintf(text, sizeof(text), "%lluMB", (unsigned long long)(bytes >> 20));

	json_put_str(w, key, str_of(text, (size_t)n));
}

static void put_memory(struct json_writer *w)
{
	struct mallinfo2 heap = mallinfo2();

	json_begin_object(w, "memory");
	put_megabytes(w, "rss", rss_bytes());
	put_megabytes(w, "heapUsed", heap.uordblks);
	put_megabytes(w, "heapTotal", heap.arena + heap.hblkhd);
	json_end_object(w);
}

static enum breaker_state worse(struct store_breakers breakers)
{
	if (breakers.reads == BREAKER_OPEN || breakers.writes == BREAKER_OPEN)
		return BREAKER_OPEN;
	return breakers.reads == BREAKER_CLOSED ? breakers.writes : breakers.reads;
}

/* A breaker's state says more than that the last probe failed: it is what clients meet. */
static struct str database_status(const struct store_health *health, struct store_breakers breakers)
{
	enum breaker_state state = worse(breakers);

	if (state != BREAKER_CLOSED)
		return str_cstr(breaker_state_name(state));
	return health->is_up ? STR("healthy") : STR("unhealthy");
}

int api_health(_unused_ struct call *call, struct response *response)
{
	struct json_writer *w = response_begin_plain(response, 200);
	char text[CLOCK_RFC3339_BYTES];
	struct store_breakers breakers;
	struct store_health health;
	bool is_healthy;

	store_health(&health);
	store_breakers(&breakers);
	is_healthy = health.is_up && worse(breakers) == BREAKER_CLOSED;
	json_put_str(w, "status", is_healthy ? STR("ok") : STR("degraded"));
	json_put_str(w, "timestamp", clock_rfc3339(clock_wall_ms(), text));
	json_put_u64(w, "uptime", (clock_now_ns() - process_started_ns) / NS_PER_S);
	put_memory(w);
	json_begin_object(w, "database");
	json_put_str(w, "status", database_status(&health, breakers));
	json_put_double(w, "latency_ms", (double)health.latency_us / 1000);
	json_begin_object(w, "breakers");
	json_put_str(w, "read", str_cstr(breaker_state_name(breakers.reads)));
	json_put_str(w, "write", str_cstr(breaker_state_name(breakers.writes)));
	json_end_object(w);
	json_end_object(w);
	response_public(response);
	return response_end(response);
}

int api_health_live(_unused_ struct call *call, struct response *response)
{
	json_put_str(response_begin_plain(response, 200), "status", STR("live"));
	return response_end(response);
}

int api_health_ready(_unused_ struct call *call, struct response *response)
{
	bool is_ready = store_is_ready() &&
			!atomic_load_explicit(&core_current()->is_draining, memory_order_relaxed);

	json_put_str(response_begin_plain(response, is_ready ? 200 : 503), "status",
		is_ready ? STR("ready") : STR("not ready"));
	return response_end(response);
}
