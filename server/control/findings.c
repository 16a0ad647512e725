/* The table of rules, and doctor: see findings.h. */
#include "control/findings.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/resource.h>

#include "config/doubts.h"
#include "config/options.h"
#include "control/audit.h"
#include "control/control.h"
#include "control/gauges.h"
#include "control/handlers.h"
#include "control/rates.h"
#include "control/reload.h"
#include "core/job.h"
#include "guard/admission.h"
#include "guard/breaker.h"
#include "http/server.h"
#include "observe/log.h"
#include "shared/clock.h"
#include "shared/macros.h"
#include "store/store.h"

#define READ(counter) atomic_load_explicit(&(counter), memory_order_relaxed)
/* A core that works this much of its time has no reserve for a burst. */
#define BUSY_WARN 0.9
#define ERRORS_WARN 0.01
/* Of the limit: the rest is for files and the store. */
#define DESCRIPTORS_WARN 0.8

const char *verdict_name(enum verdict verdict)
{
	static const char *const names[] = { "ok", "info", "warn", "bad" };

	return names[verdict];
}

void finding_say(struct finding *finding, enum verdict verdict, const char *format, ...)
{
	va_list args;

	finding->verdict = verdict;
	va_start(args, format);
	(void)vsnprintf(finding->evidence, sizeof(finding->evidence), format, args);
	va_end(args);
}

static void look_cores(const struct control_request *request, struct finding *finding)
{
	unsigned silent = 0;

	for (unsigned i = 0; i < cores_count(); i++)
		silent += gather_is_silent(request->gather, i);
	finding_say(finding, silent ? VERDICT_BAD : VERDICT_OK,
		"%u of %u cores answered within a second", cores_count() - silent, cores_count());
}

static void look_busy(_unused_ const struct control_request *request, struct finding *finding)
{
	unsigned busiest = 0;

	for (unsigned i = 1; i < cores_count(); i++)
		if (rates_now()->busy[i] > rates_now()->busy[busiest])
			busiest = i;
	finding_say(finding, rates_now()->busy[busiest] > BUSY_WARN ? VERDICT_WARN : VERDICT_OK,
		"core %u works %.0f %% of its time", busiest, rates_now()->busy[busiest] * 100);
}

/* Everybody on a core waits for its longest pass. */
static void look_turns(_unused_ const struct control_request *request, struct finding *finding)
{
	uint64_t longest = 0, stalls = rates_lately().stalls;
	unsigned core = 0;

	for (unsigned i = 0; i < cores_count(); i++)
		if (READ(core_at(i)->stats.turn_ns_max) > longest) {
			longest = READ(core_at(i)->stats.turn_ns_max);
			core = i;
		}
	finding_say(finding, stalls ? VERDICT_WARN : VERDICT_OK,
		"%" PRIu64 " passes of loops took more than %d ms in the last %u min; the longest "
		"ever %.1f ms, on core %u",
		stalls, (int)(CORE_STALL_NS / NS_PER_MS), RATES_LATELY_MINUTES,
		(double)longest / NS_PER_MS, core);
}

static void look_store(_unused_ const struct control_request *request, struct finding *finding)
{
	struct store_health store;

	store_health(&store);
	if (store.is_up)
		finding_say(finding, VERDICT_OK, "answers a probe in %.2f ms",
			(double)store.latency_us / 1000);
	else
		finding_say(finding, VERDICT_BAD, "down: %s", store.reason);
}

/* The worst of the queues: what it did in the last minute. */
static void look_queues(_unused_ const struct control_request *request, struct finding *finding)
{
	struct rates_queue queue;

	finding_say(finding, VERDICT_OK, "nothing was refused in the last minute");
	for (unsigned i = 0; rates_queue(i, &queue); i++) {
		if (queue.refused + queue.expired > 0)
			finding_say(finding, VERDICT_WARN,
				"%s refused %" PRIu64 " and dropped %" PRIu64
				" late jobs; waiters in %u of %u s",
				queue.name, queue.refused, queue.expired, queue.ticks_waiting,
				queue.ticks);
		else if (queue.ticks_waiting * 2 > queue.ticks && finding->verdict == VERDICT_OK)
			finding_say(finding, VERDICT_INFO, "%s had waiters in %u of %u s",
				queue.name, queue.ticks_waiting, queue.ticks);
	}
}

static void breaker_look(struct breaker *breaker, void *arg)
{
	struct finding *finding = arg;
	struct breaker_view view;

	breaker_view(breaker, &view);
	if (view.mode != BREAKER_AUTO)
		finding_say(
			finding, VERDICT_WARN, "%s is %s", view.name, breaker_mode_name(view.mode));
	else if (view.state != BREAKER_CLOSED)
		finding_say(finding, VERDICT_BAD, "%s is %s: %u of %u calls failed%s%s", view.name,
			breaker_state_name(view.state), view.failures, view.calls,
			view.error[0] ? ", " : "", view.error);
}

