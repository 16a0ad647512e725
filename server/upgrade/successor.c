/* Starting the next daemon: see successor.h, and handover.h for the conversation. */
#include "upgrade/successor.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "auth/remote.h"
#include "control/control.h"
#include "control/exporter.h"
#include "core/core.h"
#include "core/thread.h"
#include "start/doors.h"
#include "upgrade/handover.h"
#include "observe/log.h"
#include "observe/notify.h"
#include "upgrade/predecessor.h"
#include "shared/clock.h"
#include "shared/err.h"
#include "shared/macros.h"
#include "upgrade/successor_spawn.h"

#define STEPS_MAX 8
#define LOOK_MS 50 /* how soon an end of ours is seen while we wait for the other */
/* For a control thread that is behind; nobody but operators waits meanwhile. Below the FREE_MS of
 * predecessor.c. */
#define TOLD_MS 5000
#define TOLD_LOOK_MS 10
#define ENDS_MS 2000 /* from the end of the conversation to that of the process */
/* The end of what it says before it fails: the last sentence is the reason. */
#define COMPLAINT_BYTES 1024

enum state { STATE_NONE, STATE_RUNNING, STATE_SERVING };

static struct {
	/* Guards what follows; no other lock is taken under it. */
	pthread_mutex_t lock;
	enum state state;
	bool is_told;
	struct control_upgrade_step steps[STEPS_MAX];
	unsigned step_count;
	/* The thread's, and main's when it has ended: */
	pthread_t thread;
	bool has_thread;
	_Atomic bool is_canceled;
	uint64_t started_ns, ready_ms;
	struct spawned child;
	char complaint[COMPLAINT_BYTES];
	size_t complaint_len;
	char **argv;
	char program[SPAWN_PATH_BYTES];
} successor = { .lock = PTHREAD_MUTEX_INITIALIZER };

void successor_init(char **argv)
{
	static const char deleted[] = " (deleted)";
	ssize_t n = readlink("/proc/self/exe", successor.program, sizeof(successor.program) - 1);
	size_t len = n < 0 ? 0 : (size_t)n;

	successor.argv = argv;
	successor.program[len] = '\0';
	if (len > strlen(deleted) &&
		strcmp(successor.program + len - strlen(deleted), deleted) == 0)
		successor.program[len - strlen(deleted)] = '\0';
}

const char *successor_program(void)
{
	return successor.program;
}

/* --- what is told --- */

static struct control_upgrade_step *step_next(const char *name)
{
	struct control_upgrade_step *step = &successor.steps[successor.step_count];

	assert(successor.step_count < STEPS_MAX);
	*step = (struct control_upgrade_step){ .name = name,
		.pid = successor.child.pid,
		.took_ns = clock_now_ns() - successor.started_ns };
	return step;
}

_printf_(3, 4) static void tell(
	const char *name, enum control_upgrade_end end, const char *format, ...)
{
	struct control_upgrade_step *step;
	va_list arguments;

	pthread_mutex_lock(&successor.lock);
	step = step_next(name);
	va_start(arguments, format);
	(void)vsnprintf(step->detail, sizeof(step->detail), format, arguments);
	va_end(arguments);
	step->end = end;
	successor.step_count++;
	pthread_mutex_unlock(&successor.lock);
	log_event(end >= UPGRADE_FAILED ? LOG_LEVEL_ERROR : LOG_LEVEL_INFO,
		end >= UPGRADE_FAILED ? "upgrade.failed" : "upgrade.step", str_cstr(step->detail),
		LOG_TEXT("authd.step", str_cstr(name)), LOG_NUMBER("process.pid", step->pid));
}

bool successor_step(unsigned seen, struct control_upgrade_step *ret_step)
{
	bool is_there;

	pthread_mutex_lock(&successor.lock);
	is_there = seen < successor.step_count;
	if (is_there)
		*ret_step = successor.steps[seen];
	pthread_mutex_unlock(&successor.lock);
	return is_there;
}

/* --- listening to the child --- */

/* Keeps the end of it, and passes it on: it is the child's standard error. Was there any? */
static bool complaint_read(void)
{
	char bytes[512];
	ssize_t n = read(successor.child.errors_fd, bytes, sizeof(bytes));
	size_t len = n > 0 ? (size_t)n : 0, room = sizeof(successor.complaint) - 1;
	size_t over;

	if (!len)
		return false;
	(void)!write(STDERR_FILENO, bytes, len);
	over = successor.complaint_len + len > room ? successor.complaint_len + len - room : 0;
	memmove(successor.complaint, successor.complaint + over, successor.complaint_len - over);
	successor.complaint_len -= over;
	memcpy(successor.complaint + successor.complaint_len, bytes, len);
	successor.complaint_len += len;
	successor.complaint[successor.complaint_len] = '\0';
	return true;
}

