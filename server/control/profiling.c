/*
 * prof cpu: samples for a while (observe/profile.h), then their names, which are looked up on the
 * thread for what blocks because files are read. There is one profile at a time, and it is over
 * when its request is, however that ends.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "control/dialog.h"
#include "control/handlers.h"
#include "observe/profile.h"
#include "shared/clock.h"
#include "shared/macros.h"
#include "shared/symbols.h"

#define FOR_MS_MIN 1000
#define FOR_MS_MAX (5 * 60 * 1000)
#define GROUPS_MAX 128 /* kinds of threads, and the routes on cores: twice what there are */
#define FUNCTIONS_SHOWN 3
#define KERNEL "(kernel)"                        /* whatever it does there */
#define MAPS_BYTES_MAX ((size_t)8 * 1024 * 1024) /* as many mappings as a process may have */
#define MAPS_PIECE_BYTES 65536

struct function_count {
	uint64_t samples;
	char name[SYMBOL_BYTES];
};

struct group {
	const char *thread, *name;
	uint64_t samples;
	char functions[FUNCTIONS_SHOWN * (SYMBOL_BYTES + 8)];
};

enum state {
	STATE_NONE,
	STATE_SAMPLING,
	STATE_NAMING,    /* the other thread has everything below */
	STATE_ABANDONED, /* likewise, and nobody waits for it */
	STATE_NAMED
};

static struct {
	/* Guards state; no other is taken under it. */
	pthread_mutex_t lock;
	enum state state;
	uint64_t until_ns;
	struct group groups[GROUPS_MAX];
	unsigned group_count;
	bool is_stripped; /* functions of the program have no names */
	int fd;           /* folded stacks; -1 none */
	int result;
} profiling = { .lock = PTHREAD_MUTEX_INITIALIZER, .fd = -1 };

/* --- naming --- */

/* All that is needed while stacks are named. */
struct naming {
	struct symbols *symbols;
	FILE *file;
	struct function_count *functions; /* of one group, innermost ones */
	unsigned function_count;
	const struct group *group;
	int error;
};

static struct group *group_find(const struct profile_stack *stack)
{
	for (unsigned i = 0; i < profiling.group_count; i++) {
		struct group *group = &profiling.groups[i];

		if (group->name == stack->name && strcmp(group->thread, stack->thread) == 0)
			return group;
	}
	if (profiling.group_count == GROUPS_MAX)
		return NULL;
	profiling.groups[profiling.group_count] =
		(struct group){ .thread = stack->thread, .name = stack->name };
	return &profiling.groups[profiling.group_count++];
}

static void group_add(const struct profile_stack *stack, void *arg)
{
	struct group *group = group_find(stack);

	if (group)
		group->samples += stack->samples;
	else
		((struct naming *)arg)->error = -ENOSPC;
}

/* A return address is behind its call, which may be the last of its function. */
static const char *frame_name(struct naming *naming, const struct profile_stack *stack,
	unsigned frame, char name[static SYMBOL_BYTES])
{
	return symbols_name(naming->symbols, stack->frames[frame] - (frame > 0), name);
}

static void function_add(const struct profile_stack *stack, void *arg)
{
	struct naming *naming = arg;
	char name[SYMBOL_BYTES];
	unsigned i = 0;

	if (stack->name != naming->group->name || strcmp(stack->thread, naming->group->thread) != 0)
		return;
	if (stack->is_kernel)
		(void)snprintf(name, sizeof(name), KERNEL);
	else
		(void)frame_name(naming, stack, 0, name);
	while (i < naming->function_count && strcmp(naming->functions[i].name, name) != 0)
		i++;
	if (i == naming->function_count) {
		memcpy(naming->functions[i].name, name, sizeof(name));
		naming->functions[i].samples = 0;
		naming->function_count++;
	}
	naming->functions[i].samples += stack->samples;
}

static int by_samples(const void *a, const void *b)
{
	const struct function_count *left = a, *right = b;

	return (left->samples < right->samples) - (left->samples > right->samples);
}

/* "bcrypt_kernel 97 %, memcpy 1 %": the innermost functions. */
static void functions_print(struct naming *naming, struct group *group)
{
	size_t used = 0;

	naming->group = group;
	naming->function_count = 0;
	profile_each(function_add, naming);
	qsort(naming->functions, naming->function_count, sizeof(*naming->functions), by_samples);
	for (unsigned i = 0; i < MIN(naming->function_count, FUNCTIONS_SHOWN); i++)
		used += (size_t)snprintf(group->functions + used, sizeof(group->functions) - used,
			"%s%s %" PRIu64 " %%", used ? ", " : "", naming->functions[i].name,
			(100 * naming->functions[i].samples + group->samples / 2) / group->samples);
}

static int groups_order(const void *a, const void *b)
{
	const struct group *left = a, *right = b;

	return (left->samples < right->samples) - (left->samples > right->samples);
}

