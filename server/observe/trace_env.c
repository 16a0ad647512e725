/*
 * OpenTelemetry's environment variables (its "Environment Variable Specification" and "Protocol
 * Exporter"): what is set there wins over the file. Values that cannot be heeded are named, not
 * ignored: spans that silently go nowhere are found out too late.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "observe/trace.h"
#include "shared/macros.h"

static char why[256];

static struct str value_of(const char *name)
{
	return str_trim(str_cstr(getenv(name)));
}

/* That of traces alone comes before that of all signals. */
static struct str either(const char *of_traces, const char *of_all)
{
	struct str value = value_of(of_traces);

	return value.len ? value : value_of(of_all);
}

static int refused(const char *name, struct str value, const char *allowed, const char **ret_why)
{
	(void)snprintf(why, sizeof(why), "%s: '%.*s' cannot be: %s", name, (int)MIN(value.len, 64),
		value.data, allowed);
	*ret_why = why;
	return -EINVAL;
}

static bool text_set(char *to, size_t bytes, struct str value, const char *behind)
{
	return snprintf(to, bytes, STR_FORMAT "%s", STR_ARGS(value), behind) < (int)bytes;
}

/* --- where to, and how --- */

static int url_env(struct trace_options *options, const char **ret_why)
{
	struct str traces = value_of("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT");
	struct str all = value_of("OTEL_EXPORTER_OTLP_ENDPOINT");
	bool has_slash = all.len && all.data[all.len - 1] == '/';

	if (traces.len && !text_set(options->url, sizeof(options->url), traces, ""))
		return refused("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", traces, "too long", ret_why);
	if (!traces.len && all.len &&
		!text_set(options->url, sizeof(options->url), all,
			has_slash ? "v1/traces" : "/v1/traces"))
		return refused("OTEL_EXPORTER_OTLP_ENDPOINT", all, "too long", ret_why);
	if (str_equal(value_of("OTEL_TRACES_EXPORTER"), STR("none")) ||
		str_equal_nocase(value_of("OTEL_SDK_DISABLED"), STR("true")))
		options->url[0] = '\0';
	return 0;
}

static int protocol_env(struct trace_options *options, const char **ret_why)
{
	struct str name =
		either("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL");

	if (str_equal(name, STR("http/protobuf")))
		options->protocol = TRACE_PROTOBUF;
	else if (str_equal(name, STR("http/json")))
		options->protocol = TRACE_JSON;
	else if (name.len)
		return refused(
			"OTEL_EXPORTER_OTLP_PROTOCOL", name, "http/protobuf or http/json", ret_why);
	return 0;
}

