/* Requests as traces: see tracing.h. */
#include "api/tracing.h"

#include "core/core.h"
#include "observe/trace.h"
#include "observe/traceparent.h"

static const struct networks *trusted;

void tracing_trust(const struct networks *networks)
{
	trusted = networks->count ? networks : NULL;
}

/* False when there is none, or it is wrong. */
static bool has_theirs(const struct request *request, struct span_ids *ret_theirs)
{
	struct str header = request_header(request, STR("traceparent"));

	return header.data && traceparent_parse(header, ret_theirs) == 0;
}

void tracing_begin(struct request *request)
{
	struct span_ids theirs;
	struct trace *trace;
	bool is_continued;

	if (!trace_is_on())
		return;
	trace = arena_new(request->arena, struct trace);
	if (!trace)
		return;
	trace->arena = request->arena;
	is_continued =
		trusted && networks_have(trusted, request->peer) && has_theirs(request, &theirs);
	trace_begin(trace, is_continued ? &theirs : NULL, request->started_ns);
	request->trace = trace;
}

/* 5xx is ours; 4xx is an answer (OpenTelemetry's rule for servers). */
static const char *error_of(const struct response *response)
{
	if (!response)
		return "CLIENT_GONE";
	return response->status >= 500 ? problem_row(response->problem)->code : NULL;
}

static void describe(struct span *root, const struct request *request,
	const struct response *response, const char *route)
{
	root->name = http_method_name(request->method);
	root->name_rest = route;
	span_text(root, "http.request.method", root->name);
	span_text(root, "http.route", route);
	if (response)
		span_number(root, "http.response.status_code", (int64_t)response->status);
	span_text(root, "url.scheme", request->tls_version ? "https" : "http");
	if (request->tls_version)
		span_text(root, "tls.protocol.version", request->tls_version);
	span_number(root, "authd.core", core_current()->index);
	span_label(root, "authd.request.id", request->id);
}

/* Anybody can name any trace as his own: one that may not be continued is a hint to it. */
static void link_theirs(struct trace *trace, const struct request *request)
{
	struct span_ids theirs;

	if (!span_has_parent(&trace->root) && has_theirs(request, &theirs))
		trace->linked = theirs;
}

bool tracing_end(const struct request *request, const struct response *response, const char *route,
	uint64_t took_ns)
{
	struct trace *trace = request->trace;

	if (!trace || !trace_end(trace, error_of(response), request->started_ns + took_ns))
		return false;
	describe(&trace->root, request, response, route);
	link_theirs(trace, request);
	return trace_send(trace);
}
