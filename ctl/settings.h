/*
 * What the operator set: authctl's own options, on the command line, anywhere in it, or with `set`
 * in the shell. One table makes parsing, help and completion.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum output_format {
	OUTPUT_TABLE,
	OUTPUT_WIDE,
	OUTPUT_JSON,
	OUTPUT_NDJSON,
	OUTPUT_CSV,
	OUTPUT_VALUE,
	OUTPUT_TEMPLATE,
};

enum color_mode { COLOR_AUTO, COLOR_ALWAYS, COLOR_NEVER };

struct settings {
	const char *socket;
	uint64_t timeout_ms;
	bool has_timeout; /* the operator said it, it is not the default */
	enum output_format format;
	const char *field; /* of "value"; the text of "template" */
	enum color_mode color;
	bool is_quiet, no_pager, no_history, keeps_going, is_help, is_version, is_dry_run;
	uint64_t watch_ms; /* 0: once */
	const char *as, *batch, *yes, *key;
	const char *secret_file; /* NULL none */
	int secret_fd;           /* -1 none */
	int64_t generation;      /* if_gen; -1 any */
	/* Not options: status in a few lines, above what top shows; what a change would do, shown
	 * before it is confirmed. */
	bool is_brief, is_preview;
};

struct settings_option {
	const char *name, *letter; /* letter "" none */
	/* NULL: a switch; "[X]": a value only after '='. */
	const char *value;
	const char *choices; /* "a|b" for completion; NULL any */
	const char *help;
	int (*set)(struct settings *settings, const char *value); /* 0, -EINVAL */
};

extern const struct settings_option settings_options[];
extern const unsigned settings_option_count;

void settings_init(struct settings *settings);

/*
 * Takes authctl's options out of words and moves the rest to the front: how many those are; -EINVAL
 * and a sentence on standard error. "--" ends options. What it does not know it leaves to the
 * command.
 */
int settings_take(struct settings *settings, int count, char **words);
