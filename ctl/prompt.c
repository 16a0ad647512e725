/* See prompt.h. The only file that includes lineedit.h. */
#include "ctl/prompt.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctl/complete.h"
#include "ctl/help.h"
#include "ctl/history.h"
#include "ctl/lineedit.h"
#include "ctl/locals.h"
#include "ctl/run.h"
#include "ctl/screen.h"
#include "ctl/spawn.h"

#define PROMPT_BYTES 256
/* What the prompt says is worth a moment, not a wait. */
#define PROMPT_ASK_MS 300
#define CANDIDATES_MAX 256

static struct {
	struct session *session;
	bool is_dumb;
	char level[16]; /* of the last connection */
	char *candidates[CANDIDATES_MAX];
	unsigned candidate_count;
} shell;

/* --- words of the line being typed --- */

struct typed {
	char line[4096];
	char *words[GRAMMAR_WORDS_MAX];
	int count; /* of whole words before `end` */
};

static void typed_read(struct typed *typed, int end)
{
	(void)snprintf(typed->line, sizeof(typed->line), "%.*s", end, rl_line_buffer);
	typed->count = grammar_split(typed->line, typed->words);
	if (typed->count < 0)
		typed->count = 0; /* a quote is open: nothing is known */
}

/* --- completion --- */

static void candidate_add(const char *word, void *arg)
{
	(void)arg;
	if (shell.candidate_count < CANDIDATES_MAX)
		shell.candidates[shell.candidate_count++] = strdup(word);
}

static char *candidate_next(const char *text, int state)
{
	static unsigned at;

	(void)text;
	if (!state)
		at = 0;
	return at < shell.candidate_count ? shell.candidates[at++] : NULL; /* readline frees it */
}

static char **complete(const char *text, int start, int end)
{
	struct typed typed;

	(void)end;
	rl_attempted_completion_over = 1; /* never file names */
	typed_read(&typed, start);
	shell.candidate_count = 0;
	complete_words(shell.session, typed.count, typed.words, text, candidate_add, NULL);
	return rl_completion_matches(text, candidate_next);
}

/* --- hints and help in place --- */

/* Behind the cursor, dim, and gone with the next key: what may still be written. */
static void redisplay(void)
{
	bool is_at_end = rl_end > 0 && rl_point == rl_end && rl_line_buffer[rl_end - 1] == ' ';
	unsigned columns, lines, used;
	struct typed typed;
	const char *hint;

	rl_redisplay();
	if (shell.is_dumb)
		return;
	(void)fputs("\033[K", rl_outstream);
	if (is_at_end) {
		typed_read(&typed, rl_end);
		hint = complete_hint(typed.count, typed.words);
		screen_size(&columns, &lines);
		used = screen_width(rl_display_prompt) + screen_width(rl_line_buffer);
		if (*hint && used + strlen(hint) < columns)
			(void)fprintf(
				rl_outstream, "\033[2m%s\033[0m\033[%zuD", hint, strlen(hint));
	}
	(void)fflush(rl_outstream);
}

static int help_here(int count, int key)
{
	struct typed typed;
	bool is_word_begin = rl_point == 0 || rl_line_buffer[rl_point - 1] == ' ';

	if (key == '?' && !is_word_begin)
		return rl_insert(count, key);
	typed_read(&typed, rl_point);
	(void)putchar('\n');
	(void)help_print(NULL, typed.count, typed.words);
	(void)fflush(stdout);
	rl_on_new_line();
	return 0;
}

/* --- the prompt itself --- */

struct prompt_facts {
	bool is_known;
	double unconfirmed;
	int64_t generation;
};

static void facts_row(const struct json *row, void *arg)
{
	struct prompt_facts *facts = arg;
	int64_t seconds = 0;

	facts->is_known = true;
	(void)json_get_i64(json_member(row, "generation"), &facts->generation);
	if (json_get_i64(json_member(row, "left"), &seconds) == 0)
		facts->unconfirmed = (double)seconds;
}

static void host_name(char name[static 64])
{
	if (gethostname(name, 64) < 0)
		(void)snprintf(name, 64, "?");
	name[63] = '\0';
	name[strcspn(name, ".")] = '\0';
}

/* \001 and \002 tell readline what takes no room on the screen. */
static void prompt_make(char text[static PROMPT_BYTES])
{
	const struct client_sink sink = { .row = facts_row, .arg = &(struct prompt_facts){} };
	struct prompt_facts *facts = sink.arg;
	bool has_color = screen_has_color(&shell.session->settings);
	const char *red = has_color ? "\001\033[1;31m\002" : "";
	const char *plain = has_color ? "\001\033[0m\002" : "";
	char host[64], danger[96] = "";
	int r = session_ask(shell.session, "config.state", "{}", PROMPT_ASK_MS, &sink);

	session_news(shell.session);
	host_name(host);
	if (shell.session->client.level[0])
		(void)snprintf(shell.level, sizeof(shell.level), "%s", shell.session->client.level);
	if (r == EXIT_TIMEOUT)
		(void)snprintf(danger, sizeof(danger), " %s(not answering)%s", red, plain);
	else if (r == EXIT_CONNECTION)
		(void)snprintf(danger, sizeof(danger), " %s(reconnecting)%s", red, plain);
	else if (facts->unconfirmed > 0)
		(void)snprintf(danger, sizeof(danger), " %s(gen %lld unconfirmed %.0fs)%s", red,
			(long long)facts->generation, facts->unconfirmed, plain);
	(void)snprintf(text, PROMPT_BYTES, "authd@%.40s [%s]%s > ", host, shell.level, danger);
}

