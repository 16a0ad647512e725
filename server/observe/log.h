/*
 * The log: records with the names of OpenTelemetry's log model. Any thread may log and none ever
 * waits: a record is copied into a bounded ring (each core has its own, all other threads share
 * one), and one thread writes what is there as JSON lines, as text for people, or to the journal.
 * What does not fit is dropped and counted. Never hand it passwords, tokens, cookies, bodies or
 * queries. Inside: log_record.h, log_lanes.h, log_print.h, log_sink.h.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "shared/buf.h"

#define LOG_RING_BYTES (1024 * 1024) /* for reading along: some thousand records */
#define LOG_RECORD_BYTES_MAX 8192    /* written; longer texts are cut */
#define LOG_FIELDS_MAX 24            /* of one record: what is more is a mistake of ours */
/* Of one event with one error.type within a second: the rest is counted in the next one. */
#define LOG_REPEATS_MAX 10
#define LOG_JOURNAL_SOCKET "/run/systemd/journal/socket"

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };

/* AUTO: the journal when standard error is one, text when it is a terminal, else JSON. */
enum log_format { LOG_FORMAT_AUTO, LOG_FORMAT_JSON, LOG_FORMAT_TEXT };

enum log_type { LOG_IS_TEXT, LOG_IS_NUMBER, LOG_IS_SECONDS };

/* An extra member of the record. Keys are static text. */
struct log_field {
	const char *key;
	struct str text;
	int64_t number; /* nanoseconds for LOG_IS_SECONDS */
	enum log_type type;
};

#define LOG_TEXT(name, value) ((struct log_field){ .key = (name), .text = (value) })
#define LOG_NUMBER(name, value)                                                                    \
	((struct log_field){ .key = (name), .number = (value), .type = LOG_IS_NUMBER })
#define LOG_SECONDS(name, ns)                                                                      \
	((struct log_field){ .key = (name), .number = (int64_t)(ns), .type = LOG_IS_SECONDS })

struct log_options {
	const char *path; /* "": standard error */
	enum log_level least;
	enum log_format format;
	const char *instance;  /* service.instance.id */
	uint64_t rotate_bytes; /* a larger file is renamed FILE.1, and so on; 0: never by itself */
	unsigned rotate_keep;  /* renamed ones that stay */
	int stderr_fd;         /* instead of standard error; 0, -1: that */
	const char *journal;   /* its socket; NULL: never */
};

/* Starts the writer: 0 or -errno. Before it and after log_stop() records are dropped silently. */
int log_start(const struct log_options *options);

/* Writes what is waiting and ends the writer. */
void log_stop(void);

/* Gives the calling thread, a core, a ring of its own. 0, -ENOMEM. */
int log_core_start(unsigned core);

/* Opens the file again by its name, after it was rotated. 0 or -errno (the old one stays). */
int log_reopen(void);

/* The number of the configuration in force: a field of every record. */
void log_generation_set(uint64_t generation);

/* --- levels; any thread --- */

void log_level_set(enum log_level least);

/* The least level that is kept now, of modules without one of their own. */
enum log_level log_level_get(void);

/* "debug", "info", "warn", "error": 0, -EINVAL. */
int log_level_parse(struct str name, enum log_level *ret_level);
const char *log_level_name(enum log_level level); /* "debug" */

/*
 * A module is the first word of its events: "login" of "login.failed". It gets a level of its own
 * for some time, after which it is as all others again by itself. 0, -EINVAL (no such word),
 * -EBUSY (LOG_MODULES_MAX have one already).
 */
#define LOG_MODULES_MAX 16
#define LOG_MODULE_BYTES 24
int log_module_set(struct str module, enum log_level least, uint64_t for_ms);
bool log_module_end(struct str module); /* false: it had none */

struct log_module {
	char name[LOG_MODULE_BYTES];
	enum log_level least;
	uint64_t until_ns;
};
/* Those in force now; returns how many. */
unsigned log_modules(struct log_module list[static LOG_MODULES_MAX]);

/* Would a record of this event be kept? For callers whose fields are costly. */
bool log_wants(enum log_level level, const char *event);

/* --- reading along (authctl log tail) --- */

/*
 * What was written is kept until its place is needed. The writer never waits for a reader; one that
 * is too slow is told how many records it has missed.
 */
struct log_cursor {
	uint64_t bytes, records; /* so far */
};

/* From now on. */
struct log_cursor log_cursor_now(void);
/* Appends the JSON lines that came since, as many as fit into `room` bytes. 0, -ENOBUFS, -ENOMEM.
 */
int log_read(struct log_cursor *cursor, size_t room, struct buf *lines, uint64_t *ret_lost);

/* Where it goes: "stderr", "file", "journal". */
const char *log_destination(void);

/* Since log_start(): records without room or that could not be written, and too many of one kind.
 */
uint64_t log_dropped(void);
uint64_t log_suppressed(void);

/* --- writing --- */

/* event: a static dotted name such as "login.failed"; body: one short sentence. */
void log_write(enum log_level level, const char *event, struct str body,
	const struct log_field *fields, size_t fields_count);

/* The same for events of which each one counts, however many there are: no LOG_REPEATS_MAX. */
void log_write_every(enum log_level level, const char *event, struct str body,
	const struct log_field *fields, size_t fields_count);

/* log_event(LOG_LEVEL_INFO, "server.started", STR("serving"), LOG_NUMBER("authd.cores", 4)); */
#define log_event(level, event, body, ...)                                                         \
	log_write((level), (event), (body), (const struct log_field[]){ __VA_ARGS__ },             \
		sizeof((const struct log_field[]){ __VA_ARGS__ }) / sizeof(struct log_field))
#define log_every(level, event, body, ...)                                                         \
	log_write_every((level), (event), (body), (const struct log_field[]){ __VA_ARGS__ },       \
		sizeof((const struct log_field[]){ __VA_ARGS__ }) / sizeof(struct log_field))
