/* The router: see router.h. It decides what is the same for all handlers, and logs failures once.
 */
#include "api/router.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "api/access.h"
#include "api/cors.h"
#include "api/limited.h"
#include "api/oauth.h"
#include "api/paths.h"
#include "api/routes.h"
#include "api/tracing.h"
#include "auth/administer.h"
#include "core/fiber.h"
#include "core/span.h"
#include "guard/admission.h"
#include "observe/log.h"
#include "observe/metrics.h"
#include "shared/clock.h"
#include "shared/err.h"
#include "shared/macros.h"
#include "shared/probe.h"
#include "store/store.h"

/* An operator may keep a breaker open for ever; clients should still look now and then. */
#define STORE_RETRY_S_MAX 3600
#define ROUTE_BYTES_MAX 328 /* a method, an option's text and a path of the table */

static struct router_options options;
static char hsts[sizeof("max-age=18446744073709551615")];
/* With method and base, "POST /v1/auth/login"; and the part of it behind the method. */
static char full_names[METRIC_ROUTES_MAX][ROUTE_BYTES_MAX];
static const char *names[METRIC_ROUTES_MAX];

void router_init(const struct router_options *wanted)
{
	assert(routes_count < METRIC_ROUTES_MAX);
	options = *wanted;
	(void)snprintf(hsts, sizeof(hsts), "max-age=%llu", (unsigned long long)options.hsts_s);
	for (size_t i = 0; i < routes_count; i++) {
		const char *method = http_method_name(routes[i].method);

		(void)snprintf(full_names[i], sizeof(full_names[i]), "%s " STR_FORMAT "%s", method,
			STR_ARGS(routes[i].is_under_base ? options.base : (struct str){}),
			routes[i].path);
		names[i] = full_names[i] + strlen(method) + 1;
	}
	metrics_routes_set(names, (unsigned)routes_count);
}

static bool route_matches(const struct route *route, struct str path, struct str *ret_id)
{
	if (route->is_under_base) {
		if (!str_starts(path, options.base))
			return false;
		path = str_skip(path, options.base.len);
	}
	return path_match(str_cstr(route->path), path, ret_id);
}

static bool method_matches(const struct route *route, enum http_method method)
{
	return route->method == method || (route->method == METHOD_GET && method == METHOD_HEAD);
}

/* The methods of a path, "GET, HEAD, POST"; .data is NULL without memory. */
static struct str methods_of(const struct request *request)
{
	struct str methods = {}, id;

	for (size_t i = 0; i < routes_count; i++) {
		const struct route *route = &routes[i];

		if (route_matches(route, request->path, &id))
			methods =
				arena_printf(request->arena, STR_FORMAT "%s%s%s", STR_ARGS(methods),
					methods.len ? ", " : "", http_method_name(route->method),
					route->method == METHOD_GET ? ", HEAD" : "");
	}
	return methods;
}

/* 405 says what would be right (RFC 9110 section 15.5.6). */
static void refuse_method(const struct request *request, struct response *response)
{
	struct str methods = methods_of(request);

	response_problem(response, PROBLEM_METHOD_NOT_ALLOWED);
	if (methods.data)
		(void)response_header(response, "Allow", methods);
}

static void answer_preflight(const struct request *request, struct response *response)
{
	struct str methods = methods_of(request);

	response_empty(response, 204);
	if (methods.data)
		cors_allow(response, methods);
}

static bool admit(struct request *request, struct response *response)
{
	bool is_known = false;
	struct str id;

	for (size_t i = 0; i < routes_count; i++) {
		const struct route *route = &routes[i];

		if (!route_matches(route, request->path, &id))
			continue;
		is_known = true;
		if (!method_matches(route, request->method))
			continue;
		request->route = route;
		request->path_id = id;
		request->body_bytes_max = route->body_bytes_max;
		request->is_body_required = route->body_bytes_max && !route->is_body_optional;
		request->is_patient = route->is_costly;
		tracing_begin(request);
		PROBE2(request__start, http_method_name(request->method), names[i]);
		return true;
	}
	if (is_known && cors_is_preflight(request))
		answer_preflight(request, response);
	else if (is_known)
		refuse_method(request, response);
	else
		response_problem(response, PROBLEM_NOT_FOUND);
	return false;
}

static enum problem problem_of_identity(enum identity_outcome outcome)
{
	switch (outcome) {
	case IDENTITY_EXPIRED:
		return PROBLEM_TOKEN_EXPIRED;
	case IDENTITY_REVOKED:
		return PROBLEM_TOKEN_REVOKED;
	case IDENTITY_SUSPENDED:
		return PROBLEM_ACCOUNT_SUSPENDED;
	default:
		return PROBLEM_INVALID_TOKEN;
	}
}

