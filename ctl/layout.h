/* Answers that are screens of their own instead of tables, and how streams look on a terminal. */
#pragma once

#include <stdio.h>

#include "ctl/settings.h"
#include "shared/commands.h"
#include "shared/json.h"

struct layout {
	const char *command;
	void (*print)(FILE *out, const struct json *row, const struct settings *settings);
	void (*end)(FILE *out, const struct settings *settings); /* behind the last row; or NULL */
};

/* NULL: the command has none. */
const struct layout *layout_find(const char *command);

/* One element of a stream, on one line. */
void layout_event(FILE *out, const struct command *command, const struct json *row,
	const struct settings *settings);
