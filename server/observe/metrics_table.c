/* The table of metrics: see metrics.h. Names are API: a dashboard somewhere has them. */
#include "observe/metrics.h"

#include "shared/buf.h"
#include "shared/macros.h"

#define C METRIC_COUNTER
#define G METRIC_GAUGE
#define H METRIC_HISTOGRAM
#define I METRIC_INFO

/* clang-format off */
const struct metric_row metrics[METRICS] = {
	/* name, type, unit, labels, help, reading */
	[METRIC_BUILD_INFO] = { "authd_build_info", I, "", { "version", "commit", "compiler", "allocator" }, "What runs; always 1.", "Join it to see which version a number comes from." },
	[METRIC_START_TIME] = { "authd_start_time_seconds", G, "seconds", {}, "When the process started, since the epoch.", "A jump is a restart." },
	[METRIC_READY] = { "authd_ready", G, "", {}, "1 while it should get traffic.", "0 for minutes: authctl health." },
	[METRIC_DRAINING] = { "authd_draining", G, "", {}, "1 while it finishes what it has and takes no more.", "1 for longer than [core] drain_timeout is a hanging end." },
	[METRIC_HTTP_REQUESTS] = { "authd_http_requests_total", C, "", { "route", "method", "status_class" }, "Answered requests.", "The rate is the load; the share of 5xx is what clients suffer." },
	[METRIC_HTTP_DURATION] = { "authd_http_request_duration_seconds", H, "seconds", { "route", "method", "status_class" }, "From the first byte of a request to its complete answer.",
		"p99 of 2xx by route; logins take as long as a hash." },
	[METRIC_HTTP_STAGE] = { "authd_http_stage_duration_seconds", H, "seconds", { "stage" }, "Where time went: queue (waiting for a thread), parse (arrival), db, hash, write (answers not taken at once).",
		"The stage with the largest sum is where the time goes." },
	[METRIC_HTTP_IN_FLIGHT] = { "authd_http_requests_in_flight", G, "", {}, "Requests between first byte and answer.", "Grows without end: something behind hangs." },
	[METRIC_HTTP_ERRORS] = { "authd_http_request_errors_total", C, "", { "reason" }, "Requests that did not get what they wanted for a technical reason.",
		"overloaded and store are ours, bad_request and too_large the client's; aborted left before their answer." },
	[METRIC_HTTP_RECEIVED] = { "authd_http_received_bytes_total", C, "bytes", {}, "Bytes from clients.", "Bytes for each request: sudden growth is abuse." },
	[METRIC_HTTP_SENT] = { "authd_http_sent_bytes_total", C, "bytes", {}, "Bytes to clients.", "With requests it gives the size of an answer." },
	[METRIC_HTTP_COMPRESSED] = { "authd_http_compressed_responses_total", C, "", {}, "Answers that were sent compressed.", "Only public documents are." },
	[METRIC_CONNECTIONS_OPEN] = { "authd_connections_open", G, "", { "state" }, "Open connections; draining ones finish their last request.",
		"idle ones cost memory only; compare the sum with [http] connections_max for each core." },
	[METRIC_CONNECTIONS_ACCEPTED] = { "authd_connections_accepted_total", C, "", { "listener" }, "Accepted connections, by what they came to: http, https, redirect.", "As many as requests: clients do not keep them open." },
	[METRIC_CONNECTIONS_REJECTED] = { "authd_connections_rejected_total", C, "", { "reason" }, "Connections refused: limit (connections_max), fd (no descriptor), memory, accept (else), proxy (no PROXY header), tls (failed handshake).",
		"Any rate of limit: raise connections_max or add a node; of fd: LimitNOFILE." },
	[METRIC_TLS_HANDSHAKES] = { "authd_tls_handshakes_total", C, "", { "version", "resumed", "result" }, "Handshakes of TLS: ok, failed, timeout (the client was too slow), closed (it left).",
		"failed in masses: the log says why, tls.handshake_failed. Few are resumed: clients do not keep their connections." },
	[METRIC_TLS_HANDSHAKES_OPEN] = { "authd_tls_handshakes_open", G, "", { "state" }, "Handshakes of TLS that are not done: in_progress, or waiting for a place among these.",
		"waiting for long: slow clients hold the places, and lose them after a second; a moment of it is a burst of new ones." },
	[METRIC_TLS_HANDSHAKES_MAX] = { "authd_tls_handshakes_in_progress_max", G, "", {}, "Handshakes of TLS that may be in progress, on all cores.", "Beside authd_tls_handshakes_open." },
	[METRIC_TLS_CERTIFICATE] = { "authd_tls_certificate_expiry_timestamp_seconds", G, "seconds", { "name" }, "When a certificate ends, since the epoch.", "Two weeks before, it should have been renewed: authctl tls list." },
	[METRIC_TLS_CRL] = { "authd_tls_crl_expiry_timestamp_seconds", G, "seconds", { "issuer" }, "When an authority's newest list of revoked certificates ends, since the epoch.",
		"From then on all of its clients are refused: fetch the list, then authctl tls reload." },
	[METRIC_LOGINS] = { "authd_logins_total", C, "", { "method", "result" }, "Logins by how they ended.", "bad_secret and unknown far above yesterday: somebody guesses." },
	[METRIC_TOKENS_ISSUED] = { "authd_tokens_issued_total", C, "", { "grant", "kind" }, "Tokens handed out.", "refresh without password is a normal day." },
	[METRIC_TOKEN_VALIDATIONS] = { "authd_token_validations_total", C, "", { "result" }, "Access tokens that were looked at.", "invalid in masses: a wrong key somewhere, or forgery." },
	[METRIC_SESSIONS_ACTIVE] = { "authd_sessions_active", G, "", {}, "Sessions in the store that have not ended, as counted within the last ten seconds.", "The same on every node of one store: do not add them up." },
	[METRIC_HASH_DURATION] = { "authd_password_hash_duration_seconds", H, "seconds", { "algorithm" }, "A password hash, from a thread taking it to its end.", "It grows with full lanes; far above that: too little processor." },
	[METRIC_HASH_QUEUE] = { "authd_password_hash_queue_depth", G, "", {}, "Hashes that wait for a thread.", "Never empty: logins come faster than they can be hashed." },
	[METRIC_HASH_LANES] = { "authd_password_hash_lanes", G, "", { "state" }, "Hashes that can run side by side.", "busy near the sum is full use." },
	[METRIC_HASHES_SHARED] = { "authd_password_hashes_shared_total", C, "", {}, "Checks that waited for an equal one's hash.", "Clients that send a login again and again." },
	[METRIC_HASHES_ABANDONED] = { "authd_password_hashes_abandoned_total", C, "", {}, "Hashes given up because nobody waited any more.", "Clients hang up before their answer." },
	[METRIC_ADMISSION_IN_PROGRESS] = { "authd_admission_in_progress", G, "", {}, "Costly requests that were let in and run.", "At its maximum for long: overload." },
	[METRIC_ADMISSION_DECISIONS] = { "authd_admission_decisions_total", C, "", { "decision" }, "Costly requests: admitted, or why refused.", "refused for minutes: more nodes, or somebody floods." },
	[METRIC_RATE_LIMIT] = { "authd_rate_limit_decisions_total", C, "", { "limit", "decision" }, "What the rate limits said.", "refused: authctl limit top says who." },
	[METRIC_SIGNATURES_WAITING] = { "authd_signatures_waiting", G, "", {}, "Unknown tokens that stand in line for their signature.", "Often above 0: a flood of new or forged tokens." },
	[METRIC_SIGNATURES_REFUSED] = { "authd_signatures_refused_total", C, "", {}, "Unknown tokens for which the line was full.", "As above, and worse." },
	[METRIC_DB_UP] = { "authd_db_up", G, "", {}, "1 while the store answers.", "0: authctl health says why." },
	[METRIC_DB_DURATION] = { "authd_db_operation_duration_seconds", H, "seconds", { "operation", "collection" }, "A store call, from a connection taking it to its answer.",
		"p99 by operation; compare with the wait of the pool." },
	[METRIC_DB_ERRORS] = { "authd_db_operation_errors_total", C, "", { "operation", "collection", "code_class" }, "Store calls that failed.", "down opens the breaker, overloaded and timeout are a full pool." },
	[METRIC_DB_POOL_CONNECTIONS] = { "authd_db_pool_connections", G, "", { "pool", "state" }, "Connections to the store.", "None idle and waiters: the pool is too small or the store too slow." },
	[METRIC_DB_POOL_MAX] = { "authd_db_pool_max_connections", G, "", { "pool" }, "How many there may be.", "Compare with those in use." },
	[METRIC_DB_POOL_WAITERS] = { "authd_db_pool_waiters", G, "", { "pool" }, "Store calls that wait for a connection.", "Above 0 for two minutes: saturated." },
	[METRIC_DB_POOL_WAIT] = { "authd_db_pool_wait_duration_seconds", H, "seconds", { "pool" }, "How long calls waited for a connection.", "Part of every request's time: should be near nothing." },
	[METRIC_DB_POOL_TIMEOUTS] = { "authd_db_pool_timeouts_total", C, "", { "pool" }, "Calls whose time was over before a connection took them.", "Any: overload that admission did not see." },
	[METRIC_DB_POOL_REJECTIONS] = { "authd_db_pool_rejections_total", C, "", { "pool", "reason" }, "Calls refused at once: full (no place to wait), late (would have waited too long).",
		"The pool refuses early rather than late: look at the store." },
	[METRIC_BREAKER_STATE] = { "authd_breaker_state", G, "", { "breaker", "state" }, "1 for the state that a breaker is in; forced as well when an operator did it.", "open for a minute: what is behind it is down." },
	[METRIC_BREAKER_TRANSITIONS] = { "authd_breaker_transitions_total", C, "", { "breaker", "to" }, "Changes of state.", "Finds what opened and closed between two scrapes." },
	[METRIC_BREAKER_REJECTIONS] = { "authd_breaker_rejections_total", C, "", { "breaker" }, "Calls refused without trying.", "What an outage spared the store." },
	[METRIC_MAILS] = { "authd_mails_total", C, "", { "outcome" }, "Mails: sent, retried (an attempt failed), refused for good, abandoned (too old), needless (nobody to get it).",
		"abandoned are people who cannot get in; retried without sent: the mail server is down." },
	[METRIC_MAILS_WAITING] = { "authd_mails_waiting", G, "", {}, "Mails in the store that are to be sent.", "Grows without end: see authd_mails_total and the log, mail.failed." },
	[METRIC_CACHE_REQUESTS] = { "authd_cache_requests_total", C, "", { "cache", "result" }, "Look-ups in the caches.", "Share of hit and negative_hit; tokens should be near 1." },
	[METRIC_CACHE_ENTRIES] = { "authd_cache_entries", G, "", { "cache" }, "Entries held.", "At the maximum with evictions by size: it may be too small." },
	[METRIC_CACHE_BYTES] = { "authd_cache_size_bytes", G, "bytes", { "cache" }, "Memory of these entries.", "Part of authd_memory_bytes." },
	[METRIC_CACHE_EVICTIONS] = { "authd_cache_evictions_total", C, "", { "cache", "reason" }, "Entries that went: size, ttl, change (became wrong), flush.", "size in masses: see entries." },
	[METRIC_CORE_BUSY] = { "authd_core_busy_seconds_total", C, "seconds", { "core" }, "Processor time of a core's thread, kernel included.", "Its rate is the core's use: 1 is full." },
	[METRIC_CORE_LOOP] = { "authd_core_loop_duration_seconds", H, "seconds", {}, "One pass of a core's loop.", "p99 above 50 ms: something blocks a core." },
	[METRIC_URING_CQ_OVERFLOWS] = { "authd_uring_cq_overflows_total", C, "", { "core" }, "Times that the completion ring was full.", "Any: raise [io] entries." },
	[METRIC_URING_SQ_FULL] = { "authd_uring_sq_full_total", C, "", { "core" }, "Times that the submission ring was full.", "Rarely is harmless; else raise [io] entries." },
	[METRIC_BUFFERS_EXHAUSTED] = { "authd_uring_buffers_exhausted_total", C, "", { "core" }, "Times that a receive found no buffer.", "Often: raise [io] buffers." },
	[METRIC_MEMORY] = { "authd_memory_bytes", G, "bytes", { "subsystem" }, "Resident memory by use, measured within ten seconds; with what is unexplained the sum is the resident memory.",
		"What grows; authctl mem show says what each is." },
	[METRIC_MEMORY_LIMIT] = { "authd_memory_limit_bytes", G, "bytes", {}, "What its control group may have, or one above it; not there without a limit.", "Near it the kernel ends the process: MemoryMax of the unit." },
	[METRIC_ALLOCATOR] = { "authd_allocator_bytes", G, "bytes", { "kind" }, "What the allocator says of itself.", "resident far above allocated: authctl mem purge." },
	[METRIC_CONFIG_GENERATION] = { "authd_config_generation", G, "", {}, "Generation of the configuration in force.", "Differs between nodes: one missed a reload." },
	[METRIC_CONFIG_SUCCESS] = { "authd_config_last_reload_success_timestamp_seconds", G, "seconds", {}, "When a configuration was last taken over, since the epoch.", "Older than your deployment: it did not arrive." },
	[METRIC_CONFIG_RELOADS] = { "authd_config_reloads_total", C, "", { "result" }, "Reloads: ok, invalid, undone.", "invalid: authctl config check." },
	[METRIC_OVERRIDES] = { "authd_overrides_active", G, "", { "kind" }, "Temporary settings in force: config, breaker; pool: those that are drained.", "For a day: somebody forgot to put it into the file." },
	[METRIC_CTL_COMMANDS] = { "authd_ctl_commands_total", C, "", { "command", "result" }, "Commands of authctl; those that were used.", "Who did it: authctl audit list." },
	[METRIC_LOG_DROPPED] = { "authd_log_dropped_total", C, "", { "sink" }, "Log records that did not fit into the ring, or could not be written to where the log goes: stderr, file, journal.", "Any: that is too slow, or full." },
	[METRIC_LOG_SUPPRESSED] = { "authd_log_suppressed_total", C, "", {}, "Log records left out because the same event came too often.", "They are counted in the next record of their event." },
	[METRIC_TRACE_SPANS] = { "authd_trace_spans_total", C, "", { "result" }, "Spans of traces that were kept, by what became of them.", "dropped: the collector is slow or away; rejected: it does not want them." },
	[METRIC_TRACE_FAILURES] = { "authd_trace_export_failures_total", C, "", {}, "Requests to the collector that failed.", "The log says why: trace.export_failed." },
	[METRIC_CPU] = { "process_cpu_seconds_total", C, "seconds", {}, "Processor time, user and system.", "Its rate is processors in use." },
	[METRIC_RSS] = { "process_resident_memory_bytes", G, "bytes", {}, "Resident memory.", "The parts are authd_memory_bytes." },
	[METRIC_OPEN_FDS] = { "process_open_fds", G, "", {}, "Open file descriptors.", "Near the maximum: connections are refused." },
	[METRIC_MAX_FDS] = { "process_max_fds", G, "", {}, "Maximum of them.", "LimitNOFILE of the unit." },
	[METRIC_SCRAPES] = { "authd_metrics_scrapes_total", C, "", { "result" }, "Answers of this listener: ok, refused, timeout.", "Rate of ok is your scrape interval." },
	[METRIC_SERIES] = { "authd_metrics_series", G, "", {}, "Series of the latest exposition, this one included.", "Should not grow: labels are closed sets." },
};
/* clang-format on */

