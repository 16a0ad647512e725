/* Reading what an operator gave: whole files, with a sentence for what is wrong with them. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/err.h>

#include "shared/err.h"
#include "tls/tls_parts.h"

static void fd_close(const int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
}

/* The first error is the cause; those above it in the queue are who called whom. */
int tls_file_wrong(struct buf *errors, const char *path, const char *what)
{
	unsigned long code = ERR_get_error();
	const char *reason = code ? ERR_reason_error_string(code) : NULL;

	ERR_clear_error();
	(void)!buf_printf(errors, "error: %s: %s%s%s%s\n", path, what, reason ? " (" : "",
		reason ? reason : "", reason ? ")" : "");
	return -EINVAL;
}

int tls_file_read(const char *path, bool is_secret, struct buf *text, struct buf *errors)
{
	_cleanup_(fd_close) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat stat;
	ssize_t n = 1;

	ERR_clear_error();
	if (fd < 0 || fstat(fd, &stat) < 0)
		return tls_file_wrong(errors, path, err_text(-errno));
	if (!S_ISREG(stat.st_mode))
		return tls_file_wrong(errors, path, "is no file");
	if (is_secret && (stat.st_mode & S_IRWXO))
		return tls_file_wrong(errors, path,
			"everybody may read it: chmod o= first, it holds a secret key");
	while (n > 0) {
		if (buf_reserve(text, 4096) < 0)
			return tls_file_wrong(errors, path, "is larger than such files are");
		n = read(fd, text->data + text->len, 4096);
		if (n < 0)
			return tls_file_wrong(errors, path, err_text(-errno));
		text->len += (size_t)n;
	}
	return 0;
}
