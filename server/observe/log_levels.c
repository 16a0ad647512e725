/* Which records are kept: one level for all, and for a while another one for a module. See log.h.
 */
#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "observe/log.h"
#include "shared/clock.h"
#include "shared/macros.h"

static struct {
	_Atomic int least;    /* of whoever has none of its own */
	_Atomic int kept;     /* the least of all: below it there is nothing to look up */
	_Atomic int modules;  /* how many there are */
	pthread_mutex_t lock; /* guards list, and writing of what is above; no lock follows */
	struct log_module list[LOG_MODULES_MAX];
} levels = { .least = LOG_LEVEL_INFO, .kept = LOG_LEVEL_INFO, .lock = PTHREAD_MUTEX_INITIALIZER };

/* Under the lock. */
static void kept_update(void)
{
	int kept = atomic_load_explicit(&levels.least, memory_order_relaxed);

	for (int i = 0; i < levels.modules; i++)
		kept = MIN(kept, (int)levels.list[i].least);
	atomic_store_explicit(&levels.kept, kept, memory_order_relaxed);
}

/* Under the lock. */
static void forget(int index)
{
	levels.list[index] = levels.list[--levels.modules];
	kept_update();
}

/* Under the lock: those whose time is over go. */
static void expire(void)
{
	uint64_t now_ns = clock_now_ns();

	for (int i = levels.modules - 1; i >= 0; i--)
		if (now_ns >= levels.list[i].until_ns)
			forget(i);
}

/* Under the lock; -1. */
static int find(struct str module)
{
	for (int i = 0; i < levels.modules; i++)
		if (str_equal(str_cstr(levels.list[i].name), module))
			return i;
	return -1;
}

static enum log_level module_level(const char *event)
{
	size_t len = strcspn(event, ".");
	int index;
	enum log_level least = log_level_get();

	pthread_mutex_lock(&levels.lock);
	expire();
	index = find(str_of(event, len));
	if (index >= 0)
		least = levels.list[index].least;
	pthread_mutex_unlock(&levels.lock);
	return least;
}

bool log_wants(enum log_level level, const char *event)
{
	if ((int)level < atomic_load_explicit(&levels.kept, memory_order_relaxed))
		return false;
	if (!atomic_load_explicit(&levels.modules, memory_order_relaxed))
		return true;
	return level >= module_level(event);
}

void log_level_set(enum log_level least)
{
	pthread_mutex_lock(&levels.lock);
	atomic_store_explicit(&levels.least, (int)least, memory_order_relaxed);
	kept_update();
	pthread_mutex_unlock(&levels.lock);
}

enum log_level log_level_get(void)
{
	return (enum log_level)atomic_load_explicit(&levels.least, memory_order_relaxed);
}

static bool is_word(struct str module)
{
	for (size_t i = 0; i < module.len; i++)
		if (!(module.data[i] >= 'a' && module.data[i] <= 'z'))
			return false;
	return module.len && module.len < LOG_MODULE_BYTES;
}

int log_module_set(struct str module, enum log_level least, uint64_t for_ms)
{
	int index, r = 0;

	if (!is_word(module))
		return -EINVAL;
	pthread_mutex_lock(&levels.lock);
	expire();
	index = find(module);
	if (index < 0 && levels.modules == LOG_MODULES_MAX) {
		r = -EBUSY;
	} else {
		if (index < 0)
			index = levels.modules++;
		levels.list[index] = (struct log_module){ .least = least,
			.until_ns = clock_after_ms(clock_now_ns(), for_ms) };
		memcpy(levels.list[index].name, module.data, module.len);
		kept_update();
	}
	pthread_mutex_unlock(&levels.lock);
	return r;
}

bool log_module_end(struct str module)
{
	int index;

	pthread_mutex_lock(&levels.lock);
	expire();
	index = find(module);
	if (index >= 0)
		forget(index);
	pthread_mutex_unlock(&levels.lock);
	return index >= 0;
}

unsigned log_modules(struct log_module list[static LOG_MODULES_MAX])
{
	unsigned count;

	pthread_mutex_lock(&levels.lock);
	expire();
	count = (unsigned)levels.modules;
	memcpy(list, levels.list, count * sizeof(list[0]));
	pthread_mutex_unlock(&levels.lock);
	return count;
}

int log_level_parse(struct str name, enum log_level *ret_level)
{
	for (enum log_level level = LOG_LEVEL_DEBUG; level <= LOG_LEVEL_ERROR; level++)
		if (str_equal_nocase(name, str_cstr(log_level_name(level)))) {
			*ret_level = level;
			return 0;
		}
	return -EINVAL;
}

const char *log_level_name(enum log_level level)
{
	static const char *const names[] = { "debug", "info", "warn", "error" };

	assert(level < ARRAY_SIZE(names));
	return names[level];
}
