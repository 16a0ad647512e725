/* Faults of the store in memory: see faults.h. */
#include "store/faults.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "shared/buf.h"
#include "shared/err.h"
#include "shared/macros.h"
#include "shared/wait.h"

#define SCRIPT_BYTES_MAX 4096
#define HELD_LOOK_MS 5 /* how soon whoever is held sees that the script has changed */

struct fault_state {
	struct fault fault;
	uint64_t passed; /* calls that came to it */
};

static struct {
	/* Guards everything here; no other lock is taken under it. */
	pthread_mutex_t lock;
	pthread_cond_t cleared;
	struct fault_state faults[FAULTS_MAX];
	unsigned count;
	uint64_t generation; /* one more at each clearing: those who are held compare */
	unsigned hit, held;
	char path[256];
	struct timespec changed; /* of the script that was read */
	ino_t inode;
	char why[STORE_WHY_BYTES];
} faults = { .lock = PTHREAD_MUTEX_INITIALIZER, .cleared = PTHREAD_COND_INITIALIZER };

static int set_locked(const struct fault *fault)
{
	if (faults.count == FAULTS_MAX)
		return -ENOBUFS;
	faults.faults[faults.count++] = (struct fault_state){ .fault = *fault };
	return 0;
}

static void clear_locked(void)
{
	faults.count = 0;
	faults.generation++;
	faults.hit = 0;
	pthread_cond_broadcast(&faults.cleared);
}

int fault_set(const struct fault *fault)
{
	int r;

	pthread_mutex_lock(&faults.lock);
	r = set_locked(fault);
	pthread_mutex_unlock(&faults.lock);
	return r;
}

void faults_clear(void)
{
	pthread_mutex_lock(&faults.lock);
	clear_locked();
	pthread_mutex_unlock(&faults.lock);
}

void faults_replace(const struct fault *fault)
{
	pthread_mutex_lock(&faults.lock);
	clear_locked();
	(void)set_locked(fault);
	pthread_mutex_unlock(&faults.lock);
}

static unsigned read_locked(const unsigned *value)
{
	unsigned now;

	pthread_mutex_lock(&faults.lock);
	now = *value;
	pthread_mutex_unlock(&faults.lock);
	return now;
}

unsigned faults_hit(void)
{
	return read_locked(&faults.hit);
}

unsigned faults_held(void)
{
	return read_locked(&faults.held);
}

/* --- the script --- */

static int point_parse(struct str name, enum fault_point *ret_point)
{
	static const char *const names[FAULT_POINTS] = { "connect", "begin", "save", "run", "ran",
		"commit", "ping", "sweep" };

	for (unsigned i = 0; i < FAULT_POINTS; i++) {
		if (str_equal(name, str_cstr(names[i]))) {
			*ret_point = i;
			return 0;
		}
	}
	return -EINVAL;
}

static int op_parse(struct str name, int *ret_op)
{
	for (int i = 0; i < STORE_OPS; i++) {
		if (str_equal(name, str_cstr(store_op_name(i)))) {
			*ret_op = i;
			return 0;
		}
	}
	return -EINVAL;
}

static int error_parse(struct str name, int *ret_error)
{
	static const struct {
		struct str name;
		int error;
	} errors[] = { { STR("down"), -ERR_STORE_DOWN }, { STR("memory"), -ENOMEM },
		{ STR("overloaded"), -ERR_OVERLOADED } };

	for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
		if (str_equal(name, errors[i].name)) {
			*ret_error = errors[i].error;
			return 0;
		}
	}
	return -EINVAL;
}

static int number_parse(struct str text, uint32_t *ret_number)
{
	uint64_t number;
	int r = str_to_u64(text, &number);

	if (r < 0 || number >= UINT32_MAX)
		return -EINVAL;
	*ret_number = (uint32_t)number;
	return 0;
}

static int setting_parse(struct str word, struct fault *fault)
{
	struct str name;

	if (!str_split(&word, '=', &name))
		return -EINVAL;
	if (str_equal(name, STR("after")))
		return number_parse(word, &fault->after);
	if (str_equal(name, STR("times")))
		return number_parse(word, &fault->times);
	if (str_equal(name, STR("error")))
		return error_parse(word, &fault->error);
	if (!str_equal(name, STR("delay")))
		return -EINVAL;
	if (!str_equal(word, STR("held")))
		return number_parse(word, &fault->delay_ms);
	fault->delay_ms = FAULT_HELD;
	return 0;
}

