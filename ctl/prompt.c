/* See prompt.h. The only file that includes readline (GPL-3.0-or-later; authctl only). */
#include "ctl/prompt.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <readline/history.h>
#include <readline/readline.h>

#include "shared/commands.h"

#define WORDS_MAX 32     /* a command has far fewer arguments */
#define HISTORY_MAX 5000 /* AUTHCTL.md 2.7 */

static char *complete_command(const char *text, int state)
{
	static unsigned next;

	if (!state)
		next = 0;
	while (next < command_count) {
		const char *name = commands[next++].name;

		if (!strncmp(name, text, strlen(text)))
			return strdup(name);
	}
	return NULL;
}

static char **complete(const char *text, int start, int end)
{
	(void)end;
	rl_attempted_completion_over = 1;
	return start == 0 ? rl_completion_matches(text, complete_command) : NULL;
}

static int split(char *line, char **words)
{
	int count = 0;
	char *rest = NULL;

	for (char *word = strtok_r(line, " \t", &rest); word && count < WORDS_MAX;
		word = strtok_r(NULL, " \t", &rest))
		words[count++] = word;
	return count;
}

int prompt_loop(const char *name, int (*run)(int count, char **words))
{
	char prompt[128], *line;

	(void)snprintf(prompt, sizeof(prompt), "%s > ", name);
	rl_attempted_completion_function = complete;
	stifle_history(HISTORY_MAX);
	while ((line = readline(prompt))) {
		char *words[WORDS_MAX];
		int count;

		if (*line && *line != ' ')
			add_history(line);
		count = split(line, words);
		if (count && (!strcmp(words[0], "quit") || !strcmp(words[0], "exit"))) {
			free(line);
			return 0;
		}
		if (count)
			(void)run(count, words);
		free(line);
	}
	return 0;
}
