/*
 * Takes spans in batches and sends them. What the collector cannot take now (429, 502, 503, 504, no
 * answer) is tried again, later each time or when the collector says; anything else it refuses is
 * gone. Meanwhile the queue fills and whoever ends a trace drops it: nobody waits for us.
 */
#include "observe/trace_export.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "core/claims.h"
#include "core/module.h"
#include "core/thread.h"
#include "observe/log.h"
#include "observe/otlp.h"
#include "observe/trace_transport.h"
#include "shared/clock.h"
#include "shared/macros.h"
#include "shared/random.h"
#include "shared/wait.h"

#define BATCH_SPANS 256
#define BATCH_WAIT_MS 1000
#define BATCH_BYTES_MAX (BATCH_SPANS * 4096) /* a span is some 300 bytes, in JSON 900 */
#define RETRY_FIRST_MS 500
#define RETRY_MAX_MS 30000
#define GIVE_UP_MS 60000 /* older than that, spans make room for newer ones */
#define STOP_MS 1000     /* for what is left at the end */

static struct {
	struct trace_options options;
	const struct trace_transport *transport;
	void *carrier;
	struct trace_item *items;
	struct buf body, answer;
	pthread_t thread;
	pthread_mutex_t lock; /* for waiting; guards nothing else; no lock follows */
	pthread_cond_t stopped;
	_Atomic bool is_stopping;
	_Atomic uint64_t end_ns; /* of the request under way */
	_Atomic uint64_t exported, dropped, rejected, failures;
} export = { .lock = PTHREAD_MUTEX_INITIALIZER, .stopped = PTHREAD_COND_INITIALIZER };

static void count(_Atomic uint64_t *counter, uint64_t spans)
{
	atomic_fetch_add_explicit(counter, spans, memory_order_relaxed);
}

static bool is_json(void)
{
	return export.options.protocol == TRACE_JSON;
}

/* Until it is time, or all is over. */
static void wait_ms(uint64_t ms)
{
	struct timespec end = wait_end_ms(ms);

	pthread_mutex_lock(&export.lock);
	while (!atomic_load(&export.is_stopping) && wait_until(&export.stopped, &export.lock, &end))
		;
	pthread_mutex_unlock(&export.lock);
}

/* Doubled each time; half of it at random, so that many daemons do not come back together. */
static uint64_t backoff_ms(unsigned attempt)
{
	uint64_t ms = MIN((uint64_t)RETRY_FIRST_MS << MIN(attempt, 10), RETRY_MAX_MS);
	uint32_t random;

	random_bytes(&random, sizeof(random));
	return ms / 2 + random % (ms / 2);
}

static bool may_come_later(long status)
{
	return status == 429 || status == 502 || status == 503 || status == 504;
}

/* 2xx: all of them, but for those that it says it has rejected. They are not sent again. */
static void delivered(const struct trace_answer *answer, unsigned spans)
{
	uint64_t rejected = is_json() ? otlp_json_rejected(buf_str(&answer->body))
				      : otlp_protobuf_rejected(buf_str(&answer->body));

	rejected = MIN(rejected, spans);
	count(&export.rejected, rejected);
	count(&export.exported, spans - rejected);
}

static void tell(const char *body, const char *why, long status)
{
	count(&export.failures, 1);
	log_event(LOG_LEVEL_WARN, "trace.export_failed", str_cstr(body),
		LOG_TEXT("error.message", str_cstr(why)),
		LOG_NUMBER("http.response.status_code", status));
}

static int encode(unsigned spans)
{
	buf_clear(&export.body);
	return (is_json() ? otlp_json : otlp_protobuf)(
		&export.body, &export.options, export.items, spans);
}

/* One try: true when it is settled what becomes of the spans; else *ret_wait_ms until the next. */
static bool try(unsigned spans, unsigned attempt, uint64_t *ret_wait_ms)
{
	struct trace_answer answer = { .body = export.answer };
	const char *why = "";
	int r;

	buf_clear(&answer.body);
	r = export.transport->post(
		export.carrier, buf_str(&export.body), &export.end_ns, &answer, &why);
	export.answer = answer.body;
	if (r == 0 && answer.status >= 200 && answer.status < 300) {
		delivered(&answer, spans);
		return true;
	}
	if (r == 0 && !may_come_later(answer.status)) {
		tell("the collector refuses spans", "", answer.status);
		count(&export.rejected, spans);
		return true;
	}
	tell("the collector does not take spans now", why, answer.status);
	*ret_wait_ms = answer.retry_ms ? answer.retry_ms : backoff_ms(attempt);
	return false;
}

static void send(unsigned spans)
{
	uint64_t give_up_ns = clock_after_ms(clock_now_ns(), GIVE_UP_MS), pause_ms;

	if (encode(spans) < 0) {
		count(&export.dropped, spans);
		return;
	}
	for (unsigned attempt = 0; !try(spans, attempt, &pause_ms); attempt++) {
		if (atomic_load(&export.is_stopping) ||
			clock_after_ms(clock_now_ns(), pause_ms) > give_up_ns) {
			count(&export.dropped, spans);
			return;
		}
		wait_ms(pause_ms);
	}
}

static void *export_run(_unused_ void *arg)
{
	unsigned spans;

	for (;;) {
		/* Before it takes: what is queued when that is said is still taken. */
		bool is_last = atomic_load(&export.is_stopping);

		spans = trace_queue_take(export.items, BATCH_SPANS, is_last ? 0 : BATCH_WAIT_MS);
		if (spans)
			send(spans);
		else if (is_last)
			return NULL;
	}
}

static void release(void)
{
	if (export.carrier)
		export.transport->close(TAKE(export.carrier));
	buf_deinit(&export.body);
	buf_deinit(&export.answer);
	claim_end(export.items);
	free(TAKE(export.items));
}

int trace_export_start(const struct trace_options *options, const char **ret_why)
{
	int r = -ENOMEM;

	export.options = *options;
	export.body = buf_init(BATCH_BYTES_MAX);
	export.answer = buf_init(TRACE_ANSWER_BYTES_MAX);
	atomic_store(&export.is_stopping, false);
	atomic_store(&export.end_ns, CLOCK_NEVER);
	export.transport = module_symbol(TRACE_TRANSPORT_MODULE, TRACE_TRANSPORT_SYMBOL, ret_why);
	if (!export.transport)
		return -ENOENT;
	export.items = calloc(BATCH_SPANS, sizeof(*export.items));
	claim(CLAIM_TRACES, CLAIM_FROM_HEAP, export.items, BATCH_SPANS * sizeof(*export.items));
	if (export.items)
		export.carrier = export.transport->open(&export.options, ret_why);
	if (export.carrier)
		r = thread_start(&export.thread, "traces", export_run, NULL);
	if (r < 0)
		release();
	return r;
}

void trace_export_stop(void)
{
	atomic_store(&export.end_ns, clock_after_ms(clock_now_ns(), STOP_MS));
	pthread_mutex_lock(&export.lock);
	atomic_store(&export.is_stopping, true);
	pthread_cond_signal(&export.stopped);
	pthread_mutex_unlock(&export.lock);
	trace_queue_wake();
	pthread_join(export.thread, NULL);
	release();
}

void trace_export_stats(struct trace_stats *stats)
{
	stats->exported += atomic_load_explicit(&export.exported, memory_order_relaxed);
	stats->dropped += atomic_load_explicit(&export.dropped, memory_order_relaxed);
	stats->rejected += atomic_load_explicit(&export.rejected, memory_order_relaxed);
	stats->failures += atomic_load_explicit(&export.failures, memory_order_relaxed);
}
