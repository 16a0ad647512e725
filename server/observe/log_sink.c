/* Files, rotation, terminals and the journal: see log_sink.h. */
#include "observe/log_sink.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static struct {
	int fd, journal_fd; /* their numbers stay: files are swapped behind them */
	int stderr_fd;      /* instead of STDERR_FILENO; 0: that */
	enum log_sink_kind kind;
	char path[PATH_MAX];
	uint64_t rotate_bytes;
	unsigned rotate_keep;
	_Atomic uint64_t bytes; /* of the file */
} sink = { .fd = -1, .journal_fd = -1 };

static int standard_error(void)
{
	return sink.stderr_fd > 0 ? sink.stderr_fd : STDERR_FILENO;
}

static int file_open(const char *path)
{
	int fd = path[0] ? open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640)
			 : fcntl(standard_error(), F_DUPFD_CLOEXEC, 3);

	return fd < 0 ? -errno : fd;
}

static void bytes_look(void)
{
	struct stat file;

	if (sink.path[0] && fstat(sink.fd, &file) == 0)
		atomic_store_explicit(&sink.bytes, (uint64_t)file.st_size, memory_order_relaxed);
}

/* systemd says in JOURNAL_STREAM what it has connected us to; a shell may have redirected it. */
static bool is_stderr_the_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	char mine[64];
	struct stat file;

	if (!stream || fstat(standard_error(), &file) < 0)
		return false;
	(void)snprintf(mine, sizeof(mine), "%llu:%llu", (unsigned long long)file.st_dev,
		(unsigned long long)file.st_ino);
	return strcmp(stream, mine) == 0;
}

static int journal_open(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd;

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
		int error = errno;

		close(fd);
		return -error;
	}
	return fd;
}

static enum log_sink_kind kind_of(const struct log_options *options)
{
	if (options->format == LOG_FORMAT_TEXT)
		return LOG_SINK_TEXT;
	if (options->format == LOG_FORMAT_JSON || options->path[0])
		return LOG_SINK_JSON;
	if (options->journal && is_stderr_the_journal()) {
		sink.journal_fd = journal_open(options->journal);
		if (sink.journal_fd >= 0)
			return LOG_SINK_JOURNAL;
	}
	return isatty(standard_error()) ? LOG_SINK_TEXT : LOG_SINK_JSON;
}

int log_sink_open(const struct log_options *options)
{
	int fd;

	if (strlen(options->path) >= sizeof(sink.path))
		return -ENAMETOOLONG;
	sink.stderr_fd = options->stderr_fd;
	fd = file_open(options->path);
	if (fd < 0)
		return fd;
	(void)snprintf(sink.path, sizeof(sink.path), "%s", options->path);
	sink.fd = fd;
	sink.rotate_bytes = options->rotate_bytes;
	sink.rotate_keep = options->rotate_keep;
	sink.kind = kind_of(options);
	bytes_look();
	return 0;
}

void log_sink_close(void)
{
	close(sink.fd);
	sink.fd = -1;
	if (sink.journal_fd >= 0)
		close(sink.journal_fd);
	sink.journal_fd = -1;
}

int log_sink_reopen(void)
{
	int fd = file_open(sink.path), r;

	if (fd < 0)
		return fd;
	/* dup3() swaps the file behind the number: the writer may be using it right now. */
	r = dup3(fd, sink.fd, O_CLOEXEC) < 0 ? -errno : 0;
	close(fd);
	bytes_look();
	return r;
}

enum log_sink_kind log_sink_kind(void)
{
	return sink.kind;
}

/* FILE.2 becomes FILE.3, FILE.1 FILE.2, FILE FILE.1; the last one goes. */
static void rotate(void)
{
	char from[PATH_MAX + 16], to[PATH_MAX + 16];

	for (unsigned n = sink.rotate_keep; n > 1; n--) {
		(void)snprintf(from, sizeof(from), "%s.%u", sink.path, n - 1);
		(void)snprintf(to, sizeof(to), "%s.%u", sink.path, n);
		(void)rename(from, to); /* not there yet */
	}
	(void)snprintf(to, sizeof(to), "%s.1", sink.path);
	if (rename(sink.path, to) < 0 || log_sink_reopen() < 0)
		/* A folder that may not be written: tried again after as much as this time. */
		atomic_store_explicit(&sink.bytes, 0, memory_order_relaxed);
}

/* False: the rest of the piece is lost, and there is nowhere to report it. */
static bool write_all(const char *data, size_t len)
{
	while (len > 0) {
		ssize_t written = write(sink.fd, data, len);

		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
			return false;
		data += written;
		len -= (size_t)written;
	}
	return true;
}

const char *log_destination(void)
{
	if (sink.kind == LOG_SINK_JOURNAL)
		return "journal";
	return sink.path[0] ? "file" : "stderr";
}

bool log_sink_write(struct str lines)
{
	bool is_written;

	if (sink.kind == LOG_SINK_JOURNAL)
		return send(sink.journal_fd, lines.data, lines.len, MSG_NOSIGNAL) >= 0;
	if (sink.rotate_bytes && sink.path[0] &&
		atomic_load_explicit(&sink.bytes, memory_order_relaxed) + lines.len >
			sink.rotate_bytes)
		rotate();
	is_written = write_all(lines.data, lines.len);
	atomic_fetch_add_explicit(&sink.bytes, lines.len, memory_order_relaxed);
	return is_written;
}
