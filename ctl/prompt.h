/* The interactive shell: lines from readline, each run as a one-shot command would be. */
#pragma once

/* run() gets the words of a line. Returns at end of input. */
int prompt_loop(const char *name, int (*run)(int count, char **words));
