/* From options and OpenTelemetry's environment to traces: see start/tracing.h. */
#include "start/tracing.h"

#include <stdio.h>
#include <string.h>

#include "api/tracing.h"
#include "core/network.h"
#include "observe/trace.h"
#include "shared/err.h"
#include "shared/macros.h"
#include "start/fail.h"

#define TIMEOUT_MS 10000 /* OpenTelemetry's default */

static int trust(const struct config_list *list)
{
	static struct networks trusted;

	for (unsigned i = 0; i < list->count; i++) {
		int r = networks_add(&trusted, str_cstr(list->items[i]));

		if (r < 0)
			return fail(
				list->items[i], r, "is no network: write 10.0.0.0/8 or fd00::/8");
	}
	tracing_trust(&trusted);
	return 0;
}

static void resource_set(struct trace_options *options, const char *key, const char *value)
{
	struct trace_pair *pair = &options->resource[options->resource_count++];

	(void)snprintf(pair->key, sizeof(pair->key), "%s", key);
	(void)snprintf(pair->value, sizeof(pair->value), "%s", value);
}

int tracing_start(const struct config *config, const char *instance)
{
	static struct trace_options options; /* thirty kilobytes */
	const char *why = NULL;
	int r = trust(&config->trace.trust_traceparent);

	if (r < 0)
		return r;
	options = (struct trace_options){
		.protocol = config->trace.protocol == PROTOCOL_JSON ? TRACE_JSON : TRACE_PROTOBUF,
		.timeout_ms = TIMEOUT_MS,
		.sampled = (uint32_t)config->trace.sample * (TRACE_PARTS / 100),
		.heeds_parent = true,
		.slow_ms = config->trace.slow_ms,
	};
	(void)snprintf(options.url, sizeof(options.url), "%s", config->trace.endpoint);
	resource_set(&options, "service.name", "authd");
	resource_set(&options, "service.version", AUTHD_VERSION);
	resource_set(&options, "service.instance.id", instance);
	r = trace_options_env(&options, &why);
	if (r == 0)
		r = trace_start(&options, &why);
	return r < 0 ? fail("traces", r, why) : 0;
}
