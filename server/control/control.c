/* The control thread and its listening socket: see control.h. */
#include "control/control.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "control/audit.h"
#include "control/blocking.h"
#include "control/dialog.h"
#include "control/handlers.h"
#include "control/latencies.h"
#include "control/rates.h"
#include "control/reload.h"
#include "control/running.h"
#include "core/thread.h"
#include "observe/log.h"
#include "shared/clock.h"

static_assert(CONTROL_SESSIONS_KEPT_FOR_ROOT < CONTROL_SESSIONS_MAX, "others can connect too");

static struct control {
	struct control_context context;
	int (*apply)(const struct config *config);
	struct peer_rules rules;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	ino_t inode; /* of our socket: only that one is removed at the end */
	int listen_fd;
	/* Cores write to it late, so it is never closed while the process lives. */
	int wake_fd;
	pthread_t thread;
	_Atomic bool is_stopping;
	bool is_running;
	bool is_shut; /* the control thread's: who connects waits for the next daemon */
	uint64_t tick_ns, orphans_ns, reload_ns;
	struct dialog dialogs[CONTROL_SESSIONS_MAX];
} control = { .listen_fd = -1, .wake_fd = -1 };

/* The sentence of the last control_start() that failed. */
static char why_text[512];

/* --- the listening socket --- */

static int bind_quietly(int fd, const struct sockaddr_un *address)
{
	/*
	 * The mode is right from the first moment: 0660, and the setgid bit of the folder gives the
	 * group. The umask is the process's; main starts control while nobody else makes files.
	 */
	mode_t before = umask(0117);
	int r = bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ? -errno : 0;

	umask(before);
	return r;
}

/* Who listens at the path: 1 and its pid, 0 nobody (a dead daemon's socket), or -errno. */
static int listener_probe(const struct sockaddr_un *address, pid_t *ret_pid)
{
	struct ucred peer = {};
	socklen_t bytes = sizeof(peer);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int r = 1;

	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0)
		/* EAGAIN: its queue is full, so somebody is there. */
		r = errno == ECONNREFUSED ? 0 : errno == EAGAIN ? 1 : -errno;
	else
		(void)getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &bytes);
	close(fd);
	if (r == 1)
		*ret_pid = peer.pid;
	return r;
}

/* Takes the place of a dead daemon, never of a live one and never of a file. */
static int bind_or_replace(int fd, const struct sockaddr_un *address)
{
	struct stat stat;
	pid_t pid = 0;
	int r;

	r = bind_quietly(fd, address);
	if (r != -EADDRINUSE)
		return r;
	if (lstat(address->sun_path, &stat) == 0 && !S_ISSOCK(stat.st_mode)) {
		snprintf(why_text, sizeof(why_text),
			"%s exists and is no socket: remove it, or set [control] socket",
			address->sun_path);
		return -EEXIST;
	}
	r = listener_probe(address, &pid);
	if (r < 0)
		return r;
	if (r > 0) {
		snprintf(why_text, sizeof(why_text),
			"another authd (pid %d) answers at %s: stop it, or set [control] socket",
			(int)pid, address->sun_path);
		return -EADDRINUSE;
	}
	if (unlink(address->sun_path) < 0 && errno != ENOENT)
		return -errno;
	return bind_quietly(fd, address);
}

static int listen_at(const char *path, int *ret_fd)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd, r;

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	r = bind_or_replace(fd, &address);
	if (r == 0 && listen(fd, CONTROL_SESSIONS_MAX) < 0)
		r = -errno;
	if (r < 0) {
		close(fd);
		return r;
	}
	*ret_fd = fd;
	return 0;
}

/* That of the daemon before us, if it is at the path. 1: it is, 0: not. */
static int adopt(const char *path, int inherited_fd, int *ret_fd)
{
	struct sockaddr_un address = {};
	socklen_t bytes = sizeof(address) - 1;

	if (inherited_fd < 0)
		return 0;
	if (getsockname(inherited_fd, (struct sockaddr *)&address, &bytes) < 0 ||
		address.sun_family != AF_UNIX || strcmp(address.sun_path, path) != 0) {
		close(inherited_fd);
		return 0;
	}
	*ret_fd = inherited_fd;
	return 1;
}

/* --- accepting --- */

static struct dialog *dialog_slot(void)
{
	for (unsigned i = 0; i < CONTROL_SESSIONS_MAX; i++)
		if (control.dialogs[i].fd < 0)
			return &control.dialogs[i];
	return NULL;
}

static unsigned dialogs_count(bool is_any, uid_t uid)
{
	unsigned count = 0;

	for (unsigned i = 0; i < CONTROL_SESSIONS_MAX; i++)
		count += control.dialogs[i].fd >= 0 &&
			 (is_any || control.dialogs[i].peer.uid == uid);
	return count;
}