static bool has_input(int fd, int timeout_ms)
{
	struct pollfd polled = { .fd = fd, .events = POLLIN };

	return poll(&polled, 1, timeout_ms) > 0 && (polled.revents & POLLIN);
}

/* The byte: 0; -ECONNRESET: it has ended; -ETIMEDOUT; -ECANCELED: we end ourselves. */
static int await(char byte, uint64_t timeout_ms)
{
	uint64_t end_ns = clock_after_ms(clock_now_ns(), timeout_ms);

	for (;;) {
		struct pollfd polled[] = { { .fd = successor.child.channel_fd, .events = POLLIN },
			{ .fd = successor.child.errors_fd, .events = POLLIN } };
		char got;

		if (atomic_load(&successor.is_canceled))
			return -ECANCELED;
		if (clock_now_ns() >= end_ns)
			return -ETIMEDOUT;
		if (poll(polled, ARRAY_SIZE(polled), LOOK_MS) <= 0)
			continue;
		if (polled[1].revents & POLLIN)
			(void)complaint_read();
		else if (polled[1].revents)
			(void)poll(NULL, 0, 1); /* closed: do not spin on it */
		if (!polled[0].revents)
			continue;
		if (read(successor.child.channel_fd, &got, 1) != 1)
			return -ECONNRESET;
		if (got == byte)
			return 0;
	}
}

static int say(char byte)
{
	return send(successor.child.channel_fd, &byte, 1, MSG_NOSIGNAL) == 1 ? 0 : -ECONNRESET;
}

/* --- the end of a child that came to nothing --- */

static void exit_print(int status, char text[static 64])
{
	if (WIFSIGNALED(status))
		(void)snprintf(text, 64, "it was killed by signal %d", WTERMSIG(status));
	else if (WEXITSTATUS(status) == SPAWN_EXIT_NO_PROGRAM)
		(void)snprintf(text, 64, "the program cannot be executed");
	else
		(void)snprintf(text, 64, "it ended with code %d", WEXITSTATUS(status));
}

/* Its status. is_ending: it has closed the conversation, and is about to. */
static int reap(bool is_ending)
{
	int status = 0, left_ms = is_ending ? ENDS_MS : 0;

	while (left_ms > 0 && waitpid(successor.child.pid, &status, WNOHANG) == 0)
		left_ms -= 1 + poll(NULL, 0, 1);
	if (left_ms > 0)
		return status;
	(void)kill(successor.child.pid, SIGKILL);
	while (waitpid(successor.child.pid, &status, 0) < 0 && errno == EINTR)
		;
	return status;
}

/* why: NULL when it has ended by itself, and says so itself. */
static void failed(const char *why)
{
	enum control_upgrade_end end = UPGRADE_FAILED;
	char ended[64];

	if (successor.child.pid > 0) {
		int status = reap(!why);

		while (has_input(successor.child.errors_fd, 0) && complaint_read())
			;
		exit_print(status, ended);
		if (!why && WIFEXITED(status) && WEXITSTATUS(status) == SPAWN_EXIT_CONFIG)
			end = UPGRADE_BAD_CONFIG;
	}
	spawned_close(&successor.child);
	while (successor.complaint_len && successor.complaint[successor.complaint_len - 1] == '\n')
		successor.complaint[--successor.complaint_len] = '\0';
	tell("failed", end, "%s%s%s",
		end == UPGRADE_BAD_CONFIG ? ""
		: why                     ? why
					  : ended,
		successor.complaint_len && end != UPGRADE_BAD_CONFIG ? ": " : "",
		successor.complaint);
}

static void failed_at(const char *what, int error)
{
	char text[128];

	switch (error) {
	case -ECONNRESET:
		failed(NULL);
		break;
	case -ETIMEDOUT:
		(void)snprintf(text, sizeof(text), "it was not %s in time (--timeout)", what);
		failed(text);
		break;
	case -ECANCELED:
		failed("this daemon was told to end");
		break;
	default:
		failed(err_text(error));
	}
}

/* --- handing over --- */

