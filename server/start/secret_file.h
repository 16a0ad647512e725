/* Secrets that have files of their own, since configurations are read by everybody. */
#pragma once

#include <stddef.h>

/*
 * The text of a file that nobody but its owner and group may read, without its last line end; at
 * most bytes - 1 of it. 0, or an error after a sentence on standard error, which names the option.
 */
int secret_file_read(const char *option, const char *path, char *text, size_t bytes);
