/* Memory by use: see memory.h; and the command mem show. */
#include "control/memory.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "control/control.h"
#include "control/handlers.h"
#include "control/latencies.h"
#include "core/core.h"
#include "core/pool.h"
#include "http/server.h"
#include "observe/metrics.h"
#include "shared/clock.h"
#include "shared/macros.h"
#include "store/store.h"

static struct {
	pthread_mutex_t lock; /* guards what follows; those of pools, claims and the allocator may
				 follow */
	uint64_t fiber_stack_bytes;
	uint64_t looked_ns; /* 0: never */
	struct memory_parts parts;
} memory = { .lock = PTHREAD_MUTEX_INITIALIZER };

void memory_init(uint64_t fiber_stack_bytes)
{
	memory.fiber_stack_bytes = fiber_stack_bytes;
}

uint64_t memory_rss(void)
{
	unsigned long long size, resident = 0;
	FILE *file = fopen("/proc/self/statm", "re");

	if (!file)
		return 0;
	if (fscanf(file, "%llu %llu", &size, &resident) != 2)
		resident = 0;
	(void)fclose(file);
	return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* --- one look --- */

/* As many as Linux allows a process by default (vm.max_map_count). */
#define MAPPINGS_MAX 65536

struct look {
	struct memory_account account;
	struct mapping *mappings; /* by address */
	unsigned count, allocated;
};

static void mapping_add(const struct mapping *mapping, void *arg)
{
	struct look *look = arg;
	unsigned allocated = look->allocated ? look->allocated * 2 : 256;
	struct mapping *grown;

	memory_account_mapping(&look->account, mapping);
	if (look->count == look->allocated && allocated <= MAPPINGS_MAX) {
		grown = realloc(look->mappings, allocated * sizeof(*grown));
		if (!grown)
			return; /* claims in it will be unexplained */
		look->mappings = grown;
		look->allocated = allocated;
	}
	if (look->count < look->allocated)
		look->mappings[look->count++] = *mapping;
}

static int mapping_order(const void *key, const void *item)
{
	const struct mapping *mapping = item;
	uintptr_t address = (uintptr_t)key;

	return address < mapping->start ? -1 : address >= mapping->end;
}

static void claim_add(const struct claim *claim, void *arg)
{
	struct look *look = arg;
	const struct mapping *mapping = bsearch(
		claim->start, look->mappings, look->count, sizeof(*look->mappings), mapping_order);

	if (mapping)
		memory_account_claim(
			&look->account, claim, resident_bytes(claim->start, claim->bytes), mapping);
}

static void pool_add(const struct pool *pool, void *arg)
{
	*(uint64_t *)arg += pool_bytes(pool);
}

static uint64_t tls_bytes(const struct control_context *context)
{
	int64_t bytes = 0;

	for (unsigned i = 0; i < cores_count(); i++) {
		const struct http_server *server = context->http_of(core_at(i));

		if (server)
			bytes += atomic_load_explicit(
				&http_server_stats(server)->tls_bytes, memory_order_relaxed);
	}
	return (uint64_t)MAX(bytes, 0);
}

static void look(const struct control_context *context, struct memory_parts *parts)
{
	struct look look = { .account = memory_account_begin(memory.fiber_stack_bytes) };
	struct allocator_stats heap;
	uint64_t pools = 0;

	if (mappings_each(mapping_add, &look) == 0) {
		(void)claims_each(claim_add, &look);
		allocator_stats(&heap);
		pool_each(pool_add, &pools);
		memory_account_counted(&look.account, MEMORY_POOLS, pools);
		memory_account_counted(&look.account, MEMORY_TLS, tls_bytes(context));
		memory_account_counted(&look.account, MEMORY_STORE, store_memory_bytes());
		memory_account_counted(
			&look.account, MEMORY_METRICS, metrics_bytes() + latencies_bytes());
		*parts = memory_account_end(&look.account, &heap);
	}
	free(look.mappings);
}

void memory_parts(
	const struct control_context *context, uint64_t age_ms_max, struct memory_parts *ret_parts)
{
	uint64_t now_ns = clock_now_ns();

	pthread_mutex_lock(&memory.lock);
	if (!memory.looked_ns || now_ns >= clock_after_ms(memory.looked_ns, age_ms_max)) {
		look(context, &memory.parts);
		memory.looked_ns = now_ns;
	}
	*ret_parts = memory.parts;
	pthread_mutex_unlock(&memory.lock);
}

/* --- mem show --- */

static const char *const details[MEMORY_PARTS] = {
	[MEMORY_PROGRAM] = "authd itself: code and variables",
	[MEMORY_LIBRARIES] = "code and variables of libraries, shared with other processes",
	[MEMORY_THREAD_STACKS] = "stacks of threads, as far as they were ever used",
	[MEMORY_FIBER_STACKS] = "stacks of requests, in use and kept",
	[MEMORY_RINGS] = "shared with the kernel, and buffers for receiving",
	[MEMORY_POOLS] = "connections and requests, in use and kept: authctl pool list",
	[MEMORY_TLS] = "sessions of connections with TLS",
	[MEMORY_CACHES] = "authctl cache list",
	[MEMORY_DIGESTS] = "of tokens that came lately",
	[MEMORY_LIMITS] = "who has used how much: authctl limit list",
	[MEMORY_HASHING] = "tables of bcrypt, for each thread",
	[MEMORY_STORE] = "SQLite's pages and statements, and the index of its log",
	[MEMORY_LOG] = "rings of records that wait to be written",
	[MEMORY_TRACES] = "spans that wait to be sent",
	[MEMORY_METRICS] = "histograms, and their windows for authctl latency",
	[MEMORY_HEAP] = "handed out by the allocator to everything else",
	[MEMORY_HEAP_FREE] =
		"given back to the allocator, which keeps it, or its own: authctl mem purge",
};

static void row_write(struct control_request *request, const struct memory_parts *parts,
	const char *part, const char *detail, uint64_t bytes)
{
	struct json_writer *w = request_row_begin(request);

	json_put_str(w, "part", str_cstr(part));
	json_put_u64(w, "bytes", bytes);
	json_put_double(w, "share", parts->rss ? (double)bytes / (double)parts->rss : 0);
	json_put_str(w, "detail", str_cstr(detail));
	request_row_end(request);
}

void handle_mem_show(struct control_request *request)
{
	struct memory_parts parts;

	memory_parts(request->context, 0, &parts);
	for (enum memory_part part = 0; part < MEMORY_PARTS; part++)
		row_write(
			request, &parts, memory_part_names[part], details[part], parts.bytes[part]);
	row_write(request, &parts, "unexplained", "resident, and nobody says that it is his",
		parts.unexplained);
	row_write(request, &parts, "total", "resident", parts.rss);
}
