/* Commands that authctl itself knows; the daemon does not. */
#pragma once

#include <stdbool.h>

struct session;
struct settings;

struct local {
	const char *name, *arguments, *help;
	bool is_shell_only;
	int (*run)(struct session *session, struct settings *settings, int count, char **words);
};

extern const struct local locals[];
extern const unsigned local_count;

/* NULL: not one of ours. */
const struct local *local_find(const char *name, bool is_shell);

/* What `quit` returns: the shell ends. */
#define LOCAL_QUIT (-1)

/* An alias made in the shell: its words, NULL none. */
const char *local_alias(const char *name);
