/*
 * route list, metrics list: what the metrics know, as rows. Everything is read from counters; no
 * core is asked. How long requests took lately is windows.c.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/handlers.h"
#include "control/metering.h"
#include "shared/clock.h"
#include "shared/macros.h"

#define LABEL_BYTES 96
/* Routes times methods; what is beyond is in /metrics. */
#define ROUTES_MAX 128

/* Requests of one route and method, all classes of status together. */
struct route_sum {
	char route[LABEL_BYTES], method[16];
	double requests, errors;
	struct histogram *times;
};

/* The sink of metering.h is its first member. */
struct routes {
	struct metering_sink sink;
	struct control_request *request;
	unsigned count;
	struct route_sum sums[ROUTES_MAX];
};

static void family_ignore(_unused_ struct metering_sink *sink, _unused_ enum metric metric)
{
}

static struct route_sum *sum_of(struct routes *routes, const char *const labels[METRIC_LABELS_MAX])
{
	struct route_sum *sum = routes->sums;

	for (; sum < routes->sums + routes->count; sum++)
		if (!strcmp(sum->route, labels[0]) && !strcmp(sum->method, labels[1]))
			return sum;
	if (routes->count == ROUTES_MAX) {
		routes->request->is_truncated = true;
		return NULL;
	}
	routes->count++;
	(void)snprintf(sum->route, sizeof(sum->route), "%s", labels[0]);
	(void)snprintf(sum->method, sizeof(sum->method), "%s", labels[1]);
	return sum;
}

static void route_value(
	struct metering_sink *sink, const char *const labels[METRIC_LABELS_MAX], double value)
{
	struct route_sum *sum = sum_of((struct routes *)sink, labels);

	if (!sum)
		return;
	sum->requests += value;
	if (labels[2][0] == '5')
		sum->errors += value;
}

static void route_times(struct metering_sink *sink, const char *const labels[METRIC_LABELS_MAX],
	const struct histogram *histogram, _unused_ const struct exemplar *exemplars)
{
	struct route_sum *sum = sum_of((struct routes *)sink, labels);

	if (sum && !sum->times)
		sum->times = calloc(1, sizeof(*sum->times));
	if (sum && sum->times)
		histogram_merge(sum->times, histogram);
}

static void put_percentile(
	struct json_writer *w, const char *key, const struct histogram *times, double percent)
{
	if (!times || !times->count)
		json_put_null(w, key);
	else
		json_put_double(w, key, (double)histogram_percentile(times, percent) / NS_PER_S);
}

void handle_route_list(struct control_request *request)
{
	struct routes *routes = calloc(1, sizeof(*routes));

	if (!routes) {
		request_fail(request, OUTCOME_FAILED, NULL, "no memory");
		return;
	}
	routes->sink = (struct metering_sink){ family_ignore, route_value, route_times };
	routes->request = request;
	metering_collect_one(request->context, METRIC_HTTP_REQUESTS, &routes->sink);
	metering_collect_one(request->context, METRIC_HTTP_DURATION, &routes->sink);
	for (unsigned i = 0; i < routes->count; i++) {
		struct route_sum *sum = &routes->sums[i];
		struct json_writer *w = request_row_begin(request);

		json_put_str(w, "route", str_cstr(sum->route));
		json_put_str(w, "method", str_cstr(sum->method));
		json_put_u64(w, "requests", (uint64_t)sum->requests);
		json_put_u64(w, "errors", (uint64_t)sum->errors);
		put_percentile(w, "p50", sum->times, 50);
		put_percentile(w, "p99", sum->times, 99);
		put_percentile(w, "p999", sum->times, 99.9);
		put_percentile(w, "max", sum->times, 100);
		request_row_end(request);
		free(sum->times);
	}
	free(routes);
}

/* --- metrics list --- */

struct numbers {
	struct metering_sink sink;
	struct control_request *request;
	enum metric metric;
};

static void number_family(struct metering_sink *sink, enum metric metric)
{
	((struct numbers *)sink)->metric = metric;
}

/* route="/v1/auth/login",method="POST" */
static void labels_print(struct buf *text, const struct metric_row *metric,
	const char *const labels[METRIC_LABELS_MAX])
{
	for (unsigned i = 0; i < METRIC_LABELS_MAX && metric->labels[i]; i++)
		(void)!buf_printf(text, "%s%s=\"%s\"", i ? "," : "", metric->labels[i], labels[i]);
}

static void number_value(
	struct metering_sink *sink, const char *const labels[METRIC_LABELS_MAX], double value)
{
	_cleanup_(buf_deinit) struct buf text = buf_init(METRIC_LABELS_MAX * 2 * LABEL_BYTES);
	const struct numbers *numbers = (struct numbers *)sink;
	const struct metric_row *metric = &metrics[numbers->metric];
	struct json_writer *w;

	if (!request_has_room(numbers->request)) {
		numbers->request->is_truncated = true;
		return;
	}
	labels_print(&text, metric, labels);
	w = request_row_begin(numbers->request);
	json_put_str(w, "metric", str_cstr(metric->name));
	json_put_str(w, "labels", buf_str(&text));
	json_put_double(w, "value", value);
	json_put_str(w, "type", str_cstr(metric_type_name(metric->type)));
	json_put_str(w, "unit", str_cstr(metric->unit));
	json_put_str(w, "help", str_cstr(metric->help));
	request_row_end(numbers->request);
}

/* How many were counted; their times are latency show's. */
static void number_histogram(struct metering_sink *sink,
	const char *const labels[METRIC_LABELS_MAX], const struct histogram *histogram,
	_unused_ const struct exemplar *exemplars)
{
	number_value(sink, labels, (double)histogram->count);
}

void handle_metrics_list(struct control_request *request)
{
	struct numbers numbers = { .sink = { number_family, number_value, number_histogram },
		.request = request };
	struct str name = request_text(request, "name");
	enum metric metric = metric_find(name);

	if (name.len && metric == METRICS)
		request_fail(request, OUTCOME_NOT_FOUND, "authctl metrics list",
			"no metric '" STR_FORMAT "'", STR_ARGS(name));
	else if (name.len)
		metering_collect_one(request->context, metric, &numbers.sink);
	else
		metering_collect(request->context, &numbers.sink);
}
