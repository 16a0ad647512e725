/* glibc or jemalloc: see allocator.h. jemalloc is asked by its mallctl(), if that is there. */
#include "observe/allocator.h"

#include <errno.h>
#include <malloc.h>
#include <stddef.h>
#include <stdio.h>

/* Of jemalloc: found at run time, whether it was linked or preloaded. */
extern int mallctl(const char *name, void *old, size_t *old_bytes, void *new, size_t new_bytes)
	__attribute__((weak));

/*
 * Read by jemalloc at its start. Profiling costs nothing until it is switched on; a few arenas are
 * enough for our threads, and what is free goes back within a second.
 */
extern const char *malloc_conf;
__attribute__((visibility("default"))) const char *malloc_conf =
	"prof:true,prof_active:false,narenas:4,dirty_decay_ms:1000,muzzy_decay_ms:0";

static uint64_t number(const char *name)
{
	size_t value = 0, bytes = sizeof(value);

	return mallctl(name, &value, &bytes, NULL, 0) == 0 ? value : 0;
}

static void jemalloc_stats(struct allocator_stats *stats)
{
	uint64_t epoch = 1;

	/* Its numbers are those of the last epoch. */
	(void)mallctl("epoch", NULL, NULL, &epoch, sizeof(epoch));
	*stats = (struct allocator_stats){ .name = "jemalloc",
		.allocated = number("stats.allocated"),
		.resident = number("stats.resident"),
		.retained = number("stats.resident") - number("stats.active"),
		.metadata = number("stats.metadata"),
		.mapped = number("stats.resident") };
}

void allocator_stats(struct allocator_stats *ret_stats)
{
	struct mallinfo2 heap;

	if (mallctl) {
		jemalloc_stats(ret_stats);
		return;
	}
	heap = mallinfo2();
	*ret_stats = (struct allocator_stats){ .name = "glibc",
		.allocated = heap.uordblks + heap.hblkhd,
		.resident = heap.arena + heap.hblkhd,
		.retained = heap.fordblks,
		.mapped = heap.hblkhd };
}

#define ARENAS_ALL "4096" /* MALLCTL_ARENAS_ALL */

void allocator_purge(void)
{
	if (mallctl)
		(void)mallctl("arena." ARENAS_ALL ".purge", NULL, NULL, NULL, 0);
	else
		(void)malloc_trim(0);
}

int allocator_profile(bool is_on)
{
	if (!mallctl)
		return -EOPNOTSUPP;
	return mallctl("prof.active", NULL, NULL, &is_on, sizeof(is_on)) == 0 ? 0 : -ENODEV;
}

int allocator_profile_check(void)
{
	bool can = false;
	size_t bytes = sizeof(can);

	if (!mallctl)
		return -EOPNOTSUPP;
	return mallctl("opt.prof", &can, &bytes, NULL, 0) == 0 && can ? 0 : -ENODEV;
}

int allocator_profile_dump(int fd)
{
	char path[64];
	const char *name = path;
	int r = allocator_profile_check();

	if (r < 0)
		return r;
	/* It wants a name: this one is the open file, wherever that is. */
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return mallctl("prof.dump", NULL, NULL, &name, sizeof(name)) == 0 ? 0 : -EIO;
}