/* NULL when the peer may come in, else what it is told. Root may fill all but its own limit. */
static const char *limit_reached(const struct peer *peer)
{
	unsigned room = CONTROL_SESSIONS_MAX - (peer->uid ? CONTROL_SESSIONS_KEPT_FOR_ROOT : 0);

	if (dialogs_count(true, 0) >= room)
		return "too many connections to the control socket";
	if (dialogs_count(false, peer->uid) >= CONTROL_SESSIONS_PER_UID_MAX)
		return "your user has too many connections to the control socket";
	return NULL;
}

const char *control_group_hint(enum command_level level)
{
	const struct peer_rule *rule = &control.rules.rules[level - LEVEL_VIEWER];
	static char hint[CONFIG_TEXT_BYTES + 128];

	if (rule->group && *rule->group)
		(void)snprintf(hint, sizeof(hint), "membership in group '%s' gives it%s",
			rule->group,
			rule->gid == (gid_t)-1 ? " (the group does not exist here yet)" : "");
	else
		(void)snprintf(hint, sizeof(hint), "only root has it: [control] %s_group is empty",
			command_level_name(level));
	return hint;
}

static void refuse(int fd, const struct peer *peer, enum outcome outcome, const char *message,
	const char *hint)
{
	dialog_refuse(fd, peer, &control.context,
		&(struct request_failure){
			.outcome = outcome, .message = str_cstr(message), .hint = str_cstr(hint) });
}

static void accepted(int fd)
{
	struct dialog *dialog = dialog_slot();
	struct peer peer;
	const char *limit;

	if (peer_get(fd, &control.rules, &peer) < 0) {
		close(fd);
		return;
	}
	limit = limit_reached(&peer);
	if (peer.level == LEVEL_NONE && !peer.is_self)
		refuse(fd, &peer, OUTCOME_FORBIDDEN, "none of your groups may use authctl",
			control_group_hint(LEVEL_VIEWER));
	else if (limit || !dialog)
		refuse(fd, &peer, OUTCOME_BUSY, limit, "close another authctl, or wait");
	else if (dialog_open(dialog, fd, &peer, &control.context, control.wake_fd) < 0)
		dialog_close(dialog, clock_now_ns());
	else
		return;
	if (!dialog || dialog->fd != fd)
		close(fd);
}

