/* The text formats of metrics: see observe/exposition.h. */
#include "observe/exposition.h"

#include <errno.h>
#include <string.h>

#include "shared/clock.h"
#include "support/test.h"

static struct buf out;

static struct exposition begin(enum exposition_format format)
{
	buf_deinit(&out);
	out = buf_init(65536);
	return exposition_begin(format, &out);
}

static void assert_has(const char *text)
{
	if (!memmem(out.data, out.len, text, strlen(text)))
		fail_msg("'%s' is not in:\n" STR_FORMAT, text, STR_ARGS(buf_str(&out)));
}

TEST(a_counter_keeps_its_suffix_in_samples_and_loses_it_in_the_family_of_openmetrics)
{
	const char *const labels[METRIC_LABELS_MAX] = { "internal" };
	struct exposition exposition = begin(EXPOSITION_TEXT);

	exposition_family(&exposition, METRIC_HTTP_ERRORS);
	exposition_value(&exposition, labels, 3);
	assert_int_equal(exposition_end(&exposition), 0);
	assert_has("# TYPE authd_http_request_errors_total counter\n");
	assert_has("authd_http_request_errors_total{reason=\"internal\"} 3\n");

	exposition = begin(EXPOSITION_OPENMETRICS);
	exposition_family(&exposition, METRIC_HTTP_ERRORS);
	exposition_value(&exposition, labels, 3);
	assert_int_equal(exposition_end(&exposition), 0);
	assert_has("# TYPE authd_http_request_errors counter\n");
	assert_has("authd_http_request_errors_total{reason=\"internal\"} 3\n# EOF\n");
	buf_deinit(&out);
}

TEST(labels_are_escaped)
{
	const char *const labels[METRIC_LABELS_MAX] = { "a\"b\\c\nd", "x" };
	struct exposition exposition = begin(EXPOSITION_TEXT);

	exposition_family(&exposition, METRIC_CTL_COMMANDS);
	exposition_value(&exposition, labels, 1);
	assert_int_equal(exposition_end(&exposition), 0);
	assert_has("{command=\"a\\\"b\\\\c\\nd\",result=\"x\"} 1\n");
	buf_deinit(&out);
}

TEST(whole_numbers_are_exact_and_others_are_decimals)
{
	const char *const none[METRIC_LABELS_MAX] = {};
	struct exposition exposition = begin(EXPOSITION_TEXT);

	exposition_family(&exposition, METRIC_CPU);
	exposition_value(&exposition, none, 9007199254740991.0);
	exposition_value(&exposition, none, 0.25);
	exposition_value(&exposition, none, 0);
	assert_int_equal(exposition_end(&exposition), 0);
	assert_has("process_cpu_seconds_total 9007199254740991\n");
	assert_has("process_cpu_seconds_total 0.25\n");
	assert_has("process_cpu_seconds_total 0\n");
	assert_int_equal(exposition.series, 3);
	buf_deinit(&out);
}

TEST(a_value_counts_in_every_bucket_that_it_does_not_exceed)
{
	static struct histogram histogram;
	const char *const none[METRIC_LABELS_MAX] = {};
	struct exposition exposition = begin(EXPOSITION_TEXT);

	histogram_record(&histogram, 90 * NS_PER_US);
	histogram_record(&histogram, NS_PER_MS);
	histogram_record(&histogram, 60 * NS_PER_S);
	exposition_family(&exposition, METRIC_CORE_LOOP);
	exposition_histogram(&exposition, none, &histogram, NULL);
	assert_int_equal(exposition_end(&exposition), 0);
	assert_has("authd_core_loop_duration_seconds_bucket{le=\"0.0001\"} 1\n");
	assert_has("_bucket{le=\"0.0005\"} 1\n");
	assert_has("_bucket{le=\"0.001\"} 2\n");
	assert_has("_bucket{le=\"1.0\"} 2\n");
	assert_has("_bucket{le=\"5.0\"} 2\n");
	assert_has("_bucket{le=\"+Inf\"} 3\n");
	assert_has("authd_core_loop_duration_seconds_sum 60.00109\n");
	assert_has("authd_core_loop_duration_seconds_count 3\n");
	assert_int_equal(exposition.series, EXPOSITION_EDGES + 3);
	buf_deinit(&out);
}

TEST(what_does_not_fit_is_an_error_and_not_half_of_an_answer)
{
	const char *const none[METRIC_LABELS_MAX] = {};
	struct exposition exposition = begin(EXPOSITION_TEXT);

	out.max = 64;
	exposition_family(&exposition, METRIC_CPU);
	exposition_value(&exposition, none, 1);
	assert_int_equal(exposition_end(&exposition), -ENOBUFS);
	buf_deinit(&out);
}

TEST(every_row_of_the_table_is_whole_and_named_as_its_type_and_unit_say)
{
	for (enum metric metric = 0; metric < METRICS; metric++) {
		const struct metric_row *row = &metrics[metric];
		size_t length = strlen(row->name);
		bool is_total = length > 6 && strcmp(row->name + length - 6, "_total") == 0;

		assert_true(row->name && row->help && row->reading);
		assert_int_equal(is_total, row->type == METRIC_COUNTER);
		assert_non_null(strstr(row->name, row->unit));
		assert_int_equal(metric_find(str_cstr(row->name)), metric);
	}
	assert_int_equal(metric_find(STR("authd_nothing")), METRICS);
}
