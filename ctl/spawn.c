/* See spawn.h. */
#include "ctl/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* in: what becomes its standard input, -1: ours. Signals are as a shell expects them. */
static int start(const char *command, int in, pid_t *ret_pid)
{
	char *argv[] = { "sh", "-c", (char *)command, NULL };
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attributes;
	sigset_t defaults;
	int r;

	(void)posix_spawn_file_actions_init(&files);
	(void)posix_spawnattr_init(&attributes);
	(void)sigemptyset(&defaults);
	(void)sigaddset(&defaults, SIGINT);
	(void)sigaddset(&defaults, SIGTERM);
	(void)sigaddset(&defaults, SIGPIPE);
	(void)posix_spawnattr_setsigdefault(&attributes, &defaults);
	(void)posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
	if (in >= 0)
		(void)posix_spawn_file_actions_adddup2(&files, in, STDIN_FILENO);
	r = posix_spawn(ret_pid, "/bin/sh", &files, &attributes, argv, environ);
	(void)posix_spawnattr_destroy(&attributes);
	(void)posix_spawn_file_actions_destroy(&files);
	return -r;
}

int spawn_reader(const char *command, FILE **ret_pipe, pid_t *ret_pid)
{
	int ends[2], r;
	FILE *file;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	r = start(command, ends[0], ret_pid);
	close(ends[0]);
	file = r == 0 ? fdopen(ends[1], "w") : NULL;
	if (!file) {
		close(ends[1]);
		return r < 0 ? r : -ENOMEM;
	}
	*ret_pipe = file;
	return 0;
}

int spawn_reap(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int spawn_wait(const char *command)
{
	pid_t pid;
	int r = start(command, -1, &pid);

	return r < 0 ? r : spawn_reap(pid);
}
