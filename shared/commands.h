/*
 * THE table of authctl's commands: name, level, arguments, columns of the answer, help. Both
 * programs read these rows: the daemon binds a handler to each name (server/control/handlers.c)
 * and checks arguments by them, authctl makes its grammar, help, tables and completion from them.
 */
#pragma once

#include <stdbool.h>

#include "shared/str.h"

enum command_level { LEVEL_NONE, LEVEL_VIEWER, LEVEL_OPERATOR, LEVEL_ADMIN };

enum column_type {
	COLUMN_TEXT,
	COLUMN_INTEGER,
	COLUMN_NUMBER,  /* with decimals */
	COLUMN_BYTES,   /* raw bytes in JSON, humanised in tables */
	COLUMN_SECONDS, /* number of seconds in JSON, "6d 03:12" or "0.41 ms" in tables */
	COLUMN_RATIO,   /* 0..1 in JSON, "71 %" in tables */
	COLUMN_TIME,    /* RFC 3339 UTC */
	COLUMN_BOOL,
	COLUMN_USER, /* uid in JSON, name in tables */
};

enum column_flag {
	COLUMN_WIDE = 1 << 0, /* shown with -o wide only */
	/* A number that only grows: `watch` shows its rate. */
	COLUMN_COUNTER = 1 << 1,
};

struct command_column {
	const char *name; /* the key of the row object: API, never renamed */
	enum column_type type;
	const char *help;
	unsigned flags; /* enum column_flag */
};

enum argument_type {
	ARGUMENT_TEXT,
	ARGUMENT_NUMBER,   /* JSON integer, 0 or more */
	ARGUMENT_DURATION, /* "30s", "10m", "250ms": a text on the wire */
	ARGUMENT_FLAG,     /* no value; true on the wire */
};

enum argument_flag {
	ARGUMENT_POSITIONAL = 1 << 0, /* NAME instead of --name VALUE */
	ARGUMENT_REQUIRED = 1 << 1,
	ARGUMENT_SECRET = 1 << 2, /* never among words, in history, log or audit */
	ARGUMENT_LOCAL = 1 << 3,  /* authctl's own: not sent */
	ARGUMENT_REST = 1 << 4,   /* takes the rest of the line */
	/* A file whose content is sent instead of its name. */
	ARGUMENT_CONTENT = 1 << 5,
	ARGUMENT_INSTEAD = 1 << 6, /* with it the secret one is neither wanted nor asked for */
	ARGUMENT_ADMIN = 1 << 7,   /* with it the command needs the level admin */
	ARGUMENT_ASKS = 1 << 8,    /* with it the command wants --yes, as with COMMAND_ASKS */
	ARGUMENT_OPTION = 1 << 9,  /* is also an option of authctl, which takes it for both */
};

struct command_argument {
	const char *name;
	enum argument_type type;
	unsigned flags; /* enum argument_flag */
	const char *help;
	const char *choices; /* "a|b|c" when no other value is good */
	/* Where completion finds names: "pool.list:pool". If that command has an argument `prefix`,
	 * it is asked for those names alone that begin as what was typed. */
	const char *names;
};

enum command_flag {
	COMMAND_SINGLE = 1 << 0,    /* the answer is one object, not a list */
	COMMAND_MUTATES = 1 << 1,   /* audited before and after; takes dry_run and req_key */
	COMMAND_PERSONAL = 1 << 2,  /* shows personal data: audited */
	COMMAND_STREAM = 1 << 3,    /* evt frames until it is cancelled */
	COMMAND_WAITS = 1 << 4,     /* ends when something has happened */
	COMMAND_ASKS = 1 << 5,      /* reversible but wide: wants --yes */
	COMMAND_ASKS_NAME = 1 << 6, /* irreversible: wants --yes=NAME of its first argument */
	COMMAND_SELF = 1 << 7,      /* the daemon's own user may, too */
	COMMAND_LOCAL = 1 << 9,     /* authctl does it alone; the daemon only knows its name */
	COMMAND_RETRIES = 1 << 8, /* asks again when the daemon is not there: it may be starting */
	COMMAND_OFFERS = 1 << 10, /* with a file, which is kept only if one was named */
};

/* What a command may have at most: sizes the daemon's copy. */
#define COMMAND_ARGUMENTS_MAX 8

struct command {
	const char *name; /* "pool.list": noun and verb */
	enum command_level level;
	unsigned flags;     /* enum command_flag */
	const char *help;   /* one line */
	const char *schema; /* "pool.list/1" */
	/* Both end with a row whose name is NULL; arguments may be NULL. */
	const struct command_argument *arguments;
	const struct command_column *columns;
};

extern const struct command commands[];
extern const unsigned command_count;

/* NULL when there is none of that name. */
const struct command *command_find(struct str name);

/* Of one with COMMAND_ASKS_NAME: what does not come back, a sentence without its end. */
const char *command_warning(const struct command *command);

/* Of a command, NULL when it has none of that name. */
const struct command_argument *command_argument_find(
	const struct command *command, struct str name);

/* May it stand among the words of a command line? Secrets may not. */
static inline bool command_argument_is_word(const struct command_argument *argument)
{
	return !(argument->flags & ARGUMENT_SECRET);
}

/* Is text one of "a|b|c"? NULL choices allow everything. */
bool command_choice_is_good(const char *choices, struct str text);

/* "viewer", "operator", "admin", "none". */
const char *command_level_name(enum command_level level);
int command_level_parse(struct str name, enum command_level *ret_level); /* 0, -EINVAL */

/* "text", "integer", "bytes", ... as `authctl schema` says it. */
const char *column_type_name(enum column_type type);
/* Of its numbers in JSON: "bytes", "seconds", ""... */
const char *column_type_unit(enum column_type type);
const char *argument_type_name(enum argument_type type);
