/* Requests as traces: see tracing.h. */
#include "api/tracing.h"

#include "core/core.h"
#include "observe/trace.h"
#include "observe/traceparent.h"

static const struct networks *trusted;

void tracing_trust(const struct networks *networks)
{
	trusted = networks;
}

void tracing_begin(struct request *request, const char *route)
{
	struct span_ids theirs = {};
	struct trace *trace;
	struct str header;

	if (!trace_is_on())
		return;
	trace = arena_new(request->arena, struct trace);
	if (!trace)
		return;
	trace->arena = request->arena;
	header = request_header(request, STR("traceparent"));
	if (header.data)
		(void)traceparent_parse(header, &theirs); /* none, when it is wrong */
	trace_begin(trace, &theirs, header.data && trusted && networks_have(trusted, request->peer),
		http_method_name(request->method), route, request->started_ns);
	request->trace = trace;
}

/* 5xx is ours; 4xx is an answer (OpenTelemetry's rule for servers). */
static const char *error_of(const struct response *response)
{
	if (!response)
		return "CLIENT_GONE";
	return response->status >= 500 ? problem_row(response->problem)->code : NULL;
}

static void describe(
	struct span *root, const struct request *request, const struct response *response)
{
	span_text(root, "http.request.method", http_method_name(request->method));
	if (root->name_rest && *root->name_rest)
		span_text(root, "http.route", root->name_rest);
	if (response)
		span_number(root, "http.response.status_code", (int64_t)response->status);
	span_text(root, "url.scheme", request->tls_version ? "https" : "http");
	if (request->tls_version)
		span_text(root, "tls.protocol.version", request->tls_version);
	span_number(root, "authd.core", core_current()->index);
	span_label(root, "authd.request.id", request->id);
}

bool tracing_end(const struct request *request, const struct response *response, uint64_t took_ns)
{
	struct trace *trace = request->trace;

	if (!trace || !trace_end(trace, error_of(response), request->started_ns + took_ns))
		return false;
	describe(trace->spans[0], request, response);
	return trace_send(trace);
}
