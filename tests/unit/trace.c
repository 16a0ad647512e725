/* Sampling, the queue's bound, what the environment says, and answers of collectors. */
#include "support/test.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "observe/otlp.h"
#include "observe/trace.h"
#include "shared/json.h"

static struct trace_options options;

static int env(const char *name, const char *value)
{
	const char *why = NULL;
	int r;

	options = (struct trace_options){ .url = "http://127.0.0.1/", .resource_count = 1 };
	setenv(name, value, 1);
	r = trace_options_env(&options, &why);
	unsetenv(name);
	assert_true((r < 0) == (why != NULL));
	return r;
}

TEST(a_ratio_keeps_about_so_many_traces_and_its_ends_keep_all_or_none)
{
	static const struct {
		uint32_t sampled, least, most;
	} cases[] = { { 0, 0, 0 }, { TRACE_PARTS, 10000, 10000 }, { TRACE_PARTS / 10, 800, 1200 } };

	struct arena arena;

	arena_init(&arena, 4096, 65536);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		unsigned kept = 0;

		trace_tune(cases[i].sampled, 0);
		for (int n = 0; n < 10000; n++) {
			struct trace trace = { .arena = &arena };

			trace_begin(&trace, NULL, 1);
			kept += trace.ids.is_sampled;
			arena_reset(&arena);
		}
		assert_in_range(kept, cases[i].least, cases[i].most);
	}
	arena_deinit(&arena);
}

TEST(the_queue_takes_whole_traces_up_to_its_bound)
{
	static struct trace_item items[TRACE_QUEUE_SPANS];
	struct arena arena;
	struct trace trace = { .arena = &arena };
	unsigned put = 0;

	arena_init(&arena, 4096, 65536);
	trace_begin(&trace, NULL, 1);
	while (trace.count < 3)
		trace.spans[trace.count++] = trace.spans[0];
	assert_int_equal(trace_queue_start(), 0);
	while (trace_queue_put(&trace, 0))
		put++;
	assert_int_equal(put, TRACE_QUEUE_SPANS / 3);
	assert_int_equal(trace_queue_count(), put * 3);
	assert_int_equal(trace_queue_take(items, TRACE_QUEUE_SPANS, 1), put * 3);
	assert_true(trace_queue_put(&trace, 0));
	trace_queue_stop();
	assert_false(trace_queue_put(&trace, 0)); /* a late one, at the end of the process */
	arena_deinit(&arena);
}

TEST(what_the_environment_says_is_taken_or_refused_by_name)
{
	assert_int_equal(env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318/"), 0);
	assert_string_equal(options.url, "http://c:4318/v1/traces");
	assert_int_equal(env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318"), 0);
	assert_string_equal(options.url, "http://c:4318/v1/traces");
	assert_int_equal(env("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://c:4318/x"), 0);
	assert_string_equal(options.url, "http://c:4318/x");
	assert_int_equal(env("OTEL_SDK_DISABLED", "true"), 0);
	assert_string_equal(options.url, "");
	assert_int_equal(env("OTEL_TRACES_SAMPLER", "always_off"), 0);
	assert_false(options.heeds_parent);
	setenv("OTEL_TRACES_SAMPLER_ARG", "0.25", 1);
	assert_int_equal(env("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"), 0);
	assert_true(options.heeds_parent && options.sampled == TRACE_PARTS / 4);
	setenv("OTEL_TRACES_SAMPLER_ARG", "1.5", 1);
	assert_int_equal(env("OTEL_TRACES_SAMPLER", "traceidratio"), -EINVAL);
	unsetenv("OTEL_TRACES_SAMPLER_ARG");
	assert_int_equal(env("OTEL_EXPORTER_OTLP_HEADERS", " a = b%20c , d=e=f,"), 0);
	assert_int_equal(options.header_count, 2);
	assert_string_equal(options.headers[0].value, "b c");
	assert_string_equal(options.headers[1].value, "e=f");
	assert_int_equal(env("OTEL_EXPORTER_OTLP_HEADERS", "a=b%0d%0aInjected: yes"), -EINVAL);
	assert_int_equal(env("OTEL_EXPORTER_OTLP_HEADERS", "=b"), -EINVAL);
	assert_int_equal(env("OTEL_EXPORTER_OTLP_TIMEOUT", "0"), -EINVAL);
	assert_int_equal(env("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"), -EINVAL);
}

TEST(a_partial_success_is_read_and_junk_says_nothing)
{
	static const char partial[] = "\x0a\x09\x08\x85\x02\x12\x04much"; /* rejected 261 */

	assert_int_equal(otlp_protobuf_rejected(str_of(partial, sizeof(partial) - 1)), 261);
	assert_int_equal(otlp_protobuf_rejected(STR("")), 0);
	for (size_t len = 0; len + 1 < sizeof(partial); len++)
		assert_true(otlp_protobuf_rejected(str_of(partial, len)) <= 261);
	assert_int_equal(
		otlp_json_rejected(STR("{\"partialSuccess\":{\"rejectedSpans\":\"3\"}}")), 3);
	assert_int_equal(otlp_json_rejected(STR("{\"partialSuccess\":{\"rejectedSpans\":4}}")), 4);
	assert_int_equal(otlp_json_rejected(STR("{\"partialSuccess\":{}}")), 0);
	assert_int_equal(otlp_json_rejected(STR("<html>")), 0);
}

TEST(a_batch_is_json_that_parses_and_ends_where_its_buffer_does)
{
	static struct trace_item item = {
		.span = { .name = "a\"b", .name_rest = "/c", .kind = SPAN_SERVER, .error = "E" },
		.ids = { .trace = { 1 }, .span = { 2 } },
		.linked = { .trace = { 3 }, .span = { 4 } }
	};
	struct buf out = buf_init(65536), small = buf_init(64);
	struct json_limits limits = { .depth_max = 32, .keys_max = 1000 };

	options = (struct trace_options){ .resource_count = 1,
		.resource = { { "service.name", "x" } } };
	assert_int_equal(otlp_json(&out, &options, &item, 1), 0);
	assert_int_equal(json_check(buf_str(&out), &limits, NULL), 0);
	assert_int_equal(otlp_json(&small, &options, &item, 1), -ENOBUFS);
	assert_int_equal(otlp_protobuf(&small, &options, &item, 1), -ENOBUFS);
	buf_deinit(&out);
	buf_deinit(&small);
}
