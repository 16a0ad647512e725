/* A child that inherits the listening sockets and a conversation: the mechanics of successor.c. */
#pragma once

#include <limits.h>
#include <sys/types.h>

#define SPAWN_PATH_BYTES PATH_MAX
/* What posix_spawn() makes of a program that is there and cannot be run. */
#define SPAWN_EXIT_NO_PROGRAM 127
#define SPAWN_EXIT_CONFIG 78 /* sysexits.h: as main() ends for a wrong configuration */

struct spawned {
	pid_t pid;
	int channel_fd; /* see handover.h */
	int errors_fd;  /* what it writes to its standard error */
	unsigned sockets;
};

#define SPAWNED_NONE                                                                               \
	(struct spawned)                                                                           \
	{                                                                                          \
		.channel_fd = -1, .errors_fd = -1                                                  \
	}

/* The number of this upgrade is for the child. 0; -ENOENT, -EACCES: the program; -EMFILE,
 * -ENOMEM... */
int spawn(const char *program, char **argv, unsigned number, struct spawned *ret_spawned);

/* Its descriptors, not the process. */
void spawned_close(struct spawned *spawned);