static void look_breakers(_unused_ const struct control_request *request, struct finding *finding)
{
	finding_say(finding, VERDICT_OK, "all are closed");
	breaker_each(breaker_look, finding);
}

static void pool_look(const struct job_queue *queue, void *arg)
{
	uint64_t left_ns = job_queue_refusal_ns(queue, clock_now_ns());

	if (left_ns)
		finding_say(arg, VERDICT_WARN, "%s is drained for %" PRIu64 " s more", queue->name,
			left_ns / NS_PER_S + 1);
}

static void look_pools(_unused_ const struct control_request *request, struct finding *finding)
{
	finding_say(finding, VERDICT_OK, "all of the store lend connections");
	job_queue_each(pool_look, finding);
}

static void look_admission(_unused_ const struct control_request *request, struct finding *finding)
{
	struct admission_view view;

	admission_view(&view, clock_now_ns());
	finding_say(finding, view.wait_ns > view.limit_ns ? VERDICT_WARN : VERDICT_OK,
		"%u of %u costly requests in progress; one more would wait %.0f of %.0f ms",
		view.in_progress, view.concurrent_max, (double)view.wait_ns / NS_PER_MS,
		(double)view.limit_ns / NS_PER_MS);
}

static void look_errors(_unused_ const struct control_request *request, struct finding *finding)
{
	const struct rates *rates = rates_now();
	double share = rates->requests > 0 ? rates->errors / rates->requests : 0;

	finding_say(finding, share > ERRORS_WARN ? VERDICT_WARN : VERDICT_OK,
		"%.2f %% of %.0f requests/s are answered with 500 and above", share * 100,
		rates->requests);
}

static void look_connections(
	_unused_ const struct control_request *request, struct finding *finding)
{
	uint64_t refused = rates_lately().refused;

	finding_say(finding, refused ? VERDICT_WARN : VERDICT_OK,
		"%" PRIu64 " connections were closed at once in the last %u min", refused,
		RATES_LATELY_MINUTES);
}

static void look_descriptors(
	_unused_ const struct control_request *request, struct finding *finding)
{
	struct rlimit limit = { .rlim_cur = RLIM_INFINITY };
	unsigned open = descriptors_open();
	double share;

	(void)getrlimit(RLIMIT_NOFILE, &limit);
	share = limit.rlim_cur == RLIM_INFINITY ? 0 : (double)open / (double)limit.rlim_cur;
	finding_say(finding, share > DESCRIPTORS_WARN ? VERDICT_WARN : VERDICT_OK,
		"%u of %llu are open", open, (unsigned long long)limit.rlim_cur);
}

static void look_receive(const struct control_request *request, struct finding *finding)
{
	const struct control_context *context = request->context;

	finding_say(finding, context->is_multishot ? VERDICT_OK : VERDICT_INFO, "%s, %s: %s",
		context->engine, context->is_multishot ? "multishot" : "oneshot",
		context->engine_why);
}

static void look_buffers(_unused_ const struct control_request *request, struct finding *finding)
{
	uint64_t exhausted = 0, overflows = 0;

	for (unsigned i = 0; i < cores_count(); i++) {
		const struct core *core = core_at(i);

		if (READ(core->is_ended))
			continue;
		exhausted += READ(loop_stats(core->loop)->buffers_exhausted);
		overflows += READ(loop_stats(core->loop)->completion_overflows);
	}
	finding_say(finding, exhausted + overflows ? VERDICT_INFO : VERDICT_OK,
		"receive buffers ran out %" PRIu64 " times, completions overflowed %" PRIu64
		" times",
		exhausted, overflows);
}

static void look_config(_unused_ const struct control_request *request, struct finding *finding)
{
	const struct generation *current = generation_current();
	uint64_t left_ms = reload_unconfirmed_ms(clock_now_ns());
	unsigned pending = 0;

	for (size_t i = 0; i < options_count; i++)
		pending += options[i].needs_restart &&
			   !option_is_equal(&options[i], reload_running(), &current->config);
	if (left_ms)
		finding_say(finding, VERDICT_WARN,
			"generation %" PRIu64 " waits for confirmation: %" PRIu64 " s left",
			current->number, left_ms / 1000);
	else
		finding_say(finding, pending ? VERDICT_INFO : VERDICT_OK,
			"generation %" PRIu64 "; %u options of the file wait for a restart",
			current->number, pending);
}

struct doubts {
	unsigned count;
	const char *first;
};

