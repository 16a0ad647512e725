/* What authd is asked to do instead of serving, and with which configuration. */
#pragma once

#include <stdbool.h>
#include <stdio.h>

struct command_line {
	const char *config, *argument;
	int (*run)(const char *argument); /* with the store open, instead of serving; may be NULL */
	bool is_check;
};

/* line: zeroed. 0; 1: it is answered already, on standard output; -EINVAL: show the usage. */
int command_line_parse(int argc, char **argv, struct command_line *line);
void command_line_usage(FILE *out);
