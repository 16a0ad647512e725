/* Descriptors and the environment of the next daemon: see successor_spawn.h. */
#include "upgrade/successor_spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control/control.h"
#include "control/exporter.h"
#include "core/inherit.h"
#include "upgrade/handover.h"
#include "start/listening.h"
#include "shared/buf.h"
#include "shared/macros.h"
#include "shared/secret.h"
#include "tls/tls_tickets.h"

#define FIRST_FD 3
#define NAMES_BYTES_MAX (INHERITED_MAX * 64)

/* What the child gets, in the order of its descriptors. */
struct luggage {
	int fds[INHERITED_MAX];
	unsigned count;
	int above; /* all numbers that descriptors will have in the child */
	struct buf names;
	bool has_tickets;
	unsigned number; /* of this upgrade */
	int error;
};

static void luggage_close(struct luggage *luggage)
{
	for (unsigned i = 0; i < luggage->count; i++)
		close(luggage->fds[i]);
	buf_deinit(&luggage->names);
	free(luggage);
}

static void luggage_close_p(struct luggage **luggage)
{
	if (*luggage)
		luggage_close(*luggage);
}

/* A duplicate that is not overwritten while others are put into their places. */
static int lift(const struct luggage *luggage, int fd)
{
	int high = fcntl(fd, F_DUPFD_CLOEXEC, luggage->above);

	return high < 0 ? -errno : high;
}

static void count(_unused_ int fd, _unused_ const char *name, void *arg)
{
	((struct luggage *)arg)->above++;
}

static void pack(int fd, const char *name, void *arg)
{
	struct luggage *luggage = arg;
	int high;

	if (fd < 0 || luggage->error < 0)
		return;
	high = luggage->count < INHERITED_MAX ? lift(luggage, fd) : -EMFILE;
	if (high < 0) {
		luggage->error = high;
		return;
	}
	luggage->fds[luggage->count++] = high;
	luggage->error = buf_printf(&luggage->names, "%s%s", luggage->names.len ? ":" : "", name);
}

/* In memory alone, and gone when it has been read, or when nobody has the pipe any more. */
static void pack_tickets(struct luggage *luggage)
{
	unsigned char packed[TLS_TICKETS_PACKED_BYTES_MAX];
	size_t bytes = tls_tickets_pack(packed);
	int ends[2];

	if (!bytes)
		return;
	if (pipe2(ends, O_CLOEXEC) < 0) {
		luggage->error = -errno;
	} else {
		if (write(ends[1], packed, bytes) != (ssize_t)bytes) /* less than PIPE_BUF */
			luggage->error = -EIO;
		pack(ends[0], HANDOVER_TICKETS, luggage);
		luggage->has_tickets = true;
		close(ends[0]);
		close(ends[1]);
	}
	secret_wipe(packed, sizeof(packed));
}

static int pack_all(struct luggage *luggage)
{
	/* the operator's, metrics, tickets, the conversation, errors */
	luggage->above = FIRST_FD + 5;
	listening_each(count, luggage);
	listening_each(pack, luggage);
	pack(control_socket(), HANDOVER_CONTROL, luggage);
	pack(exporter_socket(), HANDOVER_METRICS, luggage);
	if (luggage->error == 0)
		pack_tickets(luggage);
	return luggage->error;
}

/* --- the environment --- */

static bool is_ours(const char *variable)
{
	/* WATCHDOG_PID names us; without it the watchdog is whoever has the variables. */
	static const char *const names[] = { "LISTEN_PID=", "LISTEN_FDS=", "LISTEN_FDNAMES=",
		"WATCHDOG_PID=", HANDOVER_VARIABLE "=" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strncmp(variable, names[i], strlen(names[i])) == 0)
			return true;
	return false;
}

struct environment {
	char fds[32], names[NAMES_BYTES_MAX + 32], channel[64];
	char *variables[]; /* ends with NULL */
};

static void environment_free(struct environment **environment)
{
	free(*environment);
}

static struct environment *environment_make(const struct luggage *luggage)
{
	struct environment *made;
	unsigned count = 0;

	while (environ[count])
		count++;
	made = calloc(1, sizeof(*made) + (count + 4) * sizeof(char *));
	if (!made)
		return NULL;
	count = 0;
	for (char **variable = environ; *variable; variable++)
		if (!is_ours(*variable))
			made->variables[count++] = *variable;
	(void)snprintf(made->fds, sizeof(made->fds), "LISTEN_FDS=%u", luggage->count);
	(void)snprintf(made->names, sizeof(made->names), "LISTEN_FDNAMES=" STR_FORMAT,
		STR_ARGS(buf_str(&luggage->names)));
	(void)snprintf(made->channel, sizeof(made->channel), HANDOVER_VARIABLE "=%u:%u:%u",
		FIRST_FD + luggage->count, FIRST_FD + luggage->count + 1, luggage->number);
	made->variables[count++] = made->fds;
	made->variables[count++] = made->names;
	made->variables[count] = made->channel;
	return made;
}

