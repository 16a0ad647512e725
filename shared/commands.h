/*
 * THE table of authctl's commands: name, level, arguments, columns of the answer, help. Both
 * programs read these rows: the daemon binds a handler to each name (server/control/handlers.c),
 * authctl makes its grammar, help, tables and completion from them.
 */
#pragma once

#include <stdbool.h>

#include "shared/str.h"

enum command_level { LEVEL_NONE, LEVEL_VIEWER, LEVEL_OPERATOR, LEVEL_ADMIN };

enum column_type {
	COLUMN_TEXT,
	COLUMN_INTEGER,
	COLUMN_BYTES,   /* raw bytes in JSON, humanised in tables */
	COLUMN_SECONDS, /* number of seconds in JSON, "6d 03:12" or "0.41 ms" in tables */
	COLUMN_RATIO,   /* 0..1 in JSON, "71 %" in tables */
	COLUMN_TIME,    /* RFC 3339 UTC */
	COLUMN_BOOL,
};

struct command_column {
	const char *name; /* the key of the row object: API, never renamed */
	enum column_type type;
	bool is_wide; /* shown with -o wide only */
	const char *help;
};

struct command_argument {
	const char *name; /* "--name VALUE", or the positional NAME when is_positional */
	enum column_type type;
	bool is_positional;
	bool is_required;
	bool is_secret;
	const char *help;
};

struct command {
	const char *name; /* "pool.list": noun and verb */
	enum command_level level;
	bool is_single;     /* the answer is one object, not a list */
	const char *help;   /* one line */
	const char *schema; /* "pool.list/1" */
	const struct command_argument
		*arguments;                   /* ends with a row whose name is NULL; may be NULL */
	const struct command_column *columns; /* ends with a row whose name is NULL */
};

extern const struct command commands[];
extern const unsigned command_count;

/* NULL when there is none of that name. */
const struct command *command_find(struct str name);

/* "viewer", "operator", "admin", "none". */
const char *command_level_name(enum command_level level);
