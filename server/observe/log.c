/*
 * A ring of finished lines between the threads that log and the one that writes. Records are built
 * on the caller's stack; the lock is held for a copy only, never across a system call but the
 * wake-up.
 */
#include "observe/log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "shared/macros.h"

#define PATH_BYTES 4096

static struct {
	pthread_mutex_t
		lock; /* guards ring, head, used, total, records, is_running, fd; no lock follows */
	pthread_cond_t changed;
	pthread_t writer;
	char ring[LOG_RING_BYTES];
	size_t head, used; /* oldest byte, bytes waiting; whole lines only */
	/* Ever put into the ring: bytes end at total % LOG_RING_BYTES, and the ones before are
	 * there until they are overwritten. */
	uint64_t total, records;
	bool is_running;
	int fd;
	char path[PATH_BYTES], instance[64];
	_Atomic int least;
	_Atomic uint64_t dropped;
} logger = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER, .fd = -1 };

static const struct {
	const char *name;
	int number; /* OpenTelemetry's SeverityNumber */
} severities[] = {
	[LOG_LEVEL_DEBUG] = { "DEBUG", 5 },
	[LOG_LEVEL_INFO] = { "INFO", 9 },
	[LOG_LEVEL_WARN] = { "WARN", 13 },
	[LOG_LEVEL_ERROR] = { "ERROR", 17 },
};

struct record {
	char text[LOG_RECORD_BYTES_MAX];
	size_t len;
	bool is_full;
};

static void add(struct record *record, struct str s)
{
	if (s.len > sizeof(record->text) - record->len) {
		record->is_full = true;
		return;
	}
	if (s.len)
		memcpy(record->text + record->len, s.data, s.len);
	record->len += s.len;
}

/* A JSON string. Bytes that are no UTF-8 become '?', so that a line always parses. */
static void add_quoted(struct record *record, struct str s)
{
	bool is_utf8 = str_is_utf8(s);

	add(record, STR("\""));
	for (size_t i = 0; i < s.len && !record->is_full; i++) {
		unsigned char c = (unsigned char)s.data[i];
		char escape[8];

		if (c == '"' || c == '\\')
			add(record, str_of((char[]){ '\\', (char)c }, 2));
		else if (c < 0x20 || c == 0x7f)
			add(record, str_of(escape, (size_t)snprintf(
							   escape, sizeof(escape), "\\u%04x", c)));
		else if (c >= 0x80 && !is_utf8)
			add(record, STR("?"));
		else
			add(record, str_of(s.data + i, 1));
	}
	add(record, STR("\""));
}

static void add_text(struct record *record, const char *key, struct str value)
{
	add(record, STR(","));
	add_quoted(record, str_cstr(key));
	add(record, STR(":"));
	add_quoted(record, value);
}

static void add_number(struct record *record, const char *key, int64_t value)
{
	char digits[24];
	int bytes = snprintf(digits, sizeof(digits), ":%" PRId64, value);

	add(record, STR(","));
	add_quoted(record, str_cstr(key));
	add(record, str_of(digits, (size_t)bytes));
}

/* Microseconds, which clock_rfc3339() does not have. */
static void add_time(struct record *record)
{
	char date[32], text[64];
	struct timespec now;
	struct tm utc;
	int bytes;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &utc);
	strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &utc);
	bytes = snprintf(
		text, sizeof(text), "{\"timestamp\":\"%s.%06ldZ\"", date, now.tv_nsec / 1000);
	add(record, str_of(text, (size_t)bytes));
}

/* All or nothing; false when there is no room or no writer. */
static bool ring_put(struct str line, bool *ret_was_running)
{
	bool has_room;

	pthread_mutex_lock(&logger.lock);
	*ret_was_running = logger.is_running;
	has_room = logger.is_running && line.len <= LOG_RING_BYTES - logger.used;
	if (has_room) {
		size_t tail = (logger.head + logger.used) % LOG_RING_BYTES;
		size_t first = MIN(line.len, LOG_RING_BYTES - tail);

		memcpy(logger.ring + tail, line.data, first);
		memcpy(logger.ring, line.data + first, line.len - first);
		logger.used += line.len;
		logger.total += line.len;
		logger.records++;
		pthread_cond_signal(&logger.changed);
	}
	pthread_mutex_unlock(&logger.lock);
	return has_room;
}

void log_write(enum log_level level, const char *event, struct str body,
	const struct log_field *fields, size_t fields_count)
{
	struct record record; /* not cleared: 8 KiB, and only len bytes are read */
	bool was_running = true;

	if ((int)level < atomic_load_explicit(&logger.least, memory_order_relaxed))
		return;
	record.len = 0;
	record.is_full = false;
	add_time(&record);
	add_text(&record, "severity_text", str_cstr(severities[level].name));
	add_number(&record, "severity_number", severities[level].number);
	add_text(&record, "event.name", str_cstr(event));
	add_text(&record, "body", body);
	add_text(&record, "service.name", STR("authd"));
	add_text(&record, "service.version", STR(AUTHD_VERSION));
	add_text(&record, "service.instance.id", str_cstr(logger.instance));
	for (size_t i = 0; i < fields_count; i++)
		if (fields[i].text.data)
			add_text(&record, fields[i].key, fields[i].text);
		else
			add_number(&record, fields[i].key, fields[i].number);
	add(&record, STR("}\n"));
	if (record.is_full || !ring_put(str_of(record.text, record.len), &was_running))
		if (was_running)
			atomic_fetch_add_explicit(&logger.dropped, 1, memory_order_relaxed);
}

