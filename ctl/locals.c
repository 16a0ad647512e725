/* See locals.h. */
#include "ctl/locals.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/completion.h"
#include "ctl/help.h"
#include "ctl/run.h"
#include "ctl/screen.h"
#include "ctl/top.h"
#include "shared/duration.h"
#include "shared/macros.h"

#define ALIASES_MAX 64
#define REPEAT_MAX 10000

static struct alias {
	char name[32];
	char words[256];
} aliases[ALIASES_MAX];

const char *local_alias(const char *name)
{
	for (unsigned i = 0; i < ALIASES_MAX; i++)
		if (*name && !strcmp(aliases[i].name, name))
			return aliases[i].words;
	return NULL;
}

static int run_help(
	_unused_ struct session *session, struct settings *settings, int count, char **words)
{
	return help_print(settings, count - 1, words + 1);
}

static int run_completion(_unused_ struct session *session, _unused_ struct settings *settings,
	int count, char **words)
{
	return completion_print(count > 1 ? words[1] : "");
}

/* watch [TIME] COMMAND: the same as COMMAND --watch=TIME. */
static int run_watch(
	struct session *session, _unused_ struct settings *settings, int count, char **words)
{
	struct settings before = session->settings;
	int skip = 1, r;
	uint64_t ms = 2000;

	if (count > 1 && duration_parse(str_cstr(words[1]), &ms) == 0)
		skip = 2;
	if (count <= skip || ms < 100) {
		(void)fputs("authctl: watch [TIME] COMMAND, at least 100ms\n", stderr);
		return EXIT_USAGE;
	}
	session->settings = *settings;
	session->settings.watch_ms = ms;
	r = session_run(session, count - skip, words + skip, 0);
	session->settings = before;
	return r;
}

static int run_repeat(
	struct session *session, _unused_ struct settings *settings, int count, char **words)
{
	char *copy[GRAMMAR_WORDS_MAX];
	uint64_t times;
	int r = EXIT_DONE;

	if (count < 3 || str_to_u64(str_cstr(words[1]), &times) < 0 || times > REPEAT_MAX) {
		(void)fputs("authctl: repeat N COMMAND\n", stderr);
		return EXIT_USAGE;
	}
	for (uint64_t i = 0; i < times && r == EXIT_DONE; i++) {
		memcpy(copy, words + 2, sizeof(*words) * (size_t)(count - 2));
		r = session_run(session, count - 2, copy, 0);
	}
	return r;
}

/* set NAME VALUE: one of authctl's own options, for the rest of the session. */
static int run_set(
	struct session *session, _unused_ struct settings *settings, int count, char **words)
{
	char option[300], *list[] = { option };
	int n;

	if (count == 1) {
		for (unsigned i = 0; i < settings_option_count; i++)
			(void)printf(
				"  %-12s %s\n", settings_options[i].name, settings_options[i].help);
		return EXIT_DONE;
	}
	n = snprintf(option, sizeof(option), "--%s%s%s", words[1], count > 2 ? "=" : "",
		count > 2 ? words[2] : "");
	if (n >= (int)sizeof(option))
		return EXIT_USAGE;
	list[0] = strdup(option); /* settings keep pointers into it */
	if (!list[0])
		return EXIT_REFUSED;
	n = settings_take(&session->settings, 1, list);
	if (n > 0)
		(void)fprintf(stderr, "authctl: no setting '%s'  (set lists all)\n", words[1]);
	return n == 0 ? EXIT_DONE : EXIT_USAGE;
}

static int run_alias(_unused_ struct session *session, _unused_ struct settings *settings,
	int count, char **words)
{
	struct alias *slot = NULL;

	for (unsigned i = 0; i < ALIASES_MAX; i++) {
		if (count == 1 && aliases[i].name[0])
			(void)printf("  %-12s %s\n", aliases[i].name, aliases[i].words);
		if (count > 1 && !strcmp(aliases[i].name, words[1]))
			slot = &aliases[i];
		else if (!slot && !aliases[i].name[0])
			slot = &aliases[i];
	}
	if (count == 1)
		return EXIT_DONE;
	if (!slot || strlen(words[1]) >= sizeof(slot->name)) {
		(void)fputs("authctl: no room for this alias\n", stderr);
		return EXIT_USAGE;
	}
	*slot = (struct alias){};
	if (count == 2)
		return EXIT_DONE; /* forgotten */
	(void)snprintf(slot->name, sizeof(slot->name), "%s", words[1]);
	for (int i = 2; i < count; i++) {
		size_t used = strlen(slot->words);

		(void)snprintf(slot->words + used, sizeof(slot->words) - used, "%s%s",
			used ? " " : "", words[i]);
	}
	return EXIT_DONE;
}

static int run_clear(_unused_ struct session *session, _unused_ struct settings *settings,
	_unused_ int count, _unused_ char **words)
{
	if (screen_is_terminal())
		(void)fputs("\033[H\033[2J", stdout);
	return EXIT_DONE;
}

static int run_quit(_unused_ struct session *session, _unused_ struct settings *settings,
	_unused_ int count, _unused_ char **words)
{
	return LOCAL_QUIT;
}

/* clang-format off */
const struct local locals[] = {
	{ "help", "[COMMAND]", "All commands, or one of them", false, run_help },
	{ "top", "[--interval TIME]", "A live view", false, top_run },
	{ "watch", "[TIME] COMMAND", "A command again and again, with what changes marked", false, run_watch },
	{ "completion", "bash|zsh|fish", "A script for your shell", false, run_completion },
	{ "repeat", "N COMMAND", "A command N times", true, run_repeat },
	{ "set", "[NAME [VALUE]]", "One of authctl's options, for this session", true, run_set },
	{ "alias", "[NAME [COMMAND]]", "A short name", true, run_alias },
	{ "clear", "", "Empty the screen", true, run_clear },
	{ "quit", "", "Leave the shell", true, run_quit },
	{ "exit", "", "Leave the shell", true, run_quit },
};
/* clang-format on */
const unsigned local_count = ARRAY_SIZE(locals);

const struct local *local_find(const char *name, bool is_shell)
{
	for (unsigned i = 0; i < local_count; i++)
		if (!strcmp(locals[i].name, name) && (is_shell || !locals[i].is_shell_only))
			return &locals[i];
	return NULL;
}
