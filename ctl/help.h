/* Help, made from the tables of commands and options. */
#pragma once

struct settings;

/* Everything, one noun, or one command; through a pager as settings say, NULL never. An exit code.
 */
int help_print(const struct settings *settings, int count, char *const *words);
