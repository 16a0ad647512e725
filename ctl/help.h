/* Help, made from the tables of commands and options. */
#pragma once

/* Everything, one noun, or one command. An exit code. */
int help_print(int count, char *const *words);