static int line_parse(struct str line, struct fault *fault)
{
	struct str word, name;

	*fault = (struct fault){ .op = FAULT_EVERY_OP };
	if (!str_split(&line, ' ', &word) || !str_split(&word, ':', &name) ||
		point_parse(name, &fault->point) < 0)
		return -EINVAL;
	if (word.len && op_parse(word, &fault->op) < 0)
		return -EINVAL;
	while (str_split(&line, ' ', &word)) {
		if (word.len && setting_parse(word, fault) < 0)
			return -EINVAL;
	}
	if (!fault->error && !fault->delay_ms)
		fault->error = -ERR_STORE_DOWN;
	return 0;
}

/* Replaces the faults by those of the text: all of them or none. */
static int script_parse(struct str text)
{
	struct fault parsed[FAULTS_MAX];
	struct str line;
	unsigned count = 0;

	for (unsigned number = 1; str_split(&text, '\n', &line); number++) {
		line = str_trim(line);
		if (!line.len || line.data[0] == '#')
			continue;
		if (count == FAULTS_MAX || line_parse(line, &parsed[count++]) < 0) {
			(void)snprintf(faults.why, sizeof(faults.why),
				"%s:%u: no fault, or one too many: %.80s", faults.path, number,
				line.data);
			return -EINVAL;
		}
	}
	clear_locked();
	for (unsigned i = 0; i < count; i++)
		(void)set_locked(&parsed[i]);
	return 0;
}

static int script_read(void)
{
	char text[SCRIPT_BYTES_MAX];
	FILE *file = fopen(faults.path, "re");
	size_t bytes;

	if (!file) { /* a script that is not there has no lines */
		clear_locked();
		return 0;
	}
	bytes = fread(text, 1, sizeof(text), file);
	(void)fclose(file);
	return script_parse(str_of(text, bytes));
}

/* A script that cannot be read leaves the faults as they were. */
static int script_look(void)
{
	struct stat now = {};

	if (!faults.path[0])
		return 0;
	(void)stat(faults.path, &now);
	if (now.st_ino == faults.inode && now.st_mtim.tv_sec == faults.changed.tv_sec &&
		now.st_mtim.tv_nsec == faults.changed.tv_nsec)
		return 0;
	faults.inode = now.st_ino;
	faults.changed = now.st_mtim;
	return script_read();
}

int faults_script(const char *path, const char **ret_why)
{
	int r = -ENAMETOOLONG;

	pthread_mutex_lock(&faults.lock);
	faults.inode = 0;
	faults.changed = (struct timespec){};
	*ret_why = "the path is too long";
	if (strlen(path) < sizeof(faults.path)) {
		(void)snprintf(faults.path, sizeof(faults.path), "%s", path);
		*ret_why = faults.why;
		r = script_look();
	}
	pthread_mutex_unlock(&faults.lock);
	return r;
}

/* --- passing a point --- */

/* The first fault that this pass meets, or NULL. */
static const struct fault *meet(enum fault_point point, int op)
{
	for (unsigned i = 0; i < faults.count; i++) {
		struct fault_state *state = &faults.faults[i];
		const struct fault *fault = &state->fault;
		uint64_t passed;

		if (fault->point != point || (fault->op != FAULT_EVERY_OP && fault->op != op))
			continue;
		passed = state->passed++;
		if (passed < fault->after)
			continue;
		if (!fault->times || passed - fault->after < fault->times)
			return fault;
	}
	return NULL;
}

/* Waits for the time, or until the faults are taken away. */
static void stay_locked(uint32_t delay_ms)
{
	uint64_t generation = faults.generation;

	faults.held++;
	for (uint32_t waited = 0; waited < delay_ms && generation == faults.generation;) {
		uint32_t ms = MIN(delay_ms - waited, HELD_LOOK_MS);
		struct timespec end = wait_end_ms(ms);

		(void)wait_until(&faults.cleared, &faults.lock, &end);
		(void)script_look();
		if (delay_ms != FAULT_HELD)
			waited += ms;
	}
	faults.held--;
}

int fault_pass(enum fault_point point, int op)
{
	const struct fault *fault;
	struct fault met = {};

	pthread_mutex_lock(&faults.lock);
	(void)script_look();
	fault = meet(point, op);
	if (fault) {
		met = *fault;
		faults.hit++;
		stay_locked(met.delay_ms);
	}
	pthread_mutex_unlock(&faults.lock);
	return met.error;
}
