/*
 * The log: one JSON object on each line, with the names of OpenTelemetry's log model. Any thread
 * may log and none ever waits: records go into a bounded ring that one thread writes out; what does
 * not fit is dropped and counted. Never hand it passwords, tokens, cookies, bodies or queries.
 */
#pragma once

#include <stdint.h>

#include "shared/buf.h"

#define LOG_RING_BYTES (256 * 1024) /* some hundred records: a burst, not an outage */
#define LOG_RECORD_BYTES_MAX 8192   /* longer ones are dropped */

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };

/* An extra member of the record: text, unless text.data is NULL; then the number. */
struct log_field {
	const char *key;
	struct str text;
	int64_t number;
};

#define LOG_TEXT(name, value) ((struct log_field){ .key = (name), .text = (value) })
#define LOG_NUMBER(name, value) ((struct log_field){ .key = (name), .number = (value) })

/*
 * Starts the writer; path "" is standard error. 0 or -errno. Before log_start() and after
 * log_stop() records are dropped silently.
 */
int log_start(const char *path, enum log_level least, const char *instance);

/* Writes what is in the ring and ends the writer. */
void log_stop(void);

/* Opens the file again by its name, after it was rotated. 0 or -errno (the old one stays). */
int log_reopen(void);

void log_level_set(enum log_level least);

/* The least level that is kept now. */
enum log_level log_level_get(void);

/* "debug", "info", "warn", "error": 0, -EINVAL. */
int log_level_parse(struct str name, enum log_level *ret_level);

/*
 * Reading along (authctl log tail): the ring keeps what was written until it is needed again. The
 * writer never waits for a reader; one that is too slow is told how many records it has missed.
 */
struct log_cursor {
	uint64_t bytes, records; /* so far */
};

/* From now on. */
struct log_cursor log_cursor_now(void);
/* Appends the lines that came since, as many as fit into `room` bytes. 0, -ENOBUFS, -ENOMEM. */
int log_read(struct log_cursor *cursor, size_t room, struct buf *lines, uint64_t *ret_lost);

/* Records dropped since log_start(). */
uint64_t log_dropped(void);

/* event: a dotted name such as "login.failed"; body: one short sentence. */
void log_write(enum log_level level, const char *event, struct str body,
	const struct log_field *fields, size_t fields_count);

/* log_event(LOG_LEVEL_INFO, "server.started", STR("serving"), LOG_NUMBER("authd.cores", 4)); */
#define log_event(level, event, body, ...)                                                         \
	log_write((level), (event), (body), (const struct log_field[]){ __VA_ARGS__ },             \
		sizeof((const struct log_field[]){ __VA_ARGS__ }) / sizeof(struct log_field))
