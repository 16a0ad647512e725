/* See batch.h. */
#include "ctl/batch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/run.h"

static int line_run(struct session *session, char *line, unsigned number)
{
	char *words[GRAMMAR_WORDS_MAX];
	int count;

	line += strspn(line, " \t");
	if (*line == '#')
		return EXIT_DONE;
	count = grammar_split(line, words);
	if (count < 0) {
		(void)fprintf(stderr, "authctl: %s\n",
			count == -E2BIG ? "too many words" : "a quote is open");
		return EXIT_USAGE;
	}
	return count ? session_run(session, count, words, number) : EXIT_DONE;
}

int batch_run(struct session *session, const char *path)
{
	FILE *file = strcmp(path, "-") != 0 ? fopen(path, "re") : stdin;
	unsigned number = 0;
	int code = EXIT_DONE;
	char *line = NULL;
	size_t room = 0;

	if (!file) {
		(void)fprintf(stderr, "authctl: %s: %s\n", path, strerror(errno));
		return EXIT_USAGE;
	}
	session->is_kept = true;
	session->settings.batch = NULL;
	while (getline(&line, &room, file) > 0) {
		int r = line_run(session, line, ++number);

		(void)fflush(stdout);
		if (r == EXIT_DONE)
			continue;
		(void)fprintf(stderr, "authctl: line %u ended with %d\n", number, r);
		if (code == EXIT_DONE)
			code = r;
		if (!session->settings.keeps_going || r == EXIT_INTERRUPTED)
			break;
	}
	free(line);
	if (file != stdin)
		(void)fclose(file);
	return code;
}
