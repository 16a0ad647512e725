/*
 * mem pools, mem doctor: the pools of small objects by their size, and what is wrong with memory:
 * rules as those of `doctor` (findings.h), over what memory.h has measured.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cache/cache.h"
#include "control/control.h"
#include "control/findings.h"
#include "control/handlers.h"
#include "control/memory.h"
#include "core/core.h"
#include "core/pool.h"
#include "guard/limits.h"
#include "observe/memory_limit.h"
#include "shared/clock.h"
#include "shared/macros.h"

#define READ(counter) atomic_load_explicit(&(counter), memory_order_relaxed)
#define MIB ((double)(1024 * 1024))
/* The alert for Prometheus goes by the first; behind the second any burst is too much. */
#define LIMIT_WARN 0.9
#define LIMIT_BAD 0.95
/* Less than this is what any allocator keeps, or what rounding leaves. */
#define SLACK_MIN_BYTES (32 * 1024 * 1024)
#define SLACK_WARN 0.25
#define UNEXPLAINED_WARN 0.1
/* A cache that forgets more than it finds is too small for what is asked. */
#define CACHE_REMOVED_MIN 1000

/* --- mem pools: of all cores together --- */

#define POOLS_MAX 32 /* kinds; a core has half a dozen */

struct pool_sum {
	const char *name; /* static text */
	uint64_t object_bytes, in_use, idle, max, bytes, refused;
	unsigned pools;
};

struct pool_sums {
	unsigned count;
	struct pool_sum sums[POOLS_MAX];
};

static struct pool_sum *sum_of(struct pool_sums *sums, const char *name)
{
	for (unsigned i = 0; i < sums->count; i++)
		if (strcmp(sums->sums[i].name, name) == 0)
			return &sums->sums[i];
	if (sums->count == POOLS_MAX)
		return NULL;
	sums->sums[sums->count].name = name;
	return &sums->sums[sums->count++];
}

static void pool_add(const struct pool *pool, void *arg)
{
	struct pool_sum *sum = sum_of(arg, pool->options.name);

	if (!sum)
		return;
	sum->object_bytes = pool->options.object_bytes + pool->options.owned_bytes;
	sum->in_use += READ(pool->in_use);
	sum->idle += READ(pool->idle);
	sum->max += pool->options.objects_max;
	sum->bytes += pool_bytes(pool);
	sum->refused += READ(pool->refused);
	sum->pools++;
}

void handle_mem_pools(struct control_request *request)
{
	struct pool_sums sums = {};

	pool_each(pool_add, &sums);
	for (unsigned i = 0; i < sums.count; i++) {
		const struct pool_sum *sum = &sums.sums[i];
		struct json_writer *w = request_row_begin(request);

		json_put_str(w, "pool", str_cstr(sum->name));
		json_put_u64(w, "object", sum->object_bytes);
		json_put_u64(w, "in_use", sum->in_use);
		json_put_u64(w, "free", sum->idle);
		json_put_u64(w, "max", sum->max);
		json_put_u64(w, "bytes", sum->bytes);
		json_put_u64(w, "free_bytes", sum->idle * sum->object_bytes);
		json_put_u64(w, "refused", sum->refused);
		json_put_u64(w, "cores", sum->pools);
		request_row_end(request);
	}
	request->is_truncated = sums.count == POOLS_MAX;
}

/* --- mem doctor --- */

static struct memory_parts parts_of(const struct control_request *request)
{
	struct memory_parts parts;

	/* One look for all rules, which walks the mappings. */
	memory_parts(request->context, 1000, &parts);
	return parts;
}

static double share_of(uint64_t bytes, const struct memory_parts *parts)
{
	return parts->rss ? (double)bytes / (double)parts->rss : 0;
}

static void look_limit(const struct control_request *request, struct finding *finding)
{
	const struct memory_parts parts = parts_of(request);
	uint64_t limit = memory_limit();
	double share = limit ? (double)parts.rss / (double)limit : 0;

	if (!limit)
		finding_say(finding, VERDICT_OK,
			"%.1f MiB are resident; its control group has no limit",
			(double)parts.rss / MIB);
	else
		finding_say(finding,
			share > LIMIT_BAD    ? VERDICT_BAD
			: share > LIMIT_WARN ? VERDICT_WARN
					     : VERDICT_OK,
			"%.1f MiB are resident, %.0f %% of the %.1f that its control group may have",
			(double)parts.rss / MIB, share * 100, (double)limit / MIB);
}

