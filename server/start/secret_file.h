/* Secrets that have files of their own, since configurations are read by everybody. */
#pragma once

#include <stddef.h>

/*
 * The text of a file that nobody but its owner and group may read, without its last line end; at
 * most bytes - 1 of it. 0, or an error after a sentence on standard error.
 */
int secret_file_read(const char *path, char *text, size_t bytes);
