/* What came of it: a table for people, JSON for scripts. */
#include <string.h>

#include "load/load.h"
#include "shared/clock.h"
#include "shared/json.h"
#include "shared/macros.h"

static double seconds_of(uint64_t ns)
{
	return (double)ns / (double)NS_PER_S;
}

static double ms_of(uint64_t ns)
{
	return (double)ns / (double)NS_PER_MS;
}

static double goodput_of(const struct stream *stream)
{
	return (double)stream->ok_in_window / seconds_of(stream->load->plan->seconds_ns);
}

/* Every request that was sent, those without an answer for as long as they were waited for. */
static void all_of(const struct stream *stream, struct histogram *ret_all)
{
	memset(ret_all, 0, sizeof(*ret_all));
	histogram_merge(ret_all, &stream->ok);
	histogram_merge(ret_all, &stream->refused);
	histogram_merge(ret_all, &stream->lost);
}

/* --- the table --- */

static void slow_row(const struct stream *stream, FILE *out)
{
	(void)fprintf(out, "%-12s held %u slow connections, opened %llu, the server ended %llu\n",
		stream->plan->name, stream->plan->connections,
		(unsigned long long)stream->connected, (unsigned long long)stream->closed_by_peer);
}

static void row(const struct stream *stream, FILE *out)
{
	struct histogram all;

	all_of(stream, &all);
	(void)fprintf(out, "%-12s %9llu %9.1f", stream->plan->name,
		(unsigned long long)stream->sent, goodput_of(stream));
	for (unsigned i = OUTCOME_CLIENT; i < OUTCOMES; i++)
		(void)fprintf(out, " %8llu", (unsigned long long)stream->outcomes[i]);
	(void)fprintf(out, " %8.2f %8.2f %8.2f %8.2f %8.2f\n",
		ms_of(histogram_percentile(&all, 50)), ms_of(histogram_percentile(&all, 90)),
		ms_of(histogram_percentile(&all, 99)), ms_of(histogram_percentile(&all, 99.9)),
		ms_of(all.max));
	if (stream->unsent)
		(void)fprintf(out,
			"%-12s %9llu were due and NOT SENT: as many as allowed were under way\n",
			"", (unsigned long long)stream->unsent);
}

void report_table(struct load *load, FILE *out)
{
	(void)fprintf(out, "%-12s %9s %9s %8s %8s %8s %8s %8s %8s %8s %8s %8s %8s %8s %8s\n",
		"stream", "sent", "2xx/s", "4xx", "429", "503", "other", "timeout", "no conn",
		"broken", "p50 ms", "p90", "p99", "p99.9", "max");
	for (unsigned i = 0; i < load->plan->stream_count; i++)
		(load->plan->streams[i].kind == STREAM_SLOW ? slow_row : row)(
			&load->streams[i], out);
}

/* --- JSON --- */

static void buckets_put(struct json_writer *w, const struct histogram *histogram)
{
	json_begin_array(w, "buckets");
	for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
		if (!histogram->buckets[i])
			continue;
		json_begin_array(w, NULL);
		json_put_u64(w, NULL, histogram_bucket_last(i));
		json_put_u64(w, NULL, histogram->buckets[i]);
		json_end_array(w);
	}
	json_end_array(w);
}

static void histogram_put(struct json_writer *w, const char *key, const struct histogram *histogram)
{
	static const struct {
		const char *key;
		double percent;
	} percentiles[] = { { "p50", 50 }, { "p90", 90 }, { "p99", 99 }, { "p99.9", 99.9 } };

	json_begin_object(w, key);
	json_put_u64(w, "count", histogram->count);
	json_put_double(w, "mean", histogram_mean(histogram) / (double)NS_PER_MS);
	for (size_t i = 0; i < ARRAY_SIZE(percentiles); i++)
		json_put_double(w, percentiles[i].key,
			ms_of(histogram_percentile(histogram, percentiles[i].percent)));
	json_put_double(w, "max", ms_of(histogram->max));
	buckets_put(w, histogram);
	json_end_object(w);
}

static void stream_put(struct json_writer *w, const struct stream *stream)
{
	struct histogram all;

	all_of(stream, &all);
	json_begin_object(w, NULL);
	json_put_str(w, "name", str_cstr(stream->plan->name));
	json_put_u64(w, "sent", stream->sent);
	json_put_u64(w, "unsent", stream->unsent);
	json_put_double(w, "goodput", goodput_of(stream));
	json_put_u64(w, "connections", stream->connected);
	json_put_u64(w, "closed_by_server", stream->closed_by_peer);
	json_begin_object(w, "outcomes");
	for (unsigned i = 0; i < OUTCOMES; i++)
		json_put_u64(w, outcome_names[i], stream->outcomes[i]);
	json_end_object(w);
	/* Milliseconds; buckets are [last nanosecond, count]. */
	json_begin_object(w, "latency_ms");
	histogram_put(w, "all", &all);
	histogram_put(w, "ok", &stream->ok);
	histogram_put(w, "refused", &stream->refused);
	json_end_object(w);
	histogram_put(w, "late_ms", &stream->late);
	json_end_object(w);
}

int report_json(struct load *load, struct buf *out)
{
	struct json_writer w = json_writer_init(out);

	json_begin_object(&w, NULL);
	json_put_double(&w, "seconds", seconds_of(load->plan->seconds_ns));
	json_begin_array(&w, "streams");
	for (unsigned i = 0; i < load->plan->stream_count; i++)
		stream_put(&w, &load->streams[i]);
	json_end_array(&w);
	json_end_object(&w);
	return json_writer_finish(&w);
}