/* --- running --- */

/* An alias stands for its words; one level, so that it cannot stand for itself. */
static char *alias_expand(char *line)
{
	size_t blank = strspn(line, " \t"), len = strcspn(line + blank, " \t");
	char name[64], *longer = NULL;
	const char *words;

	(void)snprintf(name, sizeof(name), "%.*s", (int)len, line + blank);
	words = local_alias(name);
	if (!words || asprintf(&longer, "%s%s", words, line + blank + len) < 0)
		return line;
	free(line);
	return longer;
}

static void remember(const char *typed)
{
	const char *kept = shell.session->redacted;

	if (*typed == ' ' || shell.session->settings.no_history)
		return;
	/* A command with a secret is kept without it; what was no command, as it was typed. */
	if (!*kept || !strstr(kept, "(secret)"))
		kept = typed;
	add_history(kept);
	history_append(kept);
}

static int run_line(const char *typed)
{
	char *line = strdup(typed), *words[GRAMMAR_WORDS_MAX];
	int count, r = EXIT_DONE;

	if (!line)
		return EXIT_REFUSED;
	if (!strncmp(line, "\\!", 2)) { /* the system's shell */
		(void)spawn_wait(line[2] ? line + 2 : "exec ${SHELL:-sh}");
		free(line);
		return EXIT_DONE;
	}
	line = alias_expand(line);
	count = grammar_split(line, words);
	shell.session->redacted[0] = '\0';
	client_interrupted = 0;
	if (count < 0)
		(void)fprintf(stderr, "authctl: %s\n",
			count == -E2BIG ? "too many words" : "a quote is open");
	else if (count)
		r = session_run(shell.session, count, words, 0);
	client_interrupted = 0;
	if (count)
		remember(typed);
	free(line);
	return r;
}

/* ^C while a line is typed: a new prompt. */
static int on_signal(void)
{
	if (client_interrupted) {
		client_interrupted = 0;
		rl_replace_line("", 0);
		(void)putchar('\n');
		rl_on_new_line();
		rl_redisplay();
	}
	return 0;
}

/* Settings and aliases only, and only from a file that nobody else can write. */
static void rc_run(void)
{
	const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
	char path[4096], *line = NULL;
	struct stat stat;
	size_t room = 0;
	FILE *file;

	if (config && *config == '/')
		(void)snprintf(path, sizeof(path), "%s/authctl/rc", config);
	else
		(void)snprintf(path, sizeof(path), "%s/.config/authctl/rc", home ? home : "");
	file = fopen(path, "re");
	if (!file)
		return;
	if (fstat(fileno(file), &stat) < 0 || (stat.st_mode & 022) ||
		(stat.st_uid != geteuid() && stat.st_uid != 0)) {
		(void)fprintf(stderr, "authctl: %s is not read: others can write it\n", path);
		(void)fclose(file);
		return;
	}
	while (getline(&line, &room, file) > 0) {
		char *words[GRAMMAR_WORDS_MAX];
		int count = *line == '#' ? 0 : grammar_split(line, words);
		const struct local *local = count > 0 ? local_find(words[0], true) : NULL;

		if (local && (!strcmp(local->name, "set") || !strcmp(local->name, "alias")))
			(void)local->run(shell.session, &shell.session->settings, count, words);
		else if (count)
			(void)fprintf(stderr, "authctl: %s: only set and alias: '%s'\n", path,
				count > 0 ? words[0] : "");
	}
	free(line);
	(void)fclose(file);
}

static void take_line(const char *line)
{
	add_history(line);
}

static void readline_init(void)
{
	const char *term = getenv("TERM");

	shell.is_dumb = !term || !*term || !strcmp(term, "dumb");
	rl_readline_name = "authctl";
	rl_attempted_completion_function = complete;
	rl_catch_signals = 0;
	rl_signal_event_hook = on_signal;
	stifle_history(HISTORY_LINES_MAX);
	if (!shell.is_dumb)
		rl_redisplay_function = redisplay;
	rl_bind_key('?', help_here);
	rl_bind_keyseq("\\eOP", help_here);
	rl_bind_keyseq("\\e[11~", help_here);
	if (!shell.session->settings.no_history)
		history_load(take_line);
}

int prompt_run(struct session *session)
{
	char prompt[PROMPT_BYTES], *line;
	int r = session_connect(session, &session->settings);

	if (r != EXIT_DONE)
		return r;
	shell.session = session;
	session->is_shell = session->is_kept = true;
	rc_run();
	readline_init();
	(void)printf("authd %s, level %s. help, Tab, ?; quit leaves.\n", session->client.version,
		session->client.level);
	for (;;) {
		prompt_make(prompt);
		line = readline(prompt);
		if (!line)
			break;
		r = run_line(line);
		free(line);
		if (r == LOCAL_QUIT)
			return EXIT_DONE;
	}
	(void)putchar('\n');
	return EXIT_DONE;
}