/* A write error loses the piece: there is nowhere to report it. */
static void write_all(int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t written = write(fd, data, len);

		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
			return;
		data += written;
		len -= (size_t)written;
	}
}

/* The bytes being written stay counted in `used`, so nobody overwrites them meanwhile. */
static void *writer_run(_unused_ void *arg)
{
	pthread_mutex_lock(&logger.lock);
	while (logger.is_running || logger.used) {
		size_t len = MIN(logger.used, LOG_RING_BYTES - logger.head);
		int fd = logger.fd;

		if (len == 0) {
			pthread_cond_wait(&logger.changed, &logger.lock);
			continue;
		}
		pthread_mutex_unlock(&logger.lock);
		write_all(fd, logger.ring + logger.head, len); /* only this thread moves head */
		pthread_mutex_lock(&logger.lock);
		logger.head = (logger.head + len) % LOG_RING_BYTES;
		logger.used -= len;
	}
	pthread_mutex_unlock(&logger.lock);
	return NULL;
}

static int file_open(const char *path)
{
	int fd = path[0] ? open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640)
			 : fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);

	return fd < 0 ? -errno : fd;
}

int log_start(const char *path, enum log_level least, const char *instance)
{
	int fd, r;

	if (strlen(path) >= PATH_BYTES)
		return -ENAMETOOLONG;
	fd = file_open(path);
	if (fd < 0)
		return fd;
	snprintf(logger.path, sizeof(logger.path), "%s", path);
	snprintf(logger.instance, sizeof(logger.instance), "%s", instance);
	logger.fd = fd;
	logger.head = logger.used = 0;
	logger.total = logger.records = 0;
	logger.dropped = 0;
	logger.least = (int)least;
	logger.is_running = true;
	r = pthread_create(&logger.writer, NULL, writer_run, NULL);
	if (r == 0)
		return 0;
	logger.is_running = false;
	close(fd);
	return -r;
}

void log_stop(void)
{
	bool was_running;

	pthread_mutex_lock(&logger.lock);
	was_running = logger.is_running;
	logger.is_running = false;
	pthread_cond_signal(&logger.changed);
	pthread_mutex_unlock(&logger.lock);
	if (!was_running)
		return;
	pthread_join(logger.writer, NULL);
	close(logger.fd);
	logger.fd = -1;
}

int log_reopen(void)
{
	int fd = file_open(logger.path), r;

	if (fd < 0)
		return fd;
	/* dup3() swaps the file behind the number: the writer may be using it right now. */
	r = dup3(fd, logger.fd, O_CLOEXEC) < 0 ? -errno : 0;
	close(fd);
	return r;
}

void log_level_set(enum log_level least)
{
	atomic_store_explicit(&logger.least, (int)least, memory_order_relaxed);
}

enum log_level log_level_get(void)
{
	return (enum log_level)atomic_load_explicit(&logger.least, memory_order_relaxed);
}

int log_level_parse(struct str name, enum log_level *ret_level)
{
	for (enum log_level level = LOG_LEVEL_DEBUG; level <= LOG_LEVEL_ERROR; level++)
		if (str_equal_nocase(name, str_cstr(severities[level].name))) {
			*ret_level = level;
			return 0;
		}
	return -EINVAL;
}

/* --- reading along --- */

struct log_cursor log_cursor_now(void)
{
	struct log_cursor cursor;

	pthread_mutex_lock(&logger.lock);
	cursor = (struct log_cursor){ .bytes = logger.total, .records = logger.records };
	pthread_mutex_unlock(&logger.lock);
	return cursor;
}

static char byte_at(uint64_t position)
{
	return logger.ring[position % LOG_RING_BYTES];
}

/* Moves a cursor that was overtaken to the oldest whole line. Under the lock. */
static uint64_t cursor_catch_up(struct log_cursor *cursor)
{
	uint64_t at = logger.total - LOG_RING_BYTES, lines = 0, lost;

	if (logger.total <= LOG_RING_BYTES || cursor->bytes >= at)
		return 0;
	while (at < logger.total && byte_at(at++) != '\n')
		;
	cursor->bytes = at;
	for (; at < logger.total; at++)
		lines += byte_at(at) == '\n';
	lost = logger.records - lines - cursor->records;
	cursor->records += lost;
	return lost;
}

int log_read(struct log_cursor *cursor, size_t room, struct buf *lines, uint64_t *ret_lost)
{
	size_t len = 0, first, start;
	int r;

	r = buf_reserve(lines, room);
	if (r < 0)
		return r;
	pthread_mutex_lock(&logger.lock);
	*ret_lost = cursor_catch_up(cursor);
	for (size_t i = 0; i < room && cursor->bytes + i < logger.total; i++)
		if (byte_at(cursor->bytes + i) == '\n')
			len = i + 1;
	start = cursor->bytes % LOG_RING_BYTES;
	first = MIN(len, LOG_RING_BYTES - start);
	memcpy(lines->data + lines->len, logger.ring + start, first);
	memcpy(lines->data + lines->len + first, logger.ring, len - first);
	pthread_mutex_unlock(&logger.lock);
	for (size_t i = 0; i < len; i++)
		cursor->records += lines->data[lines->len + i] == '\n';
	lines->len += len;
	cursor->bytes += len;
	return 0;
}

uint64_t log_dropped(void)
{
	return atomic_load_explicit(&logger.dropped, memory_order_relaxed);
}
