/* tls ...: certificates and revocation lists in force, and reading their files again. And their
 * metrics. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "control/control.h"
#include "control/findings.h"
#include "control/gauges.h"
#include "control/handlers.h"
#include "core/core.h"
#include "http/server.h"
#include "observe/log.h"
#include "shared/clock.h"
#include "shared/macros.h"
#include "tls/tls_settings.h"

#define HOUR_MS (3600 * INT64_C(1000))
#define READ(counter) atomic_load_explicit(&(counter), memory_order_relaxed)

/* --- commands --- */

static void certificate_row(const struct tls_certificate_info *info, void *arg)
{
	struct control_request *request = arg;
	struct json_writer *w = request_row_begin(request);
	char from[CLOCK_RFC3339_BYTES], until[CLOCK_RFC3339_BYTES];

	json_put_str(w, "name", str_cstr(info->name));
	json_put_str(w, "names", str_cstr(info->names));
	json_put_str(w, "file", str_cstr(info->file));
	json_put_str(w, "issuer", str_cstr(info->issuer));
	json_put_str(w, "not_before", clock_rfc3339(info->not_before_ms, from));
	json_put_str(w, "not_after", clock_rfc3339(info->not_after_ms, until));
	json_put_i64(w, "days_left", tls_days_left(info->not_after_ms, clock_wall_ms()));
	json_put_str(w, "key", str_cstr(info->key_type));
	json_put_u64(w, "served", info->served);
	json_put_bool(w, "default", info->is_first);
	json_put_str(w, "kind", STR("certificate"));
	json_put_null(w, "revoked");
	request_row_end(request);
}

static void crl_row(const struct tls_crl_info *info, void *arg)
{
	struct control_request *request = arg;
	struct json_writer *w = request_row_begin(request);
	char from[CLOCK_RFC3339_BYTES], until[CLOCK_RFC3339_BYTES];

	json_put_str(w, "name", str_cstr(info->issuer));
	json_put_null(w, "names");
	json_put_str(w, "file", str_cstr(info->file));
	json_put_str(w, "issuer", str_cstr(info->issuer));
	json_put_str(w, "not_before", clock_rfc3339(info->this_update_ms, from));
	json_put_str(w, "not_after", clock_rfc3339(info->next_update_ms, until));
	json_put_i64(w, "days_left", tls_days_left(info->next_update_ms, clock_wall_ms()));
	json_put_null(w, "key");
	json_put_null(w, "served");
	json_put_null(w, "default");
	json_put_str(w, "kind", STR("crl"));
	json_put_u64(w, "revoked", info->revoked);
	request_row_end(request);
}

static void rows_put(struct control_request *request)
{
	tls_certificates_each(certificate_row, request);
	tls_crls_each(crl_row, request);
}

void handle_tls_list(struct control_request *request)
{
	rows_put(request);
}

/* What is wrong with the files may be long: it is the message, whole. */
static void fail_with(struct control_request *request, const struct buf *errors)
{
	struct str text = arena_str(&request->arena, str_trim(buf_str(errors)));

	request_fail(request, OUTCOME_BAD_CONFIG, "authctl tls list",
		"the files are wrong; what was in force stays");
	if (text.len)
		request->failure.message = text;
}

void handle_tls_reload(struct control_request *request)
{
	_cleanup_(buf_deinit) struct buf errors = buf_init(TLS_ERRORS_BYTES_MAX);
	int r = tls_settings_reload(request->is_dry_run, &errors);

	if (r == -ENOENT) {
		request_fail(request, OUTCOME_CONFLICT, "authctl config show tls",
			"no certificates are configured");
	} else if (r < 0) {
		fail_with(request, &errors);
	} else {
		if (!request->is_dry_run)
			log_event(LOG_LEVEL_INFO, "tls.reloaded",
				STR("certificates were read again"),
				LOG_NUMBER("user.uid", request->peer->uid));
		rows_put(request);
	}
}

/* --- the rule of doctor --- */

struct first_to_end {
	char name[TLS_TEXT_BYTES];
	int64_t not_after_ms;
};

static void first_look(const struct tls_certificate_info *info, void *arg)
{
	struct first_to_end *first = arg;

	if (first->name[0] && info->not_after_ms >= first->not_after_ms)
		return;
	first->not_after_ms = info->not_after_ms;
	(void)snprintf(first->name, sizeof(first->name), "%s", info->name);
}

/* The newest list of each authority: older ones are not heeded. */
struct newest_crls {
	unsigned count;
	struct crl_life {
		char issuer[TLS_TEXT_BYTES];
		int64_t this_update_ms, next_update_ms;
	} items[TLS_CRLS_MAX];
};

static void crl_take(const struct tls_crl_info *info, void *arg)
{
	struct newest_crls *newest = arg;
	struct crl_life *life = newest->items;

	while (life < &newest->items[newest->count] && strcmp(life->issuer, info->issuer) != 0)
		life++;
	if (life == &newest->items[newest->count])
		newest->count++; /* no more are in force than have room */
	else if (life->this_update_ms > info->this_update_ms)
		return;
	(void)snprintf(life->issuer, sizeof(life->issuer), "%s", info->issuer);
	life->this_update_ms = info->this_update_ms;
	life->next_update_ms = info->next_update_ms;
}

