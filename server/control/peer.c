/* Identity of a client: see peer.h. */
#include "control/peer.h"

#include <assert.h>
#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "shared/macros.h"

#ifndef SO_PEERGROUPS
#define SO_PEERGROUPS 59 /* Linux 4.13; older C libraries do not name it */
#endif

/* NGROUPS_MAX of Linux: the kernel never has more for one process. */
#define PEER_GROUPS_MAX 65536
#define GID_NONE ((gid_t)-1)

static struct peer_rule rule_of(const char *group, enum command_level level)
{
	const struct group *found = group && *group ? getgrnam(group) : NULL;

	return (struct peer_rule){
		.group = group ? group : "",
		.gid = found ? found->gr_gid : GID_NONE,
		.level = level,
	};
}

void peer_rules_init(
	struct peer_rules *rules, const char *viewer, const char *operator_group, const char *admin)
{
	rules->rules[0] = rule_of(viewer, LEVEL_VIEWER);
	rules->rules[1] = rule_of(operator_group, LEVEL_OPERATOR);
	rules->rules[2] = rule_of(admin, LEVEL_ADMIN);
}

enum command_level peer_level(
	const struct peer_rules *rules, uid_t uid, const gid_t *gids, unsigned count)
{
	enum command_level level = LEVEL_NONE;

	if (uid == 0)
		return LEVEL_ADMIN;
	for (unsigned i = 0; i < PEER_RULES; i++) {
		const struct peer_rule *rule = &rules->rules[i];

		for (unsigned j = 0; j < count && rule->gid != GID_NONE; j++)
			if (gids[j] == rule->gid)
				level = MAX(level, rule->level);
	}
	return level;
}

/* The supplementary groups: how many, in memory that the caller frees. */
static int groups_get(int fd, gid_t **ret_gids)
{
	socklen_t bytes = 0;
	gid_t *gids;

	/* A call without room tells the size (-ERANGE), or succeeds when there are none. */
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, NULL, &bytes) < 0 && errno != ERANGE)
		return -errno;
	if (bytes > PEER_GROUPS_MAX * sizeof(*gids))
		return -E2BIG;
	/* One more: the caller adds the effective group. */
	gids = malloc(bytes + sizeof(*gids));
	if (!gids)
		return -ENOMEM;
	if (bytes && getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, gids, &bytes) < 0) {
		int r = -errno;

		free(gids);
		return r;
	}
	*ret_gids = gids;
	return (int)(bytes / sizeof(*gids));
}

/* Both are hidden from us where ProtectProc=invisible is set. */
static void proc_look(struct peer *peer)
{
	char path[64];
	unsigned login_uid;
	ssize_t n;
	FILE *file;

	(void)snprintf(path, sizeof(path), "/proc/%d/exe", (int)peer->pid);
	n = readlink(path, peer->exe, sizeof(peer->exe) - 1);
	peer->exe[MAX(n, 0)] = '\0';
	(void)snprintf(path, sizeof(path), "/proc/%d/loginuid", (int)peer->pid);
	file = fopen(path, "re");
	if (!file)
		return;
	if (fscanf(file, "%u", &login_uid) == 1)
		peer->login_uid = login_uid;
	(void)fclose(file);
}

int peer_get(int fd, const struct peer_rules *rules, struct peer *ret_peer)
{
	struct ucred credentials;
	socklen_t bytes = sizeof(credentials);
	gid_t *gids = NULL;
	int count;

	assert(rules && ret_peer);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &bytes) < 0)
		return -errno;
	count = groups_get(fd, &gids);
	if (count < 0)
		return count;
	gids[count++] = credentials.gid;
	*ret_peer = (struct peer){
		.pid = credentials.pid,
		.uid = credentials.uid,
		.gid = credentials.gid,
		.login_uid = PEER_NO_UID,
		.is_self = credentials.uid == geteuid(),
		.level = peer_level(rules, credentials.uid, gids, (unsigned)count),
	};
	free(gids);
	proc_look(ret_peer);
	return 0;
}
