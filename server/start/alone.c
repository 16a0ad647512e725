/* The lock of a store that is one daemon's: see alone.h. */
#include "start/alone.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "shared/clock.h"
#include "start/fail.h"

#define PID_BYTES 24
/* From its last word to the end of its process a daemon takes milliseconds. */
#define FOLLOW_TRIES 100
#define FOLLOW_PAUSE_MS 20

static int lock_fd = -1;

/* The process that has it has written its number there. */
static int refuse(const char *path, int fd)
{
	char pid[PID_BYTES] = "", why[160];
	ssize_t n = pread(fd, pid, sizeof(pid) - 1, 0);

	pid[n > 0 ? n : 0] = '\0';
	pid[strspn(pid, "0123456789")] = '\0';
	(void)snprintf(why, sizeof(why),
		"another authd%s%s%s serves from it: stop that one, or share a store of [store] "
		"backend = mongodb",
		*pid ? " (pid " : "", pid, *pid ? ")" : "");
	return fail(path, -EBUSY, why);
}

static int file_lock(const char *path, int fd, unsigned tries)
{
	const struct timespec pause = { .tv_nsec = FOLLOW_PAUSE_MS * NS_PER_MS };
	char pid[PID_BYTES];
	int len;

	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK)
			return 0; /* a file system without locks */
		if (!--tries)
			return refuse(path, fd);
		(void)nanosleep(&pause, NULL);
	}
	len = snprintf(pid, sizeof(pid), "%d\n", (int)getpid());
	/* Only for the sentence of who comes second. */
	if (ftruncate(fd, 0) == 0)
		(void)!pwrite(fd, pid, (size_t)len, 0);
	return 0;
}

static int store_lock(const struct config *config, unsigned tries)
{
	char path[CONFIG_TEXT_BYTES + sizeof("-lock")];
	int fd, r;

	if (config->store.backend != BACKEND_SQLITE)
		return 0;
	(void)snprintf(path, sizeof(path), "%s-lock", config->store.path);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return 0; /* what is wrong there the store says itself */
	r = file_lock(config->store.path, fd, tries);
	if (r < 0)
		close(fd);
	else
		lock_fd = fd; /* open until the end of the process */
	return r;
}

int alone_begin(const struct config *config)
{
	return store_lock(config, 1);
}

int alone_follow(const struct config *config)
{
	return store_lock(config, FOLLOW_TRIES);
}
