/*
 * authctl: the operator's shell. One-shot: options and a command, whose exit code says how it went
 * (shared/outcome.h). Without a command and on a terminal: the interactive shell. What a command
 * line becomes: run.c.
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ctl/batch.h"
#include "ctl/help.h"
#include "ctl/prompt.h"
#include "ctl/run.h"

static void on_signal(int number)
{
	(void)number;
	client_interrupted = 1;
}

/* Waits end, and the daemon is told; nothing restarts by itself. */
static void signals_take(void)
{
	struct sigaction action = { .sa_handler = on_signal };

	(void)sigaction(SIGINT, &action, NULL);
	(void)sigaction(SIGTERM, &action, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
}

static int usage(void)
{
	(void)fputs("usage: authctl [options] NOUN VERB [NAME] [--argument VALUE]...\n"
		    "       authctl help\n",
		stderr);
	return EXIT_USAGE;
}

/*
 * A reader that has seen enough is no failure of a command that has had its whole answer; a full
 * disk is.
 */
static int flushed(int code)
{
	struct pollfd out = { .fd = STDOUT_FILENO, .events = POLLOUT };

	if (fflush(stdout) == 0 && !ferror(stdout))
		return code;
	if (poll(&out, 1, 0) > 0 && (out.revents & POLLERR))
		return code;
	(void)fputs("authctl: standard output cannot be written\n", stderr);
	return code == EXIT_DONE ? EXIT_REFUSED : code;
}

int main(int argc, char **argv)
{
	struct settings settings;
	struct session session;
	char *words[GRAMMAR_WORDS_MAX];
	int count = argc - 1, kept, code;

	settings_init(&settings);
	if (count > GRAMMAR_WORDS_MAX)
		return usage();
	memcpy(words, argv + 1, sizeof(*words) * (size_t)count);
	signals_take();
	kept = settings_take(&settings, count, words);
	if (kept < 0)
		return EXIT_USAGE;
	session_init(&session, &settings);
	if (settings.is_version)
		code = printf("authctl %s\n", AUTHD_VERSION) > 0 ? EXIT_DONE : EXIT_PIPE;
	else if (kept || settings.is_help)
		code = session_run(&session, kept, words, 0);
	else if (settings.batch)
		code = batch_run(&session, settings.batch);
	else if (isatty(STDIN_FILENO) && isatty(STDOUT_FILENO))
		code = prompt_run(&session);
	else
		code = usage();
	session_deinit(&session);
	return flushed(code);
}
