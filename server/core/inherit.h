/*
 * Sockets that whoever started us left open: the service manager (socket activation, its store of
 * descriptors), or the daemon that we follow. As sd_listen_fds(3) says: LISTEN_FDS of them, from
 * descriptor 3 on, LISTEN_FDNAMES with a colon between two names, LISTEN_PID for whom they are.
 */
#pragma once

#include <stdbool.h>

/* CORES_MAX sockets for each of a few addresses; more is no start of ours. */
#define INHERITED_MAX 2048

struct inherited {
	int fd;
	const char *name; /* "unknown" when none was given */
	bool is_taken;    /* set by who keeps the descriptor */
};

/*
 * Before other descriptors are opened, once: they become close-on-exec, the variables go, so that
 * no child believes them to be its own. has_parent: LISTEN_PID may be missing, because a parent
 * that only execs cannot know it. The number; 0 also when they are somebody else's; -E2BIG more
 * than INHERITED_MAX; -EINVAL what the variables say is no number; -EBADF a descriptor is not open.
 */
int inherit_read(bool has_parent);

/* By number; NULL behind the last. */
struct inherited *inherited_at(unsigned index);

/* The first of that name, taken: its descriptor, or -ENOENT. */
int inherit_take(const char *name);

/* Closes those that nobody has taken. */
void inherit_close_rest(void);