/* A cookie comes by itself, also from pages that know nothing of us: it counts only where nothing
 * is changed, and only when nothing else was said. */
static struct str token_of(const struct route *route, const struct request *request)
{
	if (route->auth == AUTH_BEARER_OR_COOKIE && options.cookie.len &&
		!request_header(request, STR("Authorization")).data)
		return request_cookie(request, options.cookie);
	return request_bearer(request);
}

/* 0 when the handler may run; otherwise 1 and the response is filled, or an error. */
static int prepare_await(const struct route *route, struct call *call, struct response *response)
{
	enum problem problem;
	int r;

	if (route->auth == AUTH_BEARER || route->auth == AUTH_BEARER_OR_COOKIE ||
		route->auth == AUTH_ADMIN) {
		r = token_identify_await(token_of(route, call->request), &call->identity);
		if (r < 0)
			return r;
		if (r != IDENTITY_VALID) {
			response_problem(response, problem_of_identity(r));
			return 1;
		}
		if (route->auth == AUTH_ADMIN &&
			!identity_has_role(&call->identity, STR(ADMIN_ROLE))) {
			response_problem(response, PROBLEM_FORBIDDEN);
			return 1;
		}
	}
	if (route->auth == AUTH_CLIENT)
		return client_admit(call, response);
	if (!route->body_bytes_max || (route->is_body_optional && !call->request->body.len))
		return 0;
	problem = request_json(call->request, &call->body);
	if (problem == PROBLEM_NONE)
		return 0;
	response_problem(response, problem);
	return 1;
}

/* Rounded up: a client that waits so long is not too early. */
static unsigned store_retry_s(void)
{
	uint64_t ns = MIN(store_retry_ns(), STORE_RETRY_S_MAX * NS_PER_S);

	return (unsigned)MAX(1, (ns + NS_PER_S - 1) / NS_PER_S);
}

/* Refusing is all that happens to most requests of an overload: nothing is logged, and nothing of
 * the request is looked at. */
static bool enter(struct request *request, struct response *response)
{
	const struct route *route = request->route;
	unsigned retry_s;

	if (limited_by_address(route->limit, request, response))
		return false;
	if (!route->is_costly)
		return true;
	/* All that is costly needs the store in the end: no hash for nothing. */
	if (store_retry_ns()) {
		response_unavailable(response, PROBLEM_STORE_UNAVAILABLE, store_retry_s());
		return false;
	}
	retry_s = admission_enter(request->deadline_ns, clock_now_ns());
	if (retry_s)
		response_unavailable(response, PROBLEM_SERVICE_UNAVAILABLE, retry_s);
	return retry_s == 0;
}

static void leave(struct request *request)
{
	const struct route *route = request->route;

	if (route->is_costly)
		admission_leave();
}

/* What is no news: there may be thousands a second, and they are counted where they happen. */
static bool is_refusal(int error)
{
	return error == -ERR_OVERLOADED || error == -ERR_CANCELED || error == -ERR_DRAINING ||
	       (error == -ERR_STORE_DOWN && store_retry_ns() > 0);
}

static void respond_error(const struct request *request, struct response *response, int error)
{
	enum problem problem = problem_of_error(error);
	const struct route *route = request->route;

	if (problem == PROBLEM_SERVICE_UNAVAILABLE)
		response_unavailable(response, problem, admission_retry_s(clock_now_ns()));
	else if (problem == PROBLEM_STORE_UNAVAILABLE)
		response_unavailable(response, problem, store_retry_s());
	else
		response_problem(response, problem);
	log_event(is_refusal(error) ? LOG_LEVEL_DEBUG : LOG_LEVEL_WARN, "request.failed",
		str_cstr(err_text(error)), LOG_TEXT("request.id", request->id),
		LOG_TEXT("http.route", str_cstr(names[route - routes])),
		LOG_TEXT("error.type", str_cstr(err_name(error))));
}