static int details_env(struct trace_options *options, const char **ret_why)
{
	struct str timeout =
		either("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT");
	struct str coding =
		either("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "OTEL_EXPORTER_OTLP_COMPRESSION");
	struct str certificate =
		either("OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", "OTEL_EXPORTER_OTLP_CERTIFICATE");

	if (timeout.len && (str_to_u64(timeout, &options->timeout_ms) < 0 ||
				   options->timeout_ms == 0 || options->timeout_ms > 60000))
		return refused(
			"OTEL_EXPORTER_OTLP_TIMEOUT", timeout, "1 to 60000 milliseconds", ret_why);
	if (coding.len && !str_equal(coding, STR("none")))
		return refused("OTEL_EXPORTER_OTLP_COMPRESSION", coding, "none alone", ret_why);
	if (certificate.len &&
		!text_set(options->certificate, sizeof(options->certificate), certificate, ""))
		return refused("OTEL_EXPORTER_OTLP_CERTIFICATE", certificate, "too long", ret_why);
	return 0;
}

/* --- lists of key=value --- */

static int hex_of(char c)
{
	c = ascii_lower(c);
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -EINVAL;
}

/* Percent-encoded as in W3C Baggage; no control characters, which could end a header field. */
static int decode(struct str text, char *to, size_t bytes)
{
	size_t len = 0;

	for (size_t i = 0; i < text.len; i++) {
		int c = (unsigned char)text.data[i];

		if (c == '%' && i + 2 < text.len && hex_of(text.data[i + 1]) >= 0 &&
			hex_of(text.data[i + 2]) >= 0) {
			c = hex_of(text.data[i + 1]) << 4 | hex_of(text.data[i + 2]);
			i += 2;
		}
		if (c < 0x20 || c == 0x7f || len + 1 >= bytes)
			return -EINVAL;
		to[len++] = (char)c;
	}
	to[len] = '\0';
	return 0;
}

static int pair_parse(struct str text, struct trace_pair *pair)
{
	ptrdiff_t equals = str_index(text, '=');

	if (equals <= 0)
		return -EINVAL;
	if (decode(str_trim(str_of(text.data, (size_t)equals)), pair->key, sizeof(pair->key)) < 0)
		return -EINVAL;
	return decode(
		str_trim(str_skip(text, (size_t)equals + 1)), pair->value, sizeof(pair->value));
}

/* A key that is there already gets the new value. */
static int pair_set(
	struct trace_pair *pairs, unsigned *count, unsigned max, const struct trace_pair *pair)
{
	unsigned i = 0;

	while (i < *count && strcmp(pairs[i].key, pair->key) != 0)
		i++;
	if (i == max)
		return -ENOBUFS;
	pairs[i] = *pair;
	*count = MAX(*count, i + 1);
	return 0;
}

static int pairs_env(const char *name, struct str list, struct trace_pair *pairs, unsigned *count,
	unsigned max, const char **ret_why)
{
	struct trace_pair pair;
	struct str part;

	while (str_split(&list, ',', &part)) {
		if (!str_trim(part).len)
			continue;
		/* Not the part itself: it may be a key to the collector. */
		if (pair_parse(str_trim(part), &pair) < 0 || pair_set(pairs, count, max, &pair) < 0)
			return refused(name, STR("one of them"), "key=value,key=value", ret_why);
	}
	return 0;
}

static int service_env(struct trace_options *options, const char **ret_why)
{
	struct str name = value_of("OTEL_SERVICE_NAME");
	int r;

	r = pairs_env("OTEL_EXPORTER_OTLP_HEADERS",
		either("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS"),
		options->headers, &options->header_count, TRACE_HEADERS_MAX, ret_why);
	if (r == 0)
		r = pairs_env("OTEL_RESOURCE_ATTRIBUTES", value_of("OTEL_RESOURCE_ATTRIBUTES"),
			options->resource, &options->resource_count, TRACE_RESOURCE_MAX, ret_why);
	if (r < 0 || !name.len)
		return r;
	if (!text_set(options->resource[0].value, sizeof(options->resource[0].value), name, ""))
		return refused("OTEL_SERVICE_NAME", name, "too long", ret_why);
	return 0;
}

/* --- sampling --- */

static int ratio_parse(struct str text, uint32_t *ret_sampled)
{
	char digits[32], *end;
	double ratio;

	if (!text.len) { /* as the specification says */
		*ret_sampled = TRACE_PARTS;
		return 0;
	}
	if (!text_set(digits, sizeof(digits), text, ""))
		return -EINVAL;
	ratio = strtod(digits, &end);
	if (*end || !(ratio >= 0 && ratio <= 1))
		return -EINVAL;
	*ret_sampled = (uint32_t)(ratio * TRACE_PARTS + 0.5);
	return 0;
}

static int sampler_env(struct trace_options *options, const char **ret_why)
{
	struct str name = value_of("OTEL_TRACES_SAMPLER"), kind = name;
	const struct str parent = STR("parentbased_");

	if (!name.len)
		return 0;
	options->heeds_parent = str_starts(name, parent);
	if (options->heeds_parent)
		kind = str_skip(name, parent.len);
	if (str_equal(kind, STR("always_on")))
		options->sampled = TRACE_PARTS;
	else if (str_equal(kind, STR("always_off")))
		options->sampled = 0;
	else if (!str_equal(kind, STR("traceidratio")))
		return refused("OTEL_TRACES_SAMPLER", name,
			"always_on, always_off, traceidratio, or these behind parentbased_",
			ret_why);
	else if (ratio_parse(value_of("OTEL_TRACES_SAMPLER_ARG"), &options->sampled) < 0)
		return refused("OTEL_TRACES_SAMPLER_ARG", value_of("OTEL_TRACES_SAMPLER_ARG"),
			"0 to 1", ret_why);
	return 0;
}

int trace_options_env(struct trace_options *options, const char **ret_why)
{
	int r = url_env(options, ret_why);

	if (r < 0 || !options->url[0])
		return r; /* what is not used need not be right */
	r = protocol_env(options, ret_why);
	if (r == 0)
		r = details_env(options, ret_why);
	if (r == 0)
		r = service_env(options, ret_why);
	return r < 0 ? r : sampler_env(options, ret_why);
}