static void accept_all(void)
{
	for (;;) {
		int fd = accept4(control.listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		/* Out of descriptors is retried at the next pass, a tick later at most. */
		if (fd < 0)
			return;
		accepted(fd);
	}
}

/* --- the thread --- */

static int wait_ms(uint64_t now_ns)
{
	uint64_t next_ns = MIN(control.tick_ns, MIN(control.orphans_ns, control.reload_ns));

	for (unsigned i = 0; i < CONTROL_SESSIONS_MAX; i++)
		if (control.dialogs[i].fd >= 0)
			next_ns = MIN(next_ns, dialog_next_ns(&control.dialogs[i]));
	/* Rounded up, or the last millisecond would spin. */
	return next_ns <= now_ns ? 0 : (int)((next_ns - now_ns + NS_PER_MS - 1) / NS_PER_MS);
}

static void dialogs_turn(const struct pollfd *fds, uint64_t now_ns)
{
	for (unsigned i = 0; i < CONTROL_SESSIONS_MAX; i++) {
		struct dialog *dialog = &control.dialogs[i];

		/* Slots that were filled in this pass have their turn in the next. */
		if (dialog->fd < 0 || fds[i].fd != dialog->fd)
			continue;
		if (dialog_turn(dialog, fds[i].revents, now_ns) < 0 ||
			dialog_is_idle(dialog, now_ns))
			dialog_close(dialog, now_ns);
	}
}

static void turn(void)
{
	struct pollfd fds[CONTROL_SESSIONS_MAX + 2];
	uint64_t now_ns = clock_now_ns();
	eventfd_t ignored;

	for (unsigned i = 0; i < CONTROL_SESSIONS_MAX; i++)
		fds[i] = (struct pollfd){ .fd = control.dialogs[i].fd,
			.events = dialog_events(&control.dialogs[i]) };
	fds[CONTROL_SESSIONS_MAX] = (struct pollfd){ .fd = control.wake_fd, .events = POLLIN };
	fds[CONTROL_SESSIONS_MAX + 1] =
		(struct pollfd){ .fd = control.is_shut ? -1 : control.listen_fd, .events = POLLIN };
	if (poll(fds, CONTROL_SESSIONS_MAX + 2, wait_ms(now_ns)) < 0)
		return; /* EINTR: the next pass looks again */

	now_ns = clock_now_ns();
	if (fds[CONTROL_SESSIONS_MAX].revents)
		(void)eventfd_read(control.wake_fd, &ignored);
	if (now_ns >= control.tick_ns) {
		rates_tick(&control.context, now_ns);
		latencies_tick();
		heap_tick(now_ns);
		pools_tick(now_ns);
		control.tick_ns = clock_after_ms(now_ns, RATES_TICK_MS);
	}
	control.reload_ns = reload_tick(now_ns);
	dialogs_turn(fds, now_ns);
	control.orphans_ns = running_orphans(now_ns);
	if (fds[CONTROL_SESSIONS_MAX + 1].revents)
		accept_all();
}

static void *thread_main(void *arg)
{
	(void)arg;
	while (!atomic_load_explicit(&control.is_stopping, memory_order_acquire))
		turn();
	for (unsigned i = 0; i < CONTROL_SESSIONS_MAX; i++)
		if (control.dialogs[i].fd >= 0)
			dialog_close(&control.dialogs[i], clock_now_ns());
	running_deinit();
	audit_close();
	return NULL;
}

/* --- start and stop --- */

/* Group files are read here, not at accept: a directory server may be slow. */
static void groups_look_up(const struct config *config)
{
	peer_rules_init(&control.rules, config->control.viewer_group,
		config->control.operator_group, config->control.admin_group);
}

static int apply(const struct config *config)
{
	int r = control.apply(config);

	if (r == 0)
		groups_look_up(config);
	return r;
}

static void audit_start(const char *path)
{
	int r = audit_open(path);

	if (r < 0)
		log_event(LOG_LEVEL_WARN, "audit.unavailable",
			STR("commands that change something will be refused until it can be "
			    "written"),
			LOG_TEXT("path", str_cstr(path)),
			LOG_TEXT("error.message", str_cstr(audit_why(r))));
}

static int failed(int error, const char *what, const char **ret_why)
{
	if (!why_text[0])
		snprintf(why_text, sizeof(why_text), "%s: %s", what, strerror(-error));
	*ret_why = why_text;
	return error;
}

static int wake_open(void)
{
	if (control.wake_fd < 0)
		control.wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return control.wake_fd < 0 ? -errno : 0;
}

void control_shut(void)
{
	control.is_shut = true;
}

int control_socket(void)
{
	return control.listen_fd;
}

static void socket_remove(bool is_handed_over)
{
	struct stat stat;

	if (!is_handed_over && lstat(control.path, &stat) == 0 && stat.st_ino == control.inode)
		unlink(control.path);
	close(control.listen_fd);
	control.listen_fd = -1;
}

int control_start(const struct control_options *options, const char **ret_why)
{
	const char *odd, *socket;
	struct stat stat;
	int r;

	assert(options && ret_why && !control.is_running);
	odd = handlers_check();
	assert(!odd); /* commands.c and handlers.c name the same commands */
	why_text[0] = '\0';
	control.context = options->context;
	socket = options->config->control.socket;
	control.is_stopping = false;
	control.is_shut = false;
	control.tick_ns = 0;
	control.orphans_ns = control.reload_ns = CLOCK_NEVER;
	control.apply = options->apply;
	r = reload_start(&(struct reload_options){ .path = options->context.config_path,
		.config = options->config,
		.origins = options->origins,
		.apply = apply,
		.check = options->check });
	if (r < 0)
		return failed(r, "the configuration", ret_why);
	groups_look_up(options->config);
	audit_start(options->config->control.audit_file);
	for (unsigned i = 0; i < CONTROL_SESSIONS_MAX; i++)
		control.dialogs[i].fd = -1;
	r = wake_open();
	if (r < 0)
		return failed(r, "eventfd", ret_why);
	r = adopt(socket, options->inherited_fd, &control.listen_fd);
	if (r == 0)
		r = listen_at(socket, &control.listen_fd);
	if (r < 0)
		return failed(r, socket, ret_why);
	snprintf(control.path, sizeof(control.path), "%s", socket);
	control.inode = lstat(control.path, &stat) == 0 ? stat.st_ino : 0;
	r = blocking_start();
	if (r == 0)
		r = thread_start(&control.thread, "control", thread_main, NULL);
	if (r < 0) {
		blocking_stop();
		socket_remove(false);
		return failed(r, "the control thread", ret_why);
	}
	control.is_running = true;
	return 0;
}

void control_stop(bool is_handed_over)
{
	if (!control.is_running)
		return;
	atomic_store_explicit(&control.is_stopping, true, memory_order_release);
	(void)eventfd_write(control.wake_fd, 1);
	pthread_join(control.thread, NULL);
	blocking_stop();
	control.is_running = false;
	socket_remove(is_handed_over);
	latencies_stop();
	reload_stop();
}
