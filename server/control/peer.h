/*
 * Who is at the other end of a Unix socket: user and groups from the kernel, once, at accept. The
 * level is the highest that a group gives; root is admin. Nothing the client says counts.
 */
#pragma once

#include <sys/types.h>

#include "shared/commands.h"

/* A group that gives a level; gid -1 when the configured group does not exist here. */
struct peer_rule {
	const char *group;
	gid_t gid;
	enum command_level level;
};

#define PEER_RULES 3
struct peer_rules {
	struct peer_rule rules[PEER_RULES];
};

struct peer {
	pid_t pid;
	uid_t uid;
	enum command_level level; /* LEVEL_NONE: refused */
};

/* Looks the groups up, once, at start: may read files, so not at accept. "" means nobody. */
void peer_rules_init(struct peer_rules *rules, const char *viewer, const char *operator_group,
	const char *admin);

/* The highest level that one of the groups gives. */
enum command_level peer_level(
	const struct peer_rules *rules, uid_t uid, const gid_t *gids, unsigned count);

/* Asks the kernel. 0 or -errno. */
int peer_get(int fd, const struct peer_rules *rules, struct peer *ret_peer);
