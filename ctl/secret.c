/* See secret.h. Read with read(2): stdio would keep copies. */
#include "ctl/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "ctl/client.h"
#include "shared/secret.h"

static int complain(const char *what, const char *why)
{
	(void)fprintf(stderr, "authctl: %s: %s\n", what, why);
	return EXIT_USAGE;
}

/* The first line, without its end. */
static int line_read(int fd, const char *name, struct buf *secret)
{
	while (secret->len < SECRET_BYTES_MAX) {
		ssize_t n = read(fd, secret->data + secret->len, 1);

		if (n < 0 && errno == EINTR && client_interrupted)
			return EXIT_INTERRUPTED;
		if (n < 0 && errno != EINTR)
			return complain(name, strerror(errno));
		if (n == 0 || (n > 0 && secret->data[secret->len] == '\n'))
			return secret->len ? EXIT_DONE : complain(name, "it is empty");
		secret->len += n > 0;
	}
	return complain(name, "its first line is too long for a password");
}

static int file_read(const struct settings *settings, struct buf *secret)
{
	const char *path = settings->secret_file;
	int r, fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat stat;

	if (fd < 0)
		return complain(path, strerror(errno));
	if (!settings->is_quiet && fstat(fd, &stat) == 0 && S_ISREG(stat.st_mode) &&
		(stat.st_mode & S_IROTH))
		(void)fprintf(stderr, "authctl: everybody can read %s: chmod 600 %s\n", path, path);
	r = line_read(fd, path, secret);
	close(fd);
	return r;
}

static int line_type(const char *prompt, struct buf *secret)
{
	struct termios before, unseen;
	int r;

	if (tcgetattr(STDIN_FILENO, &before) < 0)
		return complain("the terminal", strerror(errno));
	unseen = before;
	unseen.c_lflag &= ~(tcflag_t)(ECHO | ECHOE | ECHOK | ECHONL);
	(void)fputs(prompt, stderr);
	(void)fflush(stderr);
	(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &unseen);
	r = line_read(STDIN_FILENO, "the password", secret);
	(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
	(void)fputc('\n', stderr);
	return r;
}

/* Twice: nobody sees a slip. */
static int secret_type(const struct command_argument *argument, struct buf *secret)
{
	_cleanup_(buf_wipe) struct buf again = buf_init(SECRET_BYTES_MAX);
	char prompt[64];
	int r;

	if (buf_reserve(&again, SECRET_BYTES_MAX) < 0)
		return complain(argument->name, strerror(ENOMEM));
	(void)snprintf(prompt, sizeof(prompt), "new %s: ", argument->name);
	r = line_type(prompt, secret);
	(void)snprintf(prompt, sizeof(prompt), "the same %s again: ", argument->name);
	if (r == EXIT_DONE)
		r = line_type(prompt, &again);
	if (r == EXIT_DONE && !secret_equal(buf_str(secret), buf_str(&again)))
		r = complain(argument->name, "not the same twice, nothing was done");
	return r;
}

/* The one that is wanted; NULL none. *ret_instead is what may be given in its place; NULL nothing.
 */
static const struct command_argument *wanted(
	const struct invocation *invocation, const struct command_argument **ret_instead)
{
	const struct command_argument *found = NULL;

	*ret_instead = NULL;
	if (invocation->has_instead)
		return NULL;
	for (const struct command_argument *a = invocation->command->arguments; a && a->name; a++) {
		if (a->flags & ARGUMENT_SECRET)
			found = a;
		if (a->flags & ARGUMENT_INSTEAD)
			*ret_instead = a;
	}
	return found;
}

int secret_add(const struct settings *settings, struct invocation *invocation)
{
	_cleanup_(buf_wipe) struct buf secret = buf_init(SECRET_BYTES_MAX);
	const struct command_argument *instead, *argument = wanted(invocation, &instead);
	int r;

	if (!argument)
		return EXIT_DONE;
	if (buf_reserve(&secret, SECRET_BYTES_MAX) < 0)
		return complain(argument->name, strerror(ENOMEM));
	if (settings->secret_file) {
		r = file_read(settings, &secret);
	} else if (settings->secret_fd >= 0) {
		r = line_read(settings->secret_fd, "--secret-fd", &secret);
	} else if (isatty(STDIN_FILENO)) {
		r = secret_type(argument, &secret);
	} else {
		(void)fprintf(stderr,
			"authctl: the %s is missing, and stdin is not a terminal  (add --secret-file, "
			"--secret-fd%s%s)\n",
			argument->name, instead ? " or --" : "", instead ? instead->name : "");
		return EXIT_USAGE;
	}
	if (r == EXIT_DONE && invocation_add(invocation, argument->name, buf_str(&secret)) < 0)
		r = complain(argument->name, "too long to send");
	return r;
}
