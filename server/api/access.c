/* Which requests are told, and what of them: see access.h. Never a query, a body or a token. */
#include "api/access.h"

#include <assert.h>
#include <stdatomic.h>

#include "core/fiber.h"
#include "core/span.h"
#include "observe/log.h"
#include "observe/log_client.h"
#include "observe/metrics.h"
#include "shared/clock.h"
#include "shared/macros.h"

static struct {
	_Atomic int kept;
	_Atomic uint64_t slow_ns;
} access_options;

void access_set(const struct access_options *options)
{
	atomic_store_explicit(
		&access_options.slow_ns, options->slow_ms * NS_PER_MS, memory_order_relaxed);
	atomic_store_explicit(&access_options.kept, (int)options->kept, memory_order_relaxed);
}

static enum log_level level_of(const struct response *response)
{
	return response->status >= 500 ? LOG_LEVEL_WARN : LOG_LEVEL_INFO;
}

/* Where the time went, but for what took none: how many fields. The rest of duration_s is the
 * core's own work, its other requests', and sending. */
static size_t stages_put(const struct request *request, struct log_field *fields)
{
	static const char *const keys[FIBER_SPENT_MAX] = { [SPENT_QUEUE] = "authd.stage.queue_s",
		[SPENT_STORE] = "authd.stage.db_s",
		[SPENT_HASH] = "authd.stage.hash_s" };
	size_t count = 0;

	if (request->complete_ns > request->started_ns)
		fields[count++] = LOG_SECONDS(
			"authd.stage.parse_s", request->complete_ns - request->started_ns);
	for (unsigned i = 0; i < FIBER_SPENT_MAX; i++)
		if (request->spent_ns[i])
			fields[count++] = LOG_SECONDS(keys[i], request->spent_ns[i]);
	return count;
}

#define FIELDS_ALWAYS 8
/* tls.protocol.version, tls.client.subject, user.id, error.type, three of a trace, four stages */
#define FIELDS_MORE 11
static_assert(FIELDS_ALWAYS + FIELDS_MORE <= LOG_FIELDS_MAX, "a record has room for all");

/* An overload fails thousands a second: who wants the slow ones is told of some. */
static void record_write(const struct request *request, const struct response *response,
	const char *route, uint64_t took_ns, bool is_every)
{
	char client[ADDRESS_TEXT_BYTES], trace_id[SPAN_TRACE_HEX], span_id[SPAN_TRACE_HEX];
	struct log_field fields[FIELDS_ALWAYS + FIELDS_MORE] = {
		LOG_TEXT("request.id", request->id),
		LOG_TEXT("http.request.method", str_cstr(http_method_name(request->method))),
		LOG_TEXT("http.route", str_cstr(route)),
		LOG_NUMBER("http.response.status_code", response->status),
		LOG_TEXT("url.scheme", request->tls_version ? STR("https") : STR("http")),
		LOG_TEXT(
			"network.protocol.version", request->is_http_1_0 ? STR("1.0") : STR("1.1")),
		LOG_TEXT("client.address", log_client(request->peer, client)),
		LOG_SECONDS("duration_s", took_ns),
		/* and FIELDS_MORE that not every request has */
	};
	size_t count = FIELDS_ALWAYS;

	if (request->tls_version)
		fields[count++] = LOG_TEXT("tls.protocol.version", str_cstr(request->tls_version));
	if (request->client_subject.len)
		fields[count++] = LOG_TEXT("tls.client.subject", request->client_subject);
	if (request->user_id.len)
		fields[count++] = LOG_TEXT("user.id", request->user_id);
	if (response->problem)
		fields[count++] =
			LOG_TEXT("error.type", str_cstr(problem_row(response->problem)->code));
	if (request->trace) {
		const struct span_ids *ids = trace_ids(request->trace);

		fields[count++] =
			LOG_TEXT("trace_id", span_hex(ids->trace, sizeof(ids->trace), trace_id));
		fields[count++] =
			LOG_TEXT("span_id", span_hex(ids->span, sizeof(ids->span), span_id));
		fields[count++] = LOG_TEXT("trace_flags", ids->is_sampled ? STR("01") : STR("00"));
	}
	count += stages_put(request, fields + count);
	(is_every ? log_write_every : log_write)(
		level_of(response), "http.access", STR("answered"), fields, count);
}

void access_log(const struct request *request, const struct response *response, const char *route,
	uint64_t took_ns)
{
	int kept = atomic_load_explicit(&access_options.kept, memory_order_relaxed);
	bool is_failed = response->status >= 500;

	if (kept == ACCESS_KEPT_NONE ||
		(kept == ACCESS_KEPT_SLOW && !is_failed &&
			took_ns < atomic_load_explicit(
					  &access_options.slow_ns, memory_order_relaxed)) ||
		!log_wants(level_of(response), "http.access"))
		return;
	record_write(request, response, route, took_ns, kept == ACCESS_KEPT_ALL);
}

void access_broken(const struct address *peer, bool is_handshake, const char *why)
{
	char client[ADDRESS_TEXT_BYTES];

	log_event(LOG_LEVEL_INFO, is_handshake ? "tls.handshake_failed" : "tls.broken",
		STR("the connection is closed"), LOG_TEXT("error.type", str_cstr(why)),
		LOG_TEXT("client.address", log_client(peer, client)));
}
