/*
 * Writing records into the lanes, and the thread that writes them out. While records come the
 * writer naps between two looks: one write() for what came meanwhile, and no system call at all for
 * those who log. See log.h.
 */
#include "observe/log.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

#include "core/thread.h"
#include "observe/log_lanes.h"
#include "observe/log_print.h"
#include "observe/log_repeats.h"
#include "observe/log_sink.h"
#include "observe/log_tail.h"
#include "shared/clock.h"
#include "shared/macros.h"
#include "shared/wait.h"

#define NAP_MS 5
/* One write(). */
#define PIECE_BYTES (64 * 1024)

static struct {
	pthread_mutex_t lock; /* for sleeping and waking; no lock follows */
	pthread_cond_t changed;
	pthread_t thread;
	bool is_urgent; /* a lane fills up */
	_Atomic bool is_running, is_asleep, is_napping;
	_Atomic uint64_t generation, dropped, suppressed;
	char instance[64];
	struct buf lines, json;
} writer = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

/* --- those who log --- */

static void wake(bool is_urgent)
{
	if (!atomic_load(&writer.is_asleep) &&
		!(is_urgent && atomic_exchange(&writer.is_napping, false)))
		return;
	pthread_mutex_lock(&writer.lock);
	writer.is_urgent |= is_urgent;
	pthread_cond_signal(&writer.changed);
	pthread_mutex_unlock(&writer.lock);
}

static struct str error_type(const struct log_field *fields, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (str_equal(str_cstr(fields[i].key), STR("error.type")))
			return fields[i].text;
	return (struct str){};
}

static int64_t wall_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec * (int64_t)NS_PER_S + now.tv_nsec;
}

static void put(enum log_level level, const char *event, struct str body,
	const struct log_field *fields, size_t fields_count, uint64_t suppressed)
{
	struct trace *trace = trace_current();
	union log_space space; /* not cleared: 8 KiB, and only what is filled is read */
	bool is_urgent = false;

	space.record = (struct log_record){
		.core = log_lane_core(),
		.level = (uint8_t)level,
		.wall_ns = wall_ns(),
		.event = event,
		.generation = atomic_load_explicit(&writer.generation, memory_order_relaxed),
		.suppressed = suppressed,
	};
	if (trace)
		space.record.ids = *trace_ids(trace);
	log_record_fill(&space, body, fields, fields_count);
	if (log_lanes_put(&space.record, &is_urgent))
		wake(is_urgent);
	else
		atomic_fetch_add_explicit(&writer.dropped, 1, memory_order_relaxed);
}

void log_write(enum log_level level, const char *event, struct str body,
	const struct log_field *fields, size_t fields_count)
{
	uint64_t suppressed;

	if (!log_wants(level, event) || !atomic_load(&writer.is_running))
		return;
	if (log_repeats_allow(event, error_type(fields, fields_count), &suppressed))
		put(level, event, body, fields, fields_count, suppressed);
	else
		atomic_fetch_add_explicit(&writer.suppressed, 1, memory_order_relaxed);
}

void log_write_every(enum log_level level, const char *event, struct str body,
	const struct log_field *fields, size_t fields_count)
{
	if (log_wants(level, event) && atomic_load(&writer.is_running))
		put(level, event, body, fields, fields_count, 0);
}

/* --- the one who writes --- */

/* False: it could not be printed, and is counted. */
static bool print(const struct log_record *record)
{
	enum log_sink_kind kind = log_sink_kind();
	size_t start = writer.json.len;
	bool is_printed = log_print_json(&writer.json, record, writer.instance);

	if (is_printed)
		log_tail_add(str_of(writer.json.data + start, writer.json.len - start), 1);
	if (kind != LOG_SINK_JSON)
		buf_clear(&writer.json);
	if (kind == LOG_SINK_TEXT)
		is_printed = log_print_text(&writer.lines, record);
	else if (kind == LOG_SINK_JOURNAL)
		is_printed = log_print_journal(&writer.lines, record, writer.instance);
	if (!is_printed)
		atomic_fetch_add_explicit(&writer.dropped, 1, memory_order_relaxed);
	return is_printed;
}

