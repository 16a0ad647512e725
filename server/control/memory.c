/* Memory by use: see memory.h; and the command mem show. */
#include "control/memory.h"

#include <stdio.h>
#include <unistd.h>

#include "cache/cache.h"
#include "control/control.h"
#include "control/handlers.h"
#include "core/core.h"
#include "core/pool.h"
#include "http/server.h"
#include "observe/allocator.h"
#include "shared/macros.h"

#define READ(counter) atomic_load_explicit(&(counter), memory_order_relaxed)

/* *ret_file: of what is resident, pages of files: the program and its libraries. */
static uint64_t rss_bytes(uint64_t *ret_file)
{
	unsigned long long size, resident = 0, file_pages = 0;
	FILE *file = fopen("/proc/self/statm", "re");

	if (!file)
		return 0;
	if (fscanf(file, "%llu %llu %llu", &size, &resident, &file_pages) != 3)
		resident = file_pages = 0;
	(void)fclose(file);
	*ret_file = file_pages * (uint64_t)sysconf(_SC_PAGESIZE);
	return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

uint64_t memory_rss(void)
{
	uint64_t file_bytes;

	return rss_bytes(&file_bytes);
}

static void pool_add(const struct pool *pool, void *arg)
{
	*(uint64_t *)arg +=
		(uint64_t)pool->options.object_bytes * (READ(pool->in_use) + READ(pool->idle));
}

static void cache_add(const struct cache *cache, void *arg)
{
	*(uint64_t *)arg += cache_bytes(cache);
}

static uint64_t tls_bytes(const struct control_context *context)
{
	int64_t bytes = 0;

	for (unsigned i = 0; i < cores_count(); i++) {
		const struct http_server *server = context->http_of(core_at(i));

		if (server)
			bytes += READ(http_server_stats(server)->tls_bytes);
	}
	return (uint64_t)MAX(bytes, 0);
}

/* Takes at most what is left, so that the parts never add up to more than there is. */
static uint64_t part_of(uint64_t *left, uint64_t bytes)
{
	uint64_t part = MIN(bytes, *left);

	*left -= part;
	return part;
}

void memory_parts(const struct control_context *context, struct memory_parts *ret_parts)
{
	uint64_t pools = 0, caches = 0, file = 0, tls = tls_bytes(context), left;
	struct allocator_stats heap;

	allocator_stats(&heap);
	pool_each(pool_add, &pools);
	cache_each(cache_add, &caches);
	*ret_parts = (struct memory_parts){ .rss = rss_bytes(&file) };
	left = ret_parts->rss;
	ret_parts->program = part_of(&left, file);
	ret_parts->pools = part_of(&left, pools);
	ret_parts->caches = part_of(&left, caches);
	ret_parts->tls = part_of(&left, tls);
	/* Large blocks count in full though their pages may never have been touched: so the heap
	 * may claim more than is resident, and the rest is what it is at least. */
	ret_parts->heap_other =
		part_of(&left, heap.allocated - MIN(heap.allocated, pools + caches + tls));
	ret_parts->heap_slack = part_of(&left, heap.retained + heap.metadata);
	ret_parts->rest = left;
}

void handle_mem_show(struct control_request *request)
{
	struct memory_parts parts;

	memory_parts(request->context, &parts);
	const struct {
		const char *part, *detail;
		uint64_t bytes;
	} rows[] = {
		{ "pools", "connections and requests, in use and kept: authctl pool list",
			parts.pools },
		{ "caches", "entries that are held", parts.caches },
		{ "tls", "sessions of connections with TLS", parts.tls },
		{ "heap", "other allocations in use", parts.heap_other },
		{ "slack", "free memory that the allocator keeps", parts.heap_slack },
		{ "program", "pages of the program and its libraries", parts.program },
		{ "rest", "stacks, rings, buffers of the kernel's", parts.rest },
		{ "total", "resident", parts.rss },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		struct json_writer *w = request_row_begin(request);

		json_put_str(w, "part", str_cstr(rows[i].part));
		json_put_u64(w, "bytes", rows[i].bytes);
		json_put_double(
			w, "share", parts.rss ? (double)rows[i].bytes / (double)parts.rss : 0);
		json_put_str(w, "detail", str_cstr(rows[i].detail));
		request_row_end(request);
	}
}
