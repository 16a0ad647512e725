/* cache ...: what the caches of all cores hold and how well they do, and emptying them. */
#include <stdio.h>
#include <stdlib.h>

#include "auth/caches.h"
#include "cache/cache.h"
#include "control/handlers.h"
#include "core/core.h"
#include "shared/macros.h"
#include "store/store.h"

#define READ(counter) atomic_load_explicit(&(counter), memory_order_relaxed)
#define CACHE_NAME_BYTES 32

static void cache_row(const struct cache *cache, void *arg)
{
	const struct cache_options *options = cache_options(cache);
	const struct cache_stats *stats = cache_stats(cache);
	uint64_t hits = READ(stats->hits) + READ(stats->negative_hits);
	uint64_t asked = hits + READ(stats->stale) + READ(stats->misses);
	struct control_request *request = arg;
	struct json_writer *w;

	if (request->command->arguments &&
		!str_equal(request_text(request, "name"), str_cstr(options->name)))
		return;
	w = request_row_begin(request);
	json_put_str(w, "cache", str_cstr(options->name));
	json_put_i64(w, "core", options->core);
	json_put_u64(w, "entries", READ(stats->entries));
	json_put_u64(w, "max", options->entries_max);
	json_put_u64(w, "bytes", cache_bytes(cache));
	json_put_u64(w, "hits", READ(stats->hits));
	json_put_u64(w, "negative_hits", READ(stats->negative_hits));
	json_put_u64(w, "misses", READ(stats->misses) + READ(stats->stale));
	json_put_double(w, "hit_ratio", asked ? (double)hits / (double)asked : 0);
	for (enum cache_reason reason = 0; reason < CACHE_REASONS; reason++) {
		char key[64];

		(void)snprintf(key, sizeof(key), "removed_%s", cache_reason_name(reason));
		json_put_u64(w, key, READ(stats->removed[reason]));
	}
	request_row_end(request);
}

void handle_cache_list(struct control_request *request)
{
	cache_each(cache_row, request);
}

static void not_found(struct control_request *request)
{
	request_fail(request, OUTCOME_NOT_FOUND, "authctl cache list",
		"no cache named '" STR_FORMAT "'", STR_ARGS(request_text(request, "name")));
}

void handle_cache_show(struct control_request *request)
{
	cache_each(cache_row, request);
	if (!request->rows)
		not_found(request);
}

/* --- flushing, on each core --- */

struct flush_question {
	char name[CACHE_NAME_BYTES], id[STORE_ID_BYTES_MAX + 1];
	bool is_dry_run;
	int result; /* the answer */
};

static void flush_on_core(_unused_ struct core *core, void *answer)
{
	struct flush_question *question = answer;

	question->result = caches_flush_here(str_cstr(question->name), question->id);
}

struct flush_sum {
	struct str name;
	uint64_t entries;
	bool is_known;
};

static void sum_add(const struct cache *cache, void *arg)
{
	struct flush_sum *sum = arg;

	if (!str_equal(sum->name, str_cstr(cache_options(cache)->name)))
		return;
	sum->is_known = true;
	sum->entries += READ(cache_stats(cache)->entries);
}

void cache_flush_begin(struct control_request *request)
{
	struct str name = request_text(request, "name"), id = request_text(request, "key");
	struct flush_sum *sum = calloc(1, sizeof(*sum));
	struct flush_question question = {};

	request->state = sum;
	if (!sum) {
		request_fail(request, OUTCOME_FAILED, NULL, "no memory");
		return;
	}
	sum->name = name;
	cache_each(sum_add, sum);
	if (!sum->is_known) {
		not_found(request);
		return;
	}
	if (id.len >= sizeof(question.id)) {
		request_fail_argument(request, "key", "no such id");
		return;
	}
	(void)snprintf(question.name, sizeof(question.name), STR_FORMAT, STR_ARGS(name));
	(void)snprintf(question.id, sizeof(question.id), STR_FORMAT, STR_ARGS(id));
	if (request->is_dry_run)
		handle_ping(request);
	else
		request_ask(request, flush_on_core, &question, sizeof(question));
}

/* Emptying a whole cache is wide: what the dry run says is shown before it is confirmed. */
void handle_cache_flush(struct control_request *request)
{
	const struct flush_sum *sum = request->state;
	struct json_writer *w = request_row_begin(request);

	json_put_str(w, "cache", sum->name);
	json_put_u64(w, "entries", sum->entries);
	json_put_str(w, "key", request_text(request, "key"));
	json_put_u64(w, "cores", gather_answered(request->gather));
	json_put_bool(w, "done", !request->is_dry_run);
	request_row_end(request);
}