/* --- the process --- */

static int actions_fill(posix_spawn_file_actions_t *actions, const struct luggage *luggage,
	int channel, int errors, int own_errors)
{
	int next = FIRST_FD, r = 0;

	for (unsigned i = 0; r == 0 && i < luggage->count; i++)
		r = posix_spawn_file_actions_adddup2(actions, luggage->fds[i], next++);
	if (r == 0)
		r = posix_spawn_file_actions_adddup2(actions, channel, next++);
	if (r == 0)
		r = posix_spawn_file_actions_adddup2(actions, own_errors, next++);
	if (r == 0)
		r = posix_spawn_file_actions_adddup2(actions, errors, STDERR_FILENO);
	/* A library may have opened one without close-on-exec. */
	if (r == 0)
		r = posix_spawn_file_actions_addclosefrom_np(actions, next);
	return -r;
}

/* Signals are blocked in our threads and some are ignored: not so at the child's beginning. */
static int attributes_fill(posix_spawnattr_t *attributes)
{
	sigset_t none, defaults;
	int r;

	sigemptyset(&none);
	sigemptyset(&defaults);
	sigaddset(&defaults, SIGPIPE);
	sigaddset(&defaults, SIGXFSZ);
	r = posix_spawnattr_setsigmask(attributes, &none);
	if (r == 0)
		r = posix_spawnattr_setsigdefault(attributes, &defaults);
	if (r == 0)
		r = posix_spawnattr_setflags(
			attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	return -r;
}

static int start(const char *program, char **argv, const struct luggage *luggage, int channel,
	int errors, int own_errors, pid_t *ret_pid)
{
	_cleanup_(environment_free) struct environment *environment = environment_make(luggage);
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	int r;

	if (!environment)
		return -ENOMEM;
	r = -posix_spawn_file_actions_init(&actions);
	if (r < 0)
		return r;
	r = -posix_spawnattr_init(&attributes);
	if (r == 0) {
		r = actions_fill(&actions, luggage, channel, errors, own_errors);
		if (r == 0)
			r = attributes_fill(&attributes);
		if (r == 0)
			r = -posix_spawn(ret_pid, program, &actions, &attributes, argv,
				environment->variables);
		posix_spawnattr_destroy(&attributes);
	}
	posix_spawn_file_actions_destroy(&actions);
	return r;
}

struct ends {
	int channel[2], errors[2], own_errors; /* [0] ours, [1] the child's: lifted */
};

static void ends_close(struct ends *ends)
{
	int *const all[] = { &ends->channel[0], &ends->channel[1], &ends->errors[0],
		&ends->errors[1], &ends->own_errors };

	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		if (*all[i] >= 0)
			close(*all[i]);
}

static int lift_in_place(const struct luggage *luggage, int *fd)
{
	int high = lift(luggage, *fd);

	if (high < 0)
		return high;
	close(*fd);
	*fd = high;
	return 0;
}

static int ends_open(struct ends *ends, const struct luggage *luggage)
{
	int r;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends->channel) < 0 ||
		pipe2(ends->errors, O_CLOEXEC) < 0)
		return -errno;
	r = lift_in_place(luggage, &ends->channel[1]);
	if (r == 0)
		r = lift_in_place(luggage, &ends->errors[1]);
	ends->own_errors = lift(luggage, STDERR_FILENO);
	return r < 0 ? r : MIN(ends->own_errors, 0);
}

int spawn(const char *program, char **argv, unsigned number, struct spawned *ret_spawned)
{
	_cleanup_(luggage_close_p) struct luggage *luggage = calloc(1, sizeof(*luggage));
	_cleanup_(ends_close) struct ends ends = { { -1, -1 }, { -1, -1 }, -1 };
	pid_t pid = 0;
	int r;

	if (!luggage)
		return -ENOMEM;
	luggage->number = number;
	luggage->names = buf_init(NAMES_BYTES_MAX);
	r = pack_all(luggage);
	if (r == 0)
		r = ends_open(&ends, luggage);
	if (r == 0)
		r = start(program, argv, luggage, ends.channel[1], ends.errors[1], ends.own_errors,
			&pid);
	if (r < 0)
		return r;
	*ret_spawned = (struct spawned){ .pid = pid,
		.channel_fd = ends.channel[0],
		.errors_fd = ends.errors[0],
		.sockets = luggage->count - luggage->has_tickets };
	ends.channel[0] = ends.errors[0] = -1;
	return 0;
}

void spawned_close(struct spawned *spawned)
{
	if (spawned->channel_fd >= 0)
		close(spawned->channel_fd);
	if (spawned->errors_fd >= 0)
		close(spawned->errors_fd);
	*spawned = SPAWNED_NONE;
}