static void look_slack(const struct control_request *request, struct finding *finding)
{
	const struct memory_parts parts = parts_of(request);
	uint64_t bytes = parts.bytes[MEMORY_HEAP_FREE];
	double share = share_of(bytes, &parts);

	finding_say(finding,
		bytes > SLACK_MIN_BYTES && share > SLACK_WARN ? VERDICT_WARN : VERDICT_OK,
		"the allocator keeps %.1f MiB free, %.0f %% of what is resident",
		(double)bytes / MIB, share * 100);
}

static void look_unexplained(const struct control_request *request, struct finding *finding)
{
	const struct memory_parts parts = parts_of(request);
	double share = share_of(parts.unexplained, &parts);

	finding_say(finding,
		parts.unexplained > SLACK_MIN_BYTES && share > UNEXPLAINED_WARN ? VERDICT_WARN
										: VERDICT_OK,
		"%.1f MiB are of no part, %.0f %% of what is resident",
		(double)parts.unexplained / MIB, share * 100);
}

static void look_pools(_unused_ const struct control_request *request, struct finding *finding)
{
	struct pool_sums sums = {};

	pool_each(pool_add, &sums);
	finding_say(finding, VERDICT_OK, "no pool was ever full");
	for (unsigned i = 0; i < sums.count; i++)
		if (sums.sums[i].refused)
			finding_say(finding, VERDICT_WARN,
				"%s was full %" PRIu64 " times; %" PRIu64 " of %" PRIu64
				" are in use now",
				sums.sums[i].name, sums.sums[i].refused, sums.sums[i].in_use,
				sums.sums[i].max);
}

static void cache_look(const struct cache *cache, void *arg)
{
	const struct cache_options *options = cache_options(cache);
	const struct cache_stats *stats = cache_stats(cache);
	uint64_t hits = READ(stats->hits) + READ(stats->negative_hits);
	uint64_t removed = READ(stats->removed[CACHE_BY_SIZE]);

	if (removed > CACHE_REMOVED_MIN && removed > hits)
		finding_say(arg, VERDICT_WARN,
			"%s of core %u forgot %" PRIu64 " for want of room and found %" PRIu64
			"; it may hold %" PRIu32,
			options->name, options->core, removed, hits, options->entries_max);
}

static void look_caches(_unused_ const struct control_request *request, struct finding *finding)
{
	finding_say(finding, VERDICT_OK, "none forgets more than it finds");
	cache_each(cache_look, finding);
}

static void look_limits(_unused_ const struct control_request *request, struct finding *finding)
{
	finding_say(finding, VERDICT_OK, "nobody was forgotten before his time");
	for (enum limit limit = LIMIT_NONE + 1; limit < LIMITS; limit++) {
		struct limit_info info;

		limit_info(limit, &info);
		if (info.is_on && info.counts.evicted)
			finding_say(finding, VERDICT_WARN,
				"%s forgot %" PRIu64 " subjects for want of room", info.name,
				info.counts.evicted);
	}
}

static void look_profile(_unused_ const struct control_request *request, struct finding *finding)
{
	uint64_t left_ns = heap_profile_left_ns(clock_now_ns());

	if (left_ns)
		finding_say(finding, VERDICT_INFO, "it samples for %" PRIu64 " s more",
			left_ns / NS_PER_S);
	else
		finding_say(finding, VERDICT_OK, "nothing is sampled");
}

static const struct rule rules[] = {
	{ "limit", look_limit, "the kernel ends authd when it has more than that",
		"authctl mem show, then MemoryMax of the unit" },
	{ "slack", look_slack, "a burst has left it; it is good for the next one only",
		"authctl mem purge" },
	{ "unexplained", look_unexplained, "something takes memory that nobody accounts for",
		"authctl mem profile start --for 10m" },
	{ "pools", look_pools, "connections or requests were refused for want of a place",
		"authctl mem pools" },
	{ "caches", look_caches, "the store is asked again for what was known",
		"authctl config show cache" },
	{ "limits", look_limits, "who was forgotten may begin anew",
		"authctl config get limits.subjects_max" },
	{ "profile", look_profile, "it costs a little, and ends by itself",
		"authctl mem profile stop" },
};

void handle_mem_doctor(struct control_request *request)
{
	findings_answer(request, rules, ARRAY_SIZE(rules));
}