static void doors_open_again(void)
{
	unsigned core;

	if (doors_open(HANDOVER_TURN_MS, &core) < 0)
		log_event(LOG_LEVEL_ERROR, "upgrade.stuck",
			STR("a core accepts again as soon as it turns"),
			LOG_NUMBER("authd.core", core));
}

static int cores_hand_over(void)
{
	unsigned core;
	int r = doors_hold(HANDOVER_TURN_MS, &core);
	char text[64];

	if (r < 0) {
		doors_open_again();
		(void)snprintf(text, sizeof(text), "core %u of this daemon does not answer", core);
		failed(text);
		return r;
	}
	r = say(HANDOVER_GO);
	if (r == 0)
		r = await(HANDOVER_SERVING, HANDOVER_TURN_MS);
	if (r < 0) {
		/* It must not accept beside us: it is killed first. */
		failed_at("serving", r);
		doors_open_again();
	}
	return r;
}

static bool run(void)
{
	int r = spawn(
		successor.program, successor.argv, predecessor_upgrades() + 1, &successor.child);

	if (r < 0) {
		char text[SPAWN_PATH_BYTES + 64];

		(void)snprintf(text, sizeof(text), "%.900s: %s", successor.program, err_text(r));
		failed(text);
		return false;
	}
	tell("started", UPGRADE_GOES_ON, "%.200s", successor.program);
	r = await(HANDOVER_READY, successor.ready_ms);
	if (r < 0) {
		failed_at("ready", r);
		return false;
	}
	tell("ready", UPGRADE_GOES_ON, "it has %u sockets", successor.child.sockets);
	return cores_hand_over() == 0;
}

/* The answer is on its way to the operator, or nobody waits for it. */
static bool is_told(void)
{
	bool is_told;

	pthread_mutex_lock(&successor.lock);
	is_told = successor.is_told;
	pthread_mutex_unlock(&successor.lock);
	return is_told;
}

static void told_await(void)
{
	for (unsigned ms = 0; ms < TOLD_MS && !is_told(); ms += TOLD_LOOK_MS) {
		remote_change(STORE_ANYTHING, ""); /* the other one changes the store already */
		(void)poll(NULL, 0, TOLD_LOOK_MS);
	}
}

static void state_set(enum state state)
{
	pthread_mutex_lock(&successor.lock);
	successor.state = state;
	pthread_mutex_unlock(&successor.lock);
}

static void *thread_main(void *arg)
{
	if (!run()) {
		state_set(STATE_NONE);
		return arg;
	}
	state_set(STATE_SERVING);
	cores_drain();
	tell("serving", UPGRADE_DONE, "this one finishes what it has");
	told_await();
	(void)kill(getpid(), SIGUSR2);
	return arg;
}

void successor_told(void)
{
	pthread_mutex_lock(&successor.lock);
	successor.is_told = true;
	pthread_mutex_unlock(&successor.lock);
}

/* --- from outside --- */

static void thread_end(void)
{
	if (successor.has_thread)
		pthread_join(successor.thread, NULL);
	successor.has_thread = false;
}

int successor_start(uint64_t ready_ms)
{
	bool is_free;
	int r;

	if (core_at(0)->is_draining)
		return -ERR_DRAINING;
	if (getpid() == 1)
		return -EPERM;
	pthread_mutex_lock(&successor.lock);
	is_free = successor.state == STATE_NONE && !predecessor_is_there();
	if (is_free) {
		successor.state = STATE_RUNNING;
		successor.step_count = 0;
		successor.is_told = false;
	}
	pthread_mutex_unlock(&successor.lock);
	if (!is_free)
		return -EBUSY;
	thread_end(); /* of one that failed */
	successor.child = SPAWNED_NONE;
	successor.complaint_len = 0;
	successor.complaint[0] = '\0';
	successor.started_ns = clock_now_ns();
	successor.ready_ms = ready_ms;
	r = thread_start(&successor.thread, "successor", thread_main, NULL);
	successor.has_thread = r == 0;
	if (r < 0)
		state_set(STATE_NONE);
	return r;
}

bool successor_is_serving(void)
{
	bool is_serving;

	pthread_mutex_lock(&successor.lock);
	is_serving = successor.state == STATE_SERVING;
	pthread_mutex_unlock(&successor.lock);
	return is_serving;
}

bool successor_settle(void)
{
	atomic_store(&successor.is_canceled, true);
	thread_end();
	return successor_is_serving();
}

void successor_free(void)
{
	notify_main_pid(successor.child.pid);
	(void)say(HANDOVER_FREE);
}
