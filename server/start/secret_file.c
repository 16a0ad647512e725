/* Secrets in files: see secret_file.h. */
#include "start/secret_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shared/err.h"
#include "shared/macros.h"
#include "start/fail.h"

static void fd_close(const int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
}

int secret_file_read(const char *path, char *text, size_t bytes)
{
	_cleanup_(fd_close) int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat stat;
	ssize_t n;

	if (fd < 0)
		return fail(path, -errno, NULL);
	if (fstat(fd, &stat) == 0 && (stat.st_mode & S_IRWXO))
		return fail(
			path, -EPERM, "everybody may read it: chmod o= first, it holds a password");
	n = read(fd, text, bytes - 1);
	if (n < 0)
		return fail(path, -errno, NULL);
	/* Editors end files with a newline; secrets do not. */
	while (n > 0 && memchr("\r\n ", text[n - 1], 3))
		n--;
	text[n] = '\0';
	return 0;
}