const char *metric_type_name(enum metric_type type)
{
	static const char *const names[] = {
		[C] = "counter", [G] = "gauge", [H] = "histogram", [I] = "info"
	};

	return names[type];
}

enum metric metric_find(struct str name)
{
	enum metric metric = 0;

	while (metric < METRICS && !str_equal(name, str_cstr(metrics[metric].name)))
		metric++;
	return metric;
}

static int labels_print(const struct metric_row *row, struct buf *text)
{
	int r = 0;

	for (unsigned i = 0; i < METRIC_LABELS_MAX && row->labels[i] && r == 0; i++)
		r = buf_printf(text, "%s%s", i ? ", " : "", row->labels[i]);
	return r;
}

int metrics_document(struct buf *text)
{
	int r = buf_append(text,
		STR("| metric | type | unit | labels | what it is | how to read it |\n|--|--|--|--|--|--|\n"));

	for (enum metric metric = 0; metric < METRICS && r == 0; metric++) {
		const struct metric_row *row = &metrics[metric];

		r = buf_printf(text, "| `%s` | %s | %s | ", row->name, metric_type_name(row->type),
			row->unit);
		if (r == 0)
			r = labels_print(row, text);
		if (r == 0)
			r = buf_printf(text, " | %s | %s |\n", row->help, row->reading);
	}
	return r;
}
