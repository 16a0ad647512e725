/*
 * THE table of options: name, type, default, bounds and help of everything that can be configured.
 * Parsing, checking, `authctl config` and the documentation all read these rows.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/config.h"

enum option_type {
	OPTION_NUMBER,   /* plain decimal */
	OPTION_DURATION, /* 10s, 15m, 30d, 250ms; kept in milliseconds */
	OPTION_SIZE,     /* 64KiB, 1MiB, 4096; kept in bytes */
	OPTION_BOOL,     /* yes or no */
	OPTION_TEXT,
	OPTION_SECRET, /* a text that is never shown: "(set)" */
	OPTION_LIST,   /* words between spaces or commas */
	OPTION_RATE,   /* 300/1m: so many within whole seconds; "off"; bounds are of the count */
	OPTION_CHOICE, /* one of `unit`, "|" between; kept as its index */
};

struct option {
	const char *section, *key;
	enum option_type type;
	const char *fallback; /* the default, written as in a file */
	uint64_t min, max; /* of the kept value; of the length for texts, of the count for lists */
	const char *unit;  /* for people; the choices for OPTION_CHOICE */
	bool needs_restart;
	const char *help;
	size_t offset; /* in struct config */
};

extern const struct option options[];
extern const size_t options_count;

/* The row, or NULL. */
const struct option *option_find(struct str section, struct str key);

/* The row whose name is closest to section.key, or NULL when none is near enough to be a slip. */
const struct option *option_nearest(struct str section, struct str key);

/*
 * Parses text as the option says and stores it in config. 0; -EINVAL (not of this type), -ERANGE
 * (outside min and max): nothing stored then.
 */
int option_set(const struct option *option, struct str text, struct config *config);

/* Appends the value as it would stand in a file: "30d", "64KiB", "yes". 0, -ENOBUFS, -ENOMEM. */
int option_print(const struct option *option, const struct config *config, struct buf *text);

/* Has it the same value in both? */
bool option_is_equal(const struct option *option, const struct config *a, const struct config *b);

/* *to gets the value that it has in *from. */
void option_copy(const struct option *option, const struct config *from, struct config *to);

/* Appends a bound or a value of a number, a size or a time, as people write it. */
int option_print_number(enum option_type type, uint64_t value, struct buf *text);

/* "section.key" to its row, NULL when there is none. */
const struct option *option_find_name(struct str name);

/* What may be written: "1s..10m", "debug|info|warn|error", "4..16". */
int option_print_allowed(const struct option *option, struct buf *text);
