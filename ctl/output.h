/* Rows as people and programs want them: table, wide, json, ndjson, csv, value (AUTHCTL.md 2.5). */
#pragma once

#include "shared/commands.h"
#include "shared/json.h"

enum output_format {
	OUTPUT_TABLE,
	OUTPUT_WIDE,
	OUTPUT_JSON,
	OUTPUT_NDJSON,
	OUTPUT_CSV,
	OUTPUT_VALUE
};

struct output {
	enum output_format format;
	const char *field; /* for OUTPUT_VALUE */
	const struct command *command;
	/* Private: */
	unsigned rows;
	char **cells; /* of tables, kept until their widths are known */
	unsigned cell_count, cell_room;
	bool is_bad; /* a row said "ok": false */
};

/* 0 or -EINVAL. */
int output_format_parse(const char *name, enum output_format *ret_format);

void output_begin(struct output *output);
void output_row(const struct json *row, void *output);
void output_end(struct output *output);
