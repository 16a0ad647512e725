/* Text formats of metrics: see exposition.h. */
#include "observe/exposition.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "core/span.h"
#include "shared/clock.h"
#include "shared/macros.h"

#define READ(counter) atomic_load_explicit(&(counter), memory_order_relaxed)

/* From 5 ms on those of OpenTelemetry, so that dashboards can be shared; below, what a cache takes.
 */
const uint64_t exposition_edges_ns[EXPOSITION_EDGES] = { 100 * NS_PER_US, 250 * NS_PER_US,
	500 * NS_PER_US, NS_PER_MS, 2500 * NS_PER_US, 5 * NS_PER_MS, 10 * NS_PER_MS, 25 * NS_PER_MS,
	50 * NS_PER_MS, 100 * NS_PER_MS, 250 * NS_PER_MS, 500 * NS_PER_MS, NS_PER_S,
	2500 * NS_PER_MS, 5 * NS_PER_S };

struct exposition exposition_begin(enum exposition_format format, struct buf *out)
{
	return (struct exposition){ .format = format, .out = out, .metric = METRICS };
}

#define PRINT(exposition, ...)                                                                     \
	do {                                                                                       \
		if ((exposition)->error == 0)                                                      \
			(exposition)->error = buf_printf((exposition)->out, __VA_ARGS__);          \
	} while (0)

/* OpenMetrics names a family without the suffix that its samples have. */
static int family_length(const struct exposition *exposition, const struct metric_row *row)
{
	size_t length = strlen(row->name);

	if (exposition->format == EXPOSITION_TEXT)
		return (int)length;
	if (row->type == METRIC_COUNTER)
		length -= strlen("_total");
	else if (row->type == METRIC_INFO)
		length -= strlen("_info");
	return (int)length;
}

void exposition_family(struct exposition *exposition, enum metric metric)
{
	const struct metric_row *row = &metrics[metric];
	int length = family_length(exposition, row);
	bool is_info_unknown = exposition->format == EXPOSITION_TEXT && row->type == METRIC_INFO;

	exposition->metric = metric;
	PRINT(exposition, "# HELP %.*s %s\n", length, row->name, row->help);
	PRINT(exposition, "# TYPE %.*s %s\n", length, row->name,
		is_info_unknown ? "gauge" : metric_type_name(row->type));
	/* The unit must be the end of the family's name. */
	if (exposition->format == EXPOSITION_OPENMETRICS && row->unit[0] &&
		(size_t)length > strlen(row->unit) &&
		strncmp(row->name + length - strlen(row->unit), row->unit, strlen(row->unit)) == 0)
		PRINT(exposition, "# UNIT %.*s %s\n", length, row->name, row->unit);
}

/* Most of an exposition is names: without a format for each. */
static void text(struct exposition *exposition, struct str s)
{
	if (exposition->error == 0)
		exposition->error = buf_append(exposition->out, s);
}

static void escaped(struct exposition *exposition, const char *value)
{
	while (*value) {
		size_t plain = strcspn(value, "\\\"\n");

		text(exposition, str_of(value, plain));
		value += plain;
		if (!*value)
			return;
		text(exposition, *value == '\n' ? STR("\\n") : str_of((char[]){ '\\', *value }, 2));
		value++;
	}
}

/* le: the edge of a bucket, NULL none. */
static void sample_begin(struct exposition *exposition, const char *suffix,
	const char *const labels[METRIC_LABELS_MAX], const char *le)
{
	const struct metric_row *row = &metrics[exposition->metric];
	struct str separator = STR("{");

	assert(exposition->metric < METRICS);
	text(exposition, str_cstr(row->name));
	text(exposition, str_cstr(suffix));
	for (unsigned i = 0; i < METRIC_LABELS_MAX && row->labels[i]; i++, separator = STR(",")) {
		text(exposition, separator);
		text(exposition, str_cstr(row->labels[i]));
		text(exposition, STR("=\""));
		escaped(exposition, labels[i]);
		text(exposition, STR("\""));
	}
	if (le) {
		text(exposition, separator);
		text(exposition, STR("le=\""));
		text(exposition, str_cstr(le));
		text(exposition, STR("\""));
	}
	text(exposition, le || row->labels[0] ? STR("} ") : STR(" "));
	exposition->series++;
}

