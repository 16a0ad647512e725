/* latency show, hist and reset: what latencies.h knows, as rows. */
#include <stdlib.h>

#include "control/handlers.h"
#include "control/latencies.h"
#include "observe/exposition.h"
#include "shared/clock.h"
#include "shared/macros.h"

#define READ(counter) atomic_load_explicit(&(counter), memory_order_relaxed)

static double seconds(uint64_t ns)
{
	return (double)ns / NS_PER_S;
}

static const struct window {
	const char *name;
	unsigned seconds;
} windows[] = { { "1s", 1 }, { "10s", 10 }, { "1m", 60 }, { "10m", 600 },
	{ "1h", LATENCIES_WINDOW_S_MAX } };

#define WINDOW_USUAL 2 /* the minute */

/* The window that was asked for, or the fallback. */
static unsigned window_wanted(const struct control_request *request, unsigned fallback)
{
	struct str name = request_text(request, "window");

	for (unsigned i = 0; i < ARRAY_SIZE(windows); i++)
		if (str_equal(name, str_cstr(windows[i].name)))
			return i;
	return fallback;
}

/* Adds up all routes of that name ("": every one). False when there is none. */
static bool route_sum(struct str route, unsigned stage, unsigned window_s, struct histogram *into)
{
	bool is_any = !route.len;

	if (is_any)
		latencies_sum(METRIC_ROUTES_MAX, stage, window_s, into);
	/* Methods of one path are rows of their own. */
	for (unsigned i = 0; route.len && metrics_route_name(i); i++) {
		if (!str_equal(route, str_cstr(metrics_route_name(i))))
			continue;
		latencies_sum(i, stage, window_s, into);
		is_any = true;
	}
	return is_any;
}

static bool is_route_known(struct control_request *request)
{
	struct str route = request_text(request, "route");

	for (unsigned i = 0; route.len && metrics_route_name(i); i++)
		if (str_equal(route, str_cstr(metrics_route_name(i))))
			return true;
	if (route.len)
		request_fail(request, OUTCOME_NOT_FOUND,
			"the path alone, as in: authctl route list",
			"no route named '" STR_FORMAT "'", STR_ARGS(route));
	return !route.len;
}

static void percentiles_put(struct json_writer *w, const struct histogram *times)
{
	json_put_double(w, "p50", seconds(histogram_percentile(times, 50)));
	json_put_double(w, "p90", seconds(histogram_percentile(times, 90)));
	json_put_double(w, "p99", seconds(histogram_percentile(times, 99)));
	json_put_double(w, "p999", seconds(histogram_percentile(times, 99.9)));
	json_put_double(w, "max", seconds(READ(times->max)));
}

static void latency_row(struct control_request *request, struct histogram *times, unsigned stage,
	unsigned window, uint64_t whole_ns)
{
	struct str route = request_text(request, "route");
	struct json_writer *w;

	*times = (struct histogram){};
	(void)route_sum(route, stage, windows[window].seconds, times);
	w = request_row_begin(request);
	json_put_str(w, "route", route.len ? route : STR("all"));
	json_put_str(
		w, "stage", stage == STAGES ? STR("whole") : str_cstr(metrics_stage_name(stage)));
	json_put_str(w, "window", str_cstr(windows[window].name));
	json_put_u64(w, "requests", READ(times->count));
	if (whole_ns)
		json_put_double(w, "share", (double)READ(times->sum) / (double)whole_ns);
	else
		json_put_null(w, "share");
	percentiles_put(w, times);
	request_row_end(request);
}

static void stages_rows(struct control_request *request, struct histogram *times)
{
	unsigned window = window_wanted(request, WINDOW_USUAL);
	uint64_t whole_ns;

	*times = (struct histogram){};
	(void)route_sum(request_text(request, "route"), STAGES, windows[window].seconds, times);
	whole_ns = READ(times->sum);
	/* Sends are a connection's: they belong to no route. */
	for (unsigned stage = 0; stage < STAGES; stage++)
		if (stage != STAGE_WRITE)
			latency_row(request, times, stage, window, whole_ns);
	latency_row(request, times, STAGES, window, whole_ns);
}

void handle_latency_show(struct control_request *request)
{
	struct histogram *times = calloc(1, sizeof(*times));
	unsigned wanted = window_wanted(request, ARRAY_SIZE(windows));

	if (!times || !is_route_known(request)) {
		free(times);
		return;
	}
	if (request_has(request, "stage"))
		stages_rows(request, times);
	for (unsigned i = 0; i < ARRAY_SIZE(windows) && !request_has(request, "stage"); i++)
		if (wanted == ARRAY_SIZE(windows) || wanted == i)
			latency_row(request, times, STAGES, i, 0);
	free(times);
}

#define BAR_MAX 50

static void hist_row(struct control_request *request, double up_to, uint64_t count, uint64_t whole)
{
	static const char bar[BAR_MAX + 1] = "##################################################";
	size_t length = whole ? (size_t)(count * BAR_MAX / whole) : 0;
	struct json_writer *w = request_row_begin(request);

	if (up_to > 0)
		json_put_double(w, "up_to", up_to);
	else
		json_put_null(w, "up_to");
	json_put_u64(w, "requests", count);
	json_put_double(w, "share", whole ? (double)count / (double)whole : 0);
	/* What is there is seen, however little. */
	json_put_str(w, "bar", str_of(bar, count ? MAX(length, 1) : 0));
	request_row_end(request);
}

void handle_latency_hist(struct control_request *request)
{
	struct histogram *times = calloc(1, sizeof(*times));
	uint64_t below = 0, left;
	size_t bucket = 0;

	if (!times || !is_route_known(request)) {
		free(times);
		return;
	}
	(void)route_sum(request_text(request, "route"), STAGES,
		windows[window_wanted(request, WINDOW_USUAL)].seconds, times);
	left = READ(times->count);
	for (unsigned i = 0; i < EXPOSITION_EDGES; i++, left -= below) {
		below = 0;
		for (; bucket <= histogram_bucket_of(exposition_edges_ns[i]); bucket++)
			below += READ(times->buckets[bucket]);
		hist_row(request, seconds(exposition_edges_ns[i]), below, READ(times->count));
	}
	hist_row(request, 0, left, READ(times->count));
	free(times);
}

void handle_latency_reset(struct control_request *request)
{
	struct json_writer *w = request_row_begin(request);

	if (!request->is_dry_run)
		latencies_reset();
	json_put_bool(w, "done", !request->is_dry_run);
	request_row_end(request);
}