/* Is there something to say of the one that ends first? */
static bool crls_say(struct finding *finding, int64_t now_ms)
{
	const struct crl_life *first = NULL;
	struct newest_crls newest = {};
	int64_t left_ms;

	tls_crls_each(crl_take, &newest);
	for (unsigned i = 0; i < newest.count; i++)
		if (!first || newest.items[i].next_update_ms < first->next_update_ms)
			first = &newest.items[i];
	left_ms = first ? first->next_update_ms - now_ms : INT64_MAX;
	if (!first || left_ms > (first->next_update_ms - first->this_update_ms) / TLS_CRL_LATE_PART)
		return false;
	if (left_ms < 0)
		finding_say(finding, VERDICT_BAD,
			"revocation list of %.100s has ended: its clients are refused",
			first->issuer);
	else
		finding_say(finding, VERDICT_WARN,
			"revocation list of %.100s ends in %lld hours: no newer one has come",
			first->issuer, (long long)(left_ms / HOUR_MS));
	return true;
}

void look_certificates(_unused_ const struct control_request *request, struct finding *finding)
{
	struct first_to_end first = {};
	int64_t now_ms = clock_wall_ms(), left_ms;

	tls_certificates_each(first_look, &first);
	left_ms = first.not_after_ms - now_ms;
	if (!first.name[0])
		finding_say(finding, VERDICT_OK, "none is configured");
	else if (left_ms < 0)
		finding_say(finding, VERDICT_BAD, "certificate %.100s has ended", first.name);
	else if (!crls_say(finding, now_ms))
		finding_say(finding, left_ms < TLS_EXPIRES_SOON_MS ? VERDICT_WARN : VERDICT_OK,
			"certificate %.100s ends in %lld days", first.name,
			(long long)tls_days_left(first.not_after_ms, now_ms));
}

/* --- metrics --- */

static uint64_t handshakes(const struct metering *m, enum tls_version version, bool is_resumed,
	enum http_handshake result)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < cores_count(); i++) {
		const struct http_server *server = m->context->http_of(core_at(i));

		if (server)
			sum += READ(
				http_server_stats(server)->handshakes[version][is_resumed][result]);
	}
	return sum;
}

/* Nothing without certificates. */
void meter_handshakes(struct metering *m)
{
	static const char *const results[HANDSHAKES] = { "ok", "failed", "timeout", "closed" };
	static const char *const versions[TLS_VERSIONS] = { "none", "1.2", "1.3" };

	if (!tls_settings_are_there())
		return;
	for (enum tls_version version = 0; version < TLS_VERSIONS; version++)
		for (unsigned resumed = 0; resumed < 2; resumed++)
			for (enum http_handshake result = 0; result < HANDSHAKES; result++) {
				bool is_ok = result == HANDSHAKE_OK;

				if (is_ok == (version == TLS_VERSION_NONE) || (resumed && !is_ok))
					continue;
				m->sink->value(m->sink,
					(const char *const[METRIC_LABELS_MAX]){ versions[version],
						resumed ? "yes" : "no", results[result] },
					(double)handshakes(m, version, resumed, result));
			}
}

struct expiries {
	struct metering *m;
	unsigned count;
	struct {
		char name[TLS_TEXT_BYTES];
		int64_t not_after_ms;
	} items[TLS_CERTIFICATES_MAX];
};

/* Two certificates may have the same first name: the series is that of the one that ends first. */
static void expiry_take(const struct tls_certificate_info *info, void *arg)
{
	struct expiries *expiries = arg;
	unsigned i = 0;

	while (i < expiries->count && strcmp(expiries->items[i].name, info->name) != 0)
		i++;
	if (i < expiries->count) {
		expiries->items[i].not_after_ms =
			MIN(expiries->items[i].not_after_ms, info->not_after_ms);
		return;
	}
	if (expiries->count == TLS_CERTIFICATES_MAX)
		return;
	expiries->items[expiries->count].not_after_ms = info->not_after_ms;
	(void)snprintf(expiries->items[expiries->count++].name, TLS_TEXT_BYTES, "%s", info->name);
}

void meter_certificates(struct metering *m)
{
	struct expiries expiries = {};

	tls_certificates_each(expiry_take, &expiries);
	for (unsigned i = 0; i < expiries.count; i++)
		put1(m, expiries.items[i].name, (double)expiries.items[i].not_after_ms / 1000);
}

void meter_crls(struct metering *m)
{
	struct newest_crls newest = {};

	tls_crls_each(crl_take, &newest);
	for (unsigned i = 0; i < newest.count; i++)
		put1(m, newest.items[i].issuer, (double)newest.items[i].next_update_ms / 1000);
}

/* Nothing without certificates. */
void meter_handshakes_open(struct metering *m)
{
	uint64_t begun = 0, in_line = 0;

	if (!tls_settings_are_there())
		return;
	for (unsigned i = 0; i < cores_count(); i++) {
		const struct http_server *server = m->context->http_of(core_at(i));

		if (!server)
			continue;
		begun += READ(http_server_stats(server)->handshakes_begun);
		in_line += READ(http_server_stats(server)->handshakes_in_line);
	}
	put1(m, "in_progress", (double)begun);
	put1(m, "waiting", (double)in_line);
}

void meter_handshakes_max(struct metering *m)
{
	if (tls_settings_are_there())
		put(m, (double)HTTP_HANDSHAKES_MAX * cores_count());
}
