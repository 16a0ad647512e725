/* Which requests are told, and what of them: see access.h. Never a query, a body or a token. */
#include "api/access.h"

#include <stdatomic.h>
#include <string.h>

#include "core/span.h"
#include "observe/log.h"
#include "shared/clock.h"
#include "shared/macros.h"

static struct {
	_Atomic int kept;
	_Atomic uint64_t slow_ns;
	_Atomic bool is_client_shown;
} access_options;

void access_set(const struct access_options *options)
{
	atomic_store_explicit(
		&access_options.slow_ns, options->slow_ms * NS_PER_MS, memory_order_relaxed);
	atomic_store_explicit(
		&access_options.is_client_shown, options->is_client_shown, memory_order_relaxed);
	atomic_store_explicit(&access_options.kept, (int)options->kept, memory_order_relaxed);
}

/* Of IPv4 a /24, of IPv6 a /48: enough to tell providers apart, not people. */
static struct str network_text(const struct address *peer, char text[static ADDRESS_TEXT_BYTES])
{
	uint8_t bytes[ADDRESS_BYTES];
	struct address network;

	if (!address_bytes(peer, bytes))
		return STR("");
	if (memcmp(bytes, (const uint8_t[12]){ [10] = 0xff, [11] = 0xff }, 12) == 0) {
		bytes[15] = 0;
		network = address_of_v4(bytes + 12, 0);
	} else {
		memset(bytes + 6, 0, sizeof(bytes) - 6);
		network = address_of_v6(bytes, 0);
	}
	return address_host(&network, text);
}

static struct str client_text(const struct address *peer, char text[static ADDRESS_TEXT_BYTES])
{
	if (!peer || !peer->bytes)
		return STR("");
	return atomic_load_explicit(&access_options.is_client_shown, memory_order_relaxed)
		       ? address_host(peer, text)
		       : network_text(peer, text);
}

static enum log_level level_of(const struct response *response)
{
	return response->status >= 500 ? LOG_LEVEL_WARN : LOG_LEVEL_INFO;
}

/* An overload fails thousands a second: who wants the slow ones is told of some. */
static void record_write(const struct request *request, const struct response *response,
	const char *route, uint64_t took_ns, bool is_every)
{
	char client[ADDRESS_TEXT_BYTES], trace_id[SPAN_TRACE_HEX], span_id[SPAN_TRACE_HEX];
	struct log_field fields[] = {
		LOG_TEXT("request.id", request->id),
		LOG_TEXT("http.request.method", str_cstr(http_method_name(request->method))),
		LOG_TEXT("http.route", str_cstr(route)),
		LOG_NUMBER("http.response.status_code", response->status),
		LOG_TEXT("url.scheme", request->tls_version ? STR("https") : STR("http")),
		LOG_TEXT(
			"network.protocol.version", request->is_http_1_0 ? STR("1.0") : STR("1.1")),
		LOG_TEXT("client.address", client_text(request->peer, client)),
		LOG_SECONDS("duration_s", took_ns),
		{}, /* tls.protocol.version, when it came over TLS */
		{}, /* tls.client.subject, when the client has shown a certificate */
		{}, /* user.id, when somebody has said who it is */
		{}, /* error.type, when it is one */
		{}, /* trace_id, when it is traced */
		{}, /* span_id */
	};
	size_t count = ARRAY_SIZE(fields) - 6;

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
		const struct span_ids *ids = &request->trace->ids;

		fields[count++] =
			LOG_TEXT("trace_id", span_hex(ids->trace, sizeof(ids->trace), trace_id));
		fields[count++] =
			LOG_TEXT("span_id", span_hex(ids->span, sizeof(ids->span), span_id));
	}
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
		LOG_TEXT("client.address", client_text(peer, client)));
}
