/*
 * Who is at the other end of a Unix socket: user and groups from the kernel, once, at accept. The
 * level is the highest that a group gives; root is admin. Nothing the client says counts.
 */
#pragma once

#include <stdbool.h>
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

#define PEER_NO_UID ((uid_t)-1)
#define PEER_EXE_BYTES 256 /* longer paths are cut: it is a hint, not an identity */

struct peer {
	pid_t pid;
	uid_t uid;
	gid_t gid;
	enum command_level level; /* LEVEL_NONE: refused, unless it is ourselves */
	bool is_self;             /* the daemon's own user: may run COMMAND_SELF */
	/* For the audit, when /proc lets us look: */
	uid_t login_uid; /* who logged in, before sudo; PEER_NO_UID unknown */
	char exe[PEER_EXE_BYTES];
};

/* Looks the groups up, once, at start: may read files, so not at accept. "" means nobody. */
void peer_rules_init(struct peer_rules *rules, const char *viewer, const char *operator_group,
	const char *admin);

/* The highest level that one of the groups gives. */
enum command_level peer_level(
	const struct peer_rules *rules, uid_t uid, const gid_t *gids, unsigned count);

/* Asks the kernel. 0 or -errno. */
int peer_get(int fd, const struct peer_rules *rules, struct peer *ret_peer);
