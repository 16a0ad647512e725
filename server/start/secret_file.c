/* Secrets in files: see secret_file.h. */
#include "start/secret_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/config.h"
#include "shared/err.h"
#include "shared/macros.h"
#include "start/fail.h"

#define OPTION_BYTES 64 /* "mail.password_file: " */

static void fd_close(const int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
}

int secret_file_read(const char *option, const char *path, char *text, size_t bytes)
{
	char what[CONFIG_TEXT_BYTES + OPTION_BYTES];
	_cleanup_(fd_close) int fd = -1;
	struct stat stat;
	ssize_t n;

	(void)snprintf(what, sizeof(what), "%s: %s", option, path);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return fail(what, -errno, NULL);
	if (fstat(fd, &stat) == 0 && (stat.st_mode & S_IRWXO))
		return fail(
			what, -EPERM, "everybody may read it: chmod o= first, it holds a password");
	n = read(fd, text, bytes - 1);
	if (n < 0)
		return fail(what, -errno, NULL);
	/* Editors end files with a newline; secrets do not. */
	while (n > 0 && memchr("\r\n ", text[n - 1], 3))
		n--;
	text[n] = '\0';
	return 0;
}
