/* See history.h. */
#include "ctl/history.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shared/macros.h"

#define PATH_BYTES 4096

static char path[PATH_BYTES];
static char last[4096];

/* Makes the folders of a path, private ones. */
static void folders_make(char *of)
{
	for (char *slash = strchr(of + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		(void)mkdir(of, 0700);
		*slash = '/';
	}
}

/* False: nobody knows where. */
static bool path_find(void)
{
	const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
	int n;

	if (path[0])
		return true;
	if (state && *state == '/')
		n = snprintf(path, sizeof(path), "%s/authctl/history", state);
	else if (home && *home == '/')
		n = snprintf(path, sizeof(path), "%s/.local/state/authctl/history", home);
	else
		return false;
	if (n >= (int)sizeof(path)) {
		path[0] = '\0';
		return false;
	}
	folders_make(path);
	return true;
}

static int file_open(int flags)
{
	int fd = open(path, flags | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd >= 0)
		(void)fchmod(fd, 0600);
	return fd;
}

/* Twice as long as what is kept: written again with the later half. */
static void shorten(char **lines, unsigned count)
{
	FILE *file;
	int fd;

	if (count < 2 * HISTORY_LINES_MAX)
		return;
	fd = file_open(O_WRONLY | O_TRUNC);
	file = fd < 0 ? NULL : fdopen(fd, "w");
	if (!file)
		return;
	for (unsigned i = 0; i < HISTORY_LINES_MAX; i++)
		(void)fprintf(file, "%s\n", lines[(count + i) % HISTORY_LINES_MAX]);
	(void)fclose(file);
}

void history_load(void (*take)(const char *line))
{
	static char *lines[HISTORY_LINES_MAX]; /* the latest, in a ring */
	unsigned count = 0;
	char *line = NULL;
	size_t room = 0;
	FILE *file;
	int fd;

	if (!path_find())
		return;
	fd = file_open(O_RDONLY);
	file = fd < 0 ? NULL : fdopen(fd, "r");
	while (file && getline(&line, &room, file) > 0) {
		line[strcspn(line, "\n")] = '\0';
		free(lines[count % HISTORY_LINES_MAX]);
		lines[count++ % HISTORY_LINES_MAX] = strdup(line);
	}
	free(line);
	if (file)
		(void)fclose(file);
	for (unsigned i = count > HISTORY_LINES_MAX ? count - HISTORY_LINES_MAX : 0; i < count; i++)
		take(lines[i % HISTORY_LINES_MAX]);
	shorten(lines, count);
	for (unsigned i = 0; i < HISTORY_LINES_MAX; i++)
		free(TAKE(lines[i]));
}

void history_append(const char *line)
{
	int fd;

	if (*line == ' ' || !*line || strchr(line, '\n') || !strcmp(line, last) || !path_find())
		return;
	(void)snprintf(last, sizeof(last), "%s", line);
	fd = file_open(O_WRONLY | O_APPEND);
	if (fd < 0)
		return;
	(void)dprintf(fd, "%s\n", line);
	close(fd);
}