static void handle(struct request *request, struct response *response)
{
	const struct route *route = request->route;
	struct call call = { .request = request };
	int r;

	fiber_trace_set(fiber_current(), request->trace);
	fiber_name_set(fiber_current(), full_names[route - routes]);
	if (request->path_id.len)
		memcpy(call.id, request->path_id.data, request->path_id.len);
	r = prepare_await(route, &call, response);
	if (r == 0 && call.identity.account_id[0]) {
		request->user_id = arena_str(request->arena, str_cstr(call.identity.account_id));
		r = request->user_id.data ? 0 : -ENOMEM;
	}
	if (r == 0)
		r = route->handle(&call, response);
	if (r < 0)
		respond_error(request, response, r);
	/* A mistake of ours, which the tests look for; the client gets its answer all the same. */
	if (!route_has_answer(route, response))
		log_event(LOG_LEVEL_ERROR, "request.undocumented",
			STR("an answer that the table of routes does not know"),
			LOG_TEXT("http.route", str_cstr(route->path)),
			LOG_NUMBER("http.status", response->status),
			LOG_TEXT("error.type", str_cstr(problem_row(response->problem)->code)));
}

/* --- counting --- */

static enum metric_error reason_of(enum problem problem)
{
	switch (problem) {
	case PROBLEM_REQUEST_TIMEOUT:
		return ERROR_TIMEOUT;
	case PROBLEM_BODY_TOO_LARGE:
	case PROBLEM_URI_TOO_LONG:
	case PROBLEM_HEADERS_TOO_LARGE:
		return ERROR_TOO_LARGE;
	case PROBLEM_MALFORMED_REQUEST:
	case PROBLEM_MALFORMED_JSON:
	case PROBLEM_LENGTH_REQUIRED:
	case PROBLEM_UNSUPPORTED_MEDIA_TYPE:
	case PROBLEM_EXPECTATION_FAILED:
	case PROBLEM_VALIDATION_FAILED:
	case PROBLEM_NOT_IMPLEMENTED:
	case PROBLEM_VERSION_NOT_SUPPORTED:
		return ERROR_BAD_REQUEST;
	case PROBLEM_SERVICE_UNAVAILABLE:
		return ERROR_OVERLOADED;
	case PROBLEM_RATE_LIMITED:
		return ERROR_LIMITED;
	case PROBLEM_STORE_UNAVAILABLE:
		return ERROR_STORE;
	case PROBLEM_INTERNAL:
		return ERROR_INTERNAL;
	default:
		return ERROR_REASONS; /* an answer, not an error */
	}
}

static const char *name_of(const struct request *request)
{
	const struct route *route = request->route;

	return route ? names[route - routes] : "";
}

static void example(const struct request *request, unsigned index, unsigned method, unsigned status,
	uint64_t took_ns)
{
	struct exemplar example = { .ns = took_ns, .wall_ms = clock_wall_ms() };

	memcpy(example.trace, trace_ids(request->trace)->trace, sizeof(example.trace));
	metric_request_example(index, method, status, &example);
}

static void done(const struct request *request, const struct response *response, uint64_t took_ns)
{
	static const enum metric_stage stages[FIBER_SPENT_MAX] = { STAGE_QUEUE, STAGE_DB,
		STAGE_HASH };
	const struct route *route = request->route;
	unsigned index = route ? (unsigned)(route - routes) + 1 : 0;
	/* What was no request to its end has no method. */
	unsigned method = request->path.len ? request->method : METHOD_OTHER;
	enum metric_error reason = reason_of(response->problem);
	const char *name = name_of(request);
	bool is_traced;

	access_log(request, response, name, took_ns);
	is_traced = tracing_end(request, response, name, took_ns);
	PROBE4(request__end, http_method_name(request->method), name, response->status, took_ns);
	metric_request(index, method, response->status, took_ns);
	if (is_traced)
		example(request, index, method, response->status, took_ns);
	if (reason != ERROR_REASONS)
		metric_error(reason);
	if (!request->complete_ns)
		return;
	metric_stage(index, STAGE_PARSE, request->complete_ns - request->started_ns);
	for (unsigned i = 0; i < FIBER_SPENT_MAX; i++)
		if (request->spent_ns[i])
			metric_stage(index, stages[i], request->spent_ns[i]);
}

/* RFC 6797: counts only when it came over TLS, so it is not said otherwise (section 7.2). */
static void finish(const struct request *request, struct response *response)
{
	cors_finish(request, response);
	if (request->tls_version && options.hsts_s)
		(void)response_header(response, "Strict-Transport-Security", str_cstr(hsts));
}

static void gone(const struct request *request, uint64_t took_ns)
{
	metric_error(ERROR_ABORTED);
	tracing_end(request, NULL, name_of(request), took_ns);
}

const struct http_service router_service = { .admit = admit,
	.handle = handle,
	.done = done,
	.gone = gone,
	.broken = access_broken,
	.enter = enter,
	.leave = leave,
	.finish = finish };
