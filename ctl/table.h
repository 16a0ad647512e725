/*
 * Rows as a table: cells are kept until all widths are known. A second table of the same command
 * marks what has changed and shows how fast counters grow. For output.c.
 */
#pragma once

#include "ctl/output.h"

/* Is the column part of the table in this format? */
bool table_shows(const struct output *output, const struct command_column *column);
/* A value as people read it, for the caller to free. */
char *table_cell(const struct command_column *column, const struct json *value);

void table_add(struct output *output, const struct json *row);
/* Into output->out, chosen and ordered as output says, as wide as the screen. */
void table_print(struct output *output);
