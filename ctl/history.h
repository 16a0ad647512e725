/*
 * The shell's history: a file that only its owner can read, one command a line, without secrets.
 * Only knows lines; readline is prompt.c's.
 */
#pragma once

#define HISTORY_LINES_MAX 5000

/* Calls take for each line that is kept, oldest first. A file that others can read is made private.
 */
void history_load(void (*take)(const char *line));

/* Appends a line, unless it begins with a space or is the same as the one before. */
void history_append(const char *line);
