/*
 * Which library edits the shell's lines: chosen by -Dlineedit. All have readline's names; what one
 * lacks is filled in here with less. Only prompt.c includes it.
 *   readline  everything; GPL-3.0-or-later, and so is then the program as a whole
 *   libedit   no hints, no reaction to ^C before the line ends, no F1
 *   none      lines as the terminal gives them: no completion, no history, no hints
 */
#pragma once

#if defined(LINEEDIT_READLINE)
#include <readline/history.h>
#include <readline/readline.h>

#elif defined(LINEEDIT_LIBEDIT)
#include <editline/readline.h>

#include "shared/macros.h"

static _unused_ int (*rl_signal_event_hook)(void);

static inline int rl_bind_keyseq(
	_unused_ const char *keys, _unused_ int (*command)(int count, int key))
{
	return 0;
}

#else
#include <stdio.h>
#include <stdlib.h>

#include "shared/macros.h"

static _unused_ const char *rl_readline_name, *rl_display_prompt = "";
static _unused_ char rl_nothing[1], *rl_line_buffer = rl_nothing;
static _unused_ int rl_point, rl_end, rl_catch_signals, rl_attempted_completion_over;
static _unused_ int (*rl_signal_event_hook)(void);
static _unused_ void (*rl_redisplay_function)(void);
static _unused_ char **(*rl_attempted_completion_function)(const char *text, int start, int end);
#define rl_outstream stdout

static inline void rl_redisplay(void)
{
}

static inline int rl_on_new_line(void)
{
	return 0;
}

static inline void rl_replace_line(_unused_ const char *text, _unused_ int clears_undo)
{
}

static inline int rl_insert(_unused_ int count, _unused_ int key)
{
	return 0;
}

static inline int rl_bind_key(_unused_ int key, _unused_ int (*command)(int count, int key))
{
	return 0;
}

static inline int rl_bind_keyseq(
	_unused_ const char *keys, _unused_ int (*command)(int count, int key))
{
	return 0;
}

static inline char **rl_completion_matches(
	_unused_ const char *text, _unused_ char *(*next)(const char *text, int state))
{
	return NULL;
}

static inline void add_history(_unused_ const char *line)
{
}

static inline void stifle_history(_unused_ int lines)
{
}

/* The caller frees it; NULL at the end of input. \001 and \002 are readline's. */
static inline char *readline(const char *prompt)
{
	char *line = NULL;
	size_t bytes = 0;
	ssize_t len;

	for (; *prompt; prompt++)
		if (*prompt != '\001' && *prompt != '\002')
			(void)putchar(*prompt);
	(void)fflush(stdout);
	len = getline(&line, &bytes, stdin);
	if (len < 0) {
		free(line);
		return NULL;
	}
	if (len && line[len - 1] == '\n')
		line[len - 1] = '\0';
	return line;
}
#endif