/* Names come from files: a line of the format ends at a line's end, and a frame at a semicolon. */
static void frame_fold(FILE *file, const char *name)
{
	for (; *name; name++)
		(void)fputc(*name > ' ' && *name != ';' ? *name : '_', file);
}

/* What a chain of frames led to without being code is where it went wrong. */
static unsigned depth_of(const struct naming *naming, const struct profile_stack *stack)
{
	unsigned depth = 1;

	while (depth < stack->depth && symbols_file(naming->symbols, stack->frames[depth] - 1).len)
		depth++;
	return depth;
}

/* "core;GET /v1/auth/verify;core_thread;...;str_equal 12" */
static void stack_fold(const struct profile_stack *stack, void *arg)
{
	struct naming *naming = arg;
	char name[SYMBOL_BYTES];

	(void)fputs(stack->thread, naming->file);
	if (stack->name)
		(void)fprintf(naming->file, ";%s", stack->name);
	for (unsigned i = depth_of(naming, stack); i-- > 0;) {
		(void)fputc(';', naming->file);
		frame_fold(naming->file, frame_name(naming, stack, i, name));
	}
	(void)fprintf(naming->file, "%s %" PRIu64 "\n", stack->is_kernel ? ";" KERNEL : "",
		stack->samples);
}

/* A line for each stack, so PROFILE_STACKS_MAX at most. */
static int stacks_fold(struct naming *naming)
{
	int fd, r = 0;

	profiling.fd = memfd_create("authd-cpu", MFD_CLOEXEC);
	fd = profiling.fd < 0 ? -1 : fcntl(profiling.fd, F_DUPFD_CLOEXEC, 0);
	naming->file = fd < 0 ? NULL : fdopen(fd, "w");
	if (!naming->file) {
		r = -errno;
		if (fd >= 0)
			close(fd);
		return r;
	}
	profile_each(stack_fold, naming);
	if (ferror(naming->file))
		r = -EIO;
	if (fclose(naming->file) != 0 || lseek(profiling.fd, 0, SEEK_SET) < 0)
		r = -errno;
	return r;
}

static int maps_read(struct buf *maps)
{
	FILE *file = fopen("/proc/self/maps", "re");
	int r = file ? 0 : -errno;
	size_t n = 1;

	while (r == 0 && n > 0) {
		r = buf_reserve(maps, MAPS_PIECE_BYTES);
		n = r == 0 ? fread(maps->data + maps->len, 1, MAPS_PIECE_BYTES, file) : 0;
		maps->len += n;
	}
	if (file)
		(void)fclose(file);
	return r;
}

static int names_find(void)
{
	_cleanup_(buf_deinit) struct buf maps = buf_init(MAPS_BYTES_MAX);
	struct naming naming = {};
	char own[SYMBOL_BYTES];
	int r = maps_read(&maps);

	if (r < 0)
		return r;
	naming.symbols = symbols_new(buf_str(&maps));
	naming.functions = calloc(PROFILE_STACKS_MAX, sizeof(*naming.functions));
	if (naming.symbols && naming.functions) {
		/* Has this one a name? */
		profiling.is_stripped =
			strstr(symbols_name(naming.symbols, (uintptr_t)names_find, own), "+0x");
		profile_each(group_add, &naming);
		qsort(profiling.groups, profiling.group_count, sizeof(struct group), groups_order);
		for (unsigned i = 0; i < profiling.group_count; i++)
			functions_print(&naming, &profiling.groups[i]);
		r = naming.error < 0 ? naming.error : stacks_fold(&naming);
	} else {
		r = -ENOMEM;
	}
	free(naming.functions);
	symbols_free(naming.symbols);
	return r;
}

/* --- states --- */

static void release(void)
{
	profile_free();
	if (profiling.fd >= 0)
		close(profiling.fd);
	profiling.fd = -1;
	profiling.group_count = 0;
	profiling.is_stripped = false;
}

static enum state state_change(enum state from, enum state to)
{
	enum state state;

	pthread_mutex_lock(&profiling.lock);
	state = profiling.state;
	if (state == from)
		profiling.state = to;
	pthread_mutex_unlock(&profiling.lock);
	return state;
}

/* On the thread for what blocks. */
static void naming_run(_unused_ void *data)
{
	profiling.result = names_find();
	if (state_change(STATE_NAMING, STATE_NAMED) == STATE_NAMING)
		return;
	release();
	(void)state_change(STATE_ABANDONED, STATE_NONE);
}

/* The request is over: answered, cancelled, or its client has gone. */
static void on_end(_unused_ struct control_request *request)
{
	if (state_change(STATE_NAMING, STATE_ABANDONED) == STATE_NAMING)
		return;
	release();
	pthread_mutex_lock(&profiling.lock);
	profiling.state = STATE_NONE;
	pthread_mutex_unlock(&profiling.lock);
}

