/*
 * Rows as people and programs want them: table, wide, json, ndjson, csv, value, template. All are
 * printers over the same rows; only the table humanises. Answers that are screens of their own are
 * in layout.h.
 */
#pragma once

#include <stdio.h>

#include "ctl/settings.h"
#include "shared/commands.h"
#include "shared/json.h"

#define OUTPUT_COLUMNS_MAX 64

struct output_cell {
	char *text;
	double number;   /* the raw value */
	unsigned row;    /* as the daemon sent it */
	bool is_changed; /* since the table before */
};

struct output {
	const struct settings *settings;
	const struct command *command;
	unsigned line; /* of a batch, for ndjson; 0 none */
	/* Private: */
	FILE *out;  /* memory for tables, else standard output */
	char *text; /* of that memory */
	size_t bytes;
	unsigned rows;
	struct output_cell *cells; /* of tables, kept until their widths are known */
	unsigned cell_count, cell_room;
	bool is_bad;    /* a row said "ok": false */
	bool is_failed; /* there was no answer: not even a head of columns is printed */
	/* The same table a while ago: what differs is marked, counters show their rate. NULL none.
	 */
	const struct output *before;
	double seconds;     /* since then */
	unsigned sort;      /* by this column, from 1; 0: as the daemon sends them */
	const char *filter; /* only rows with this text; NULL, "": all */
	unsigned widths[OUTPUT_COLUMNS_MAX]; /* that the columns of the last text wanted */
};

/* 0; -EINVAL and a sentence: the format needs a field that is not there. */
int output_check(const struct settings *settings, const struct command *command);

void output_begin(struct output *output);
void output_row(const struct json *row, void *output);
/* An element of a stream. */
void output_event(const struct json *frame, void *output);
void output_end(struct output *output);
/* The same, but the cells stay, for the next table: output_free(). */
void output_print(struct output *output);
/* The table as text, for the caller to free; instead of output_print(). output_begin() and this
 * once more make another text of the same rows: sort and filter may differ. */
void output_text(struct output *output, char **ret_text);
void output_free(struct output *output);