/* What cannot be written is lost with all its records: a full disk must not hold up anybody. */
static void flush(struct buf *lines, uint64_t *records)
{
	if (lines->len && !log_sink_write(buf_str(lines)))
		atomic_fetch_add_explicit(&writer.dropped, *records, memory_order_relaxed);
	*records = 0;
	buf_clear(lines);
}

/* Everything that is there now; false when that was nothing. */
static bool write_out(void)
{
	struct buf *lines = log_sink_kind() == LOG_SINK_JSON ? &writer.json : &writer.lines;
	union log_space space;
	uint64_t records = 0;
	bool is_some = false;

	while (log_lanes_take(&space)) {
		is_some = true;
		records += print(&space.record);
		if (lines->len > PIECE_BYTES - LOG_RECORD_BYTES_MAX ||
			log_sink_kind() == LOG_SINK_JOURNAL)
			flush(lines, &records);
	}
	flush(lines, &records);
	return is_some;
}

/* Nobody wakes us but for a lane that fills up. */
static void nap(void)
{
	struct timespec end = wait_end_ms(NAP_MS);

	pthread_mutex_lock(&writer.lock);
	atomic_store(&writer.is_napping, true);
	while (!writer.is_urgent && atomic_load(&writer.is_running) &&
		wait_until(&writer.changed, &writer.lock, &end))
		;
	atomic_store(&writer.is_napping, false);
	writer.is_urgent = false;
	pthread_mutex_unlock(&writer.lock);
}

static void sleep_until_woken(void)
{
	pthread_mutex_lock(&writer.lock);
	atomic_store(&writer.is_asleep, true);
	/* Whoever filled a lane before it could see this is seen here. */
	while (log_lanes_are_empty() && atomic_load(&writer.is_running))
		pthread_cond_wait(&writer.changed, &writer.lock);
	atomic_store(&writer.is_asleep, false);
	pthread_mutex_unlock(&writer.lock);
}

static void *writer_run(_unused_ void *arg)
{
	while (atomic_load(&writer.is_running))
		if (write_out())
			nap();
		else
			sleep_until_woken();
	(void)write_out();
	return NULL;
}

/* --- the beginning and the end --- */

static int buffers_make(void)
{
	writer.lines = buf_init(PIECE_BYTES);
	writer.json = buf_init(PIECE_BYTES);
	return buf_reserve(&writer.lines, LOG_RECORD_BYTES_MAX);
}

int log_start(const struct log_options *options)
{
	int r = log_sink_open(options);

	if (r < 0)
		return r;
	(void)snprintf(writer.instance, sizeof(writer.instance), "%s", options->instance);
	atomic_store(&writer.dropped, 0);
	atomic_store(&writer.suppressed, 0);
	log_level_set(options->least);
	r = buffers_make();
	if (r == 0) {
		atomic_store(&writer.is_running, true);
		r = thread_start(&writer.thread, "log", writer_run, NULL);
	}
	if (r == 0)
		return 0;
	atomic_store(&writer.is_running, false);
	log_sink_close();
	return r;
}

void log_stop(void)
{
	if (!atomic_exchange(&writer.is_running, false))
		return;
	pthread_mutex_lock(&writer.lock);
	pthread_cond_signal(&writer.changed);
	pthread_mutex_unlock(&writer.lock);
	pthread_join(writer.thread, NULL);
	log_sink_close();
	buf_deinit(&writer.lines);
	buf_deinit(&writer.json);
}

int log_core_start(unsigned core)
{
	return log_lane_own(core);
}

int log_reopen(void)
{
	return log_sink_reopen();
}

void log_generation_set(uint64_t generation)
{
	atomic_store_explicit(&writer.generation, generation, memory_order_relaxed);
}

uint64_t log_dropped(void)
{
	return atomic_load_explicit(&writer.dropped, memory_order_relaxed);
}

uint64_t log_suppressed(void)
{
	return atomic_load_explicit(&writer.suppressed, memory_order_relaxed);
}