static void doubt_count(const char *sentence, void *arg)
{
	struct doubts *doubts = arg;

	if (!doubts->count++)
		doubts->first = sentence;
}

static void look_options(_unused_ const struct control_request *request, struct finding *finding)
{
	struct doubts doubts = {};

	config_doubts(reload_running(), doubt_count, &doubts);
	if (doubts.count)
		finding_say(finding, VERDICT_WARN, "%s%s", doubts.first,
			doubts.count > 1 ? "; and there is more: authd --check" : "");
	else
		finding_say(finding, VERDICT_OK, "no option makes another one pointless");
}

static void look_log(_unused_ const struct control_request *request, struct finding *finding)
{
	uint64_t dropped = rates_lately().dropped;

	finding_say(finding, dropped ? VERDICT_WARN : VERDICT_OK,
		"%" PRIu64 " records were dropped in the last %u min, %" PRIu64 " since the start",
		dropped, RATES_LATELY_MINUTES, log_dropped());
}

static void look_audit(_unused_ const struct control_request *request, struct finding *finding)
{
	int r = audit_check();

	if (!audit_has_file())
		finding_say(finding, VERDICT_INFO, "records go to the log alone");
	else if (r < 0)
		finding_say(finding, VERDICT_BAD, "the file cannot be written: %s", audit_why(r));
	else
		finding_say(finding, VERDICT_OK, "records are written");
}

static const struct rule rules[] = {
	{ "cores", look_cores, "a core is stuck: its clients wait", "authctl core list" },
	{ "load", look_busy, "no reserve for a burst: more cores, or fewer requests",
		"authctl core list" },
	{ "loops", look_turns, "everybody on that core waited meanwhile",
		"authctl core list -o wide" },
	{ "store", look_store, "logins and refreshes fail", "authctl db ping" },
	{ "breakers", look_breakers, "calls are refused without being tried",
		"authctl breaker list" },
	{ "pools", look_pools, "calls are refused without being tried: an operator wanted it",
		"authctl pool resume, or wait" },
	{ "queues", look_queues, "requests were refused because of a full queue",
		"authctl pool list" },
	{ "admission", look_admission, "new logins are refused: more come than can be hashed",
		"authctl admission show" },
	{ "errors", look_errors, "clients see failures", "authctl log tail --level warn" },
	{ "connections", look_connections, "[http] connections_max was reached",
		"authctl conn list" },
	{ "descriptors", look_descriptors, "accepting will fail soon: raise LimitNOFILE",
		"authctl conn list" },
	{ "receive", look_receive, "the fast mode of receiving is absent here",
		"authctl config get io.receive" },
	{ "rings", look_buffers, "[io] buffers or entries are small for this load",
		"authctl core list -o wide" },
	{ "config", look_config, "what is in the file is not what is in force",
		"authctl config show" },
	{ "options", look_options, "allowed, and most likely not meant", "authctl config show" },
	{ "certificates", look_certificates,
		"clients refuse it when it has ended: renew it, then authctl tls reload",
		"authctl tls list" },
	{ "log", look_log, "the log's reader or disk is too slow", "authctl log tail" },
	{ "audit", look_audit, "changes are refused, or not written down",
		"authctl config get control.audit_file" },
};

static struct finding finding_of(const struct control_request *request, const struct rule *rule)
{
	struct finding finding = { .meaning = rule->meaning, .next = rule->next };

	rule->look(request, &finding);
	return finding;
}

void findings_each(const struct control_request *request,
	void (*visit)(const char *rule, const struct finding *finding, void *arg), void *arg)
{
	for (unsigned i = 0; i < ARRAY_SIZE(rules); i++) {
		const struct finding finding = finding_of(request, &rules[i]);

		visit(rules[i].name, &finding, arg);
	}
}

static void finding_row(
	struct control_request *request, const char *rule, const struct finding *finding)
{
	struct json_writer *w = request_row_begin(request);
	bool is_well = finding->verdict == VERDICT_OK;

	json_put_str(w, "rule", str_cstr(rule));
	json_put_str(w, "verdict", str_cstr(verdict_name(finding->verdict)));
	json_put_bool(w, "ok", finding->verdict < VERDICT_WARN);
	json_put_str(w, "evidence", str_cstr(finding->evidence));
	json_put_str(w, "meaning", is_well ? STR("") : str_cstr(finding->meaning));
	json_put_str(w, "next", is_well ? STR("") : str_cstr(finding->next));
	request_row_end(request);
}

void findings_answer(struct control_request *request, const struct rule *of, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct finding finding = finding_of(request, &of[i]);

		finding_row(request, of[i].name, &finding);
	}
}

void handle_doctor(struct control_request *request)
{
	findings_answer(request, rules, ARRAY_SIZE(rules));
}