uint64_t cpu_profile_left_ns(uint64_t now_ns)
{
	bool is_sampling = state_change(STATE_NONE, STATE_NONE) == STATE_SAMPLING;

	return is_sampling && profiling.until_ns > now_ns ? profiling.until_ns - now_ns : 0;
}

/* --- the command --- */

static void refused(struct control_request *request, int error)
{
	if (error == -EBUSY)
		request_fail(request, OUTCOME_BUSY, "authctl status says how long it lasts",
			"another profile is being taken");
	else if (error == -EPERM || error == -EACCES || error == -ENOSYS)
		request_fail(request, OUTCOME_UNAVAILABLE,
			"allow timer_create, timer_settime and timer_delete in the list of system"
			" calls (seccomp)",
			"the system refuses timers: %s", strerror(-error));
	else
		request_fail(
			request, OUTCOME_UNAVAILABLE, NULL, "no profile: %s", strerror(-error));
}

void prof_cpu_begin(struct control_request *request)
{
	uint64_t ms = request_number(request, "for", 0);
	uint64_t rate = request_number(request, "rate", PROFILE_RATE_DEFAULT);
	int r;

	if (ms < FOR_MS_MIN || ms > FOR_MS_MAX) {
		request_fail_argument(request, "for", "for how long? 1s..5m");
		return;
	}
	if (!rate || rate > PROFILE_RATE_MAX) {
		request_fail_argument(request, "rate",
			"1..%d samples for each second on a processor", PROFILE_RATE_MAX);
		return;
	}
	r = state_change(STATE_NONE, STATE_NONE) == STATE_NONE ? profile_check() : -EBUSY;
	if (r == 0 && !request->is_dry_run)
		r = profile_start((unsigned)rate);
	if (r < 0) {
		refused(request, r);
		return;
	}
	if (request->is_dry_run) {
		request_notice(request,
			"would take %" PRIu64 " samples of each thread's second on a processor, for"
			" %" PRIu64 " s",
			rate, ms / 1000);
		return;
	}
	request->on_end = on_end;
	profiling.until_ns = clock_after_ms(clock_now_ns(), ms);
	(void)state_change(STATE_NONE, STATE_SAMPLING);
}

static void group_row(struct control_request *request, const struct group *group,
	const struct profile_counts *counts)
{
	struct json_writer *w = request_row_begin(request);

	json_put_double(w, "share", (double)group->samples / (double)counts->samples);
	json_put_u64(w, "samples", group->samples);
	json_put_str(w, "thread", str_cstr(group->thread));
	if (group->name)
		json_put_str(w, "route", str_cstr(group->name));
	else
		json_put_null(w, "route");
	json_put_str(w, "functions", str_cstr(group->functions));
	request_row_end(request);
}

/* How much of what the process did was seen, and what was not. */
static void counts_tell(struct control_request *request, const struct profile_counts *counts)
{
	char lost[96] = "";

	if (counts->dropped || counts->unseen)
		(void)snprintf(lost, sizeof(lost),
			"; no room for %" PRIu64 " more, %u threads were not looked at",
			counts->dropped, counts->unseen);
	request_notice(request,
		"%" PRIu64 " samples of %u threads; %.2f s on processors in %.1f s%s%s",
		counts->samples, counts->threads, (double)counts->cpu_ns / NS_PER_S,
		(double)counts->ran_ns / NS_PER_S, lost,
		profiling.is_stripped ? "; authd-dbgsym has the names of its functions" : "");
}

static void answer(struct control_request *request)
{
	const struct profile_counts counts = profile_counts();
	int r = profiling.result;

	if (r < 0) {
		request_fail(request, OUTCOME_FAILED, NULL, "no names for what was seen: %s",
			strerror(-r));
		return;
	}
	(void)request_head(request);
	for (unsigned i = 0; i < profiling.group_count; i++)
		group_row(request, &profiling.groups[i], &counts);
	counts_tell(request, &counts);
	if (!request->dialog)
		return;
	if (dialog_pass(request->dialog, profiling.fd) < 0)
		request_fail(request, OUTCOME_BUSY, NULL, "another file is on its way to you");
	profiling.fd = -1;
}

bool prof_cpu_step(struct control_request *request, uint64_t now_ns)
{
	if (request->is_dry_run)
		return true;
	if (state_change(STATE_NAMED, STATE_NAMED) == STATE_NAMED) {
		answer(request);
		return true;
	}
	if (now_ns < profiling.until_ns) {
		profile_collect();
		request->step_ns =
			MIN(clock_after_ms(now_ns, PROFILE_COLLECT_MS), profiling.until_ns);
		return false;
	}
	profile_stop();
	(void)state_change(STATE_SAMPLING, STATE_NAMING);
	request->step_ns = 0; /* when that thread has done it */
	request_block(request, naming_run, NULL, 0);
	if (request->failure.outcome != OUTCOME_OK)
		(void)state_change(STATE_NAMING, STATE_SAMPLING);
	return false;
}