/* Whole numbers exactly, as long as a double can. */
static void number(struct exposition *exposition, double value)
{
	if (value >= 0 && value < 9007199254740992.0 && value == (double)(uint64_t)value)
		PRINT(exposition, "%llu", (unsigned long long)value);
	else
		PRINT(exposition, "%.9g", value);
}

static void line_end(struct exposition *exposition)
{
	text(exposition, STR("\n"));
}

void exposition_value(
	struct exposition *exposition, const char *const labels[METRIC_LABELS_MAX], double value)
{
	sample_begin(exposition, "", labels, NULL);
	number(exposition, value);
	line_end(exposition);
}

#define EDGE_BYTES 32

/* "0.0001", "2.5", and "1.0": OpenMetrics wants a point in it. */
static void edge_print(uint64_t ns, char text[static EDGE_BYTES])
{
	bool is_whole = ns % NS_PER_S == 0;

	(void)snprintf(text, EDGE_BYTES, "%g%s", (double)ns / NS_PER_S, is_whole ? ".0" : "");
}

/* Behind a bucket's number: " # {trace_id="..."} 0.054 1604..." (OpenMetrics 1.0, exemplars). */
static void exemplar_print(struct exposition *exposition, const struct exemplar *exemplar)
{
	char hex[SPAN_TRACE_HEX];

	if (exposition->format != EXPOSITION_OPENMETRICS || !exemplar->wall_ms)
		return;
	text(exposition, STR(" # {trace_id=\""));
	text(exposition, span_hex(exemplar->trace, sizeof(exemplar->trace), hex));
	PRINT(exposition, "\"} %.9g %.3f", (double)exemplar->ns / NS_PER_S,
		(double)exemplar->wall_ms / 1000);
}

static void bucket_print(struct exposition *exposition, const char *const labels[METRIC_LABELS_MAX],
	const char *le, uint64_t below, const struct exemplar *exemplar)
{
	sample_begin(exposition, "_bucket", labels, le);
	number(exposition, (double)below);
	if (exemplar)
		exemplar_print(exposition, exemplar);
	line_end(exposition);
}

void exposition_histogram(struct exposition *exposition,
	const char *const labels[METRIC_LABELS_MAX], const struct histogram *histogram,
	const struct exemplar *exemplars)
{
	uint64_t below = 0;
	size_t bucket = 0;
	char le[EDGE_BYTES];

	for (unsigned i = 0; i < EXPOSITION_EDGES; i++) {
		for (; bucket <= histogram_bucket_of(exposition_edges_ns[i]); bucket++)
			below += READ(histogram->buckets[bucket]);
		edge_print(exposition_edges_ns[i], le);
		bucket_print(exposition, labels, le, below, exemplars ? &exemplars[i] : NULL);
	}
	/* What the buckets say is the count: it may be recorded into meanwhile. */
	for (; bucket < HISTOGRAM_BUCKETS; bucket++)
		below += READ(histogram->buckets[bucket]);
	bucket_print(
		exposition, labels, "+Inf", below, exemplars ? &exemplars[EXPOSITION_EDGES] : NULL);
	sample_begin(exposition, "_sum", labels, NULL);
	PRINT(exposition, "%.9g\n", (double)READ(histogram->sum) / NS_PER_S);
	sample_begin(exposition, "_count", labels, NULL);
	number(exposition, (double)below);
	line_end(exposition);
}

int exposition_end(struct exposition *exposition)
{
	if (exposition->format == EXPOSITION_OPENMETRICS)
		PRINT(exposition, "# EOF\n");
	return exposition->error;
}
