/* Reading /proc/self/smaps: see mappings.h. Its form is that of proc(5). */
#include "observe/mappings.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "shared/macros.h"

/* glibc's arenas begin at multiples of it where pointers have 64 bits (HEAP_MAX_SIZE of its
 * malloc/arena.c). */
#define ARENA_BYTES (UINT64_C(64) << 20)
#define GUARD_BYTES_MAX 65536 /* a page of the largest kind that Linux is built with */
#define PIECE_PAGES 1024      /* of one mincore() */

static bool is_behind(const struct mapping_reader *reader)
{
	return reader->below.mapping.end == reader->here.mapping.start;
}

/* Variables that are zero at first have no place in the file: they follow what has. */
static bool is_behind_file(const struct mapping_reader *reader)
{
	return is_behind(reader) && reader->below.is_file && reader->below.may_write;
}

static bool is_behind_guard(const struct mapping_reader *reader)
{
	const struct place *below = &reader->below;

	return is_behind(reader) && !below->may_anything &&
	       below->mapping.end - below->mapping.start <= GUARD_BYTES_MAX;
}

static enum mapping_kind anonymous_kind(const struct mapping_reader *reader)
{
	if (is_behind_file(reader))
		return reader->below.mapping.kind;
	if (is_behind_guard(reader))
		return MAPPING_STACK;
	if (reader->here.mapping.start % ARENA_BYTES == 0)
		return MAPPING_HEAP;
	return MAPPING_OTHER;
}

static enum mapping_kind kind_of(
	const struct mapping_reader *reader, char sharing, const char *name)
{
	if (strstr(name, "[io_uring]"))
		return MAPPING_RING;
	if (name[0] == '/' && sharing == 's')
		return MAPPING_FILE;
	if (name[0] == '/')
		return strcmp(name, reader->exe) == 0 ? MAPPING_PROGRAM : MAPPING_LIBRARY;
	if (strcmp(name, "[heap]") == 0)
		return MAPPING_HEAP;
	if (strcmp(name, "[stack]") == 0)
		return MAPPING_STACK;
	if (strcmp(name, "[vdso]") == 0)
		return MAPPING_LIBRARY;
	return anonymous_kind(reader);
}

/* "7f1200000000-7f1200021000 rw-p 00000000 08:01 1234      /usr/lib/libx.so" */
static void head_read(struct mapping_reader *reader, const char *line)
{
	unsigned long start, end;
	char permissions[5], name[PATH_MAX] = "";

	if (sscanf(line, "%lx-%lx %4s %*x %*x:%*x %*u %4095[^\n]", &start, &end, permissions,
		    name) < 3)
		return;
	reader->below = reader->here;
	reader->here = (struct place){ .mapping = { .start = start, .end = end },
		.may_write = permissions[1] == 'w',
		.may_anything = strncmp(permissions, "---", 3) != 0 };
	reader->here.mapping.kind = kind_of(reader, permissions[3], name);
	reader->here.is_file = name[0] == '/';
}

void mapping_line(struct mapping_reader *reader, const char *line)
{
	unsigned long long kilobytes;

	if (line[0] >= 'A' && line[0] <= 'Z') {
		if (sscanf(line, "Rss: %llu kB", &kilobytes) != 1 || !kilobytes)
			return;
		reader->here.mapping.resident = kilobytes * 1024;
		reader->visit(&reader->here.mapping, reader->arg);
		return;
	}
	head_read(reader, line);
}

int mappings_each(mapping_visit *visit, void *arg)
{
	struct mapping_reader reader = { .visit = visit, .arg = arg };
	char exe[PATH_MAX], line[PATH_MAX + 128];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	FILE *file = fopen("/proc/self/smaps", "re");

	if (!file)
		return -errno;
	exe[MAX(n, 0)] = '\0';
	reader.exe = exe;
	while (fgets(line, sizeof(line), file))
		mapping_line(&reader, line);
	(void)fclose(file);
	return 0;
}

uint64_t resident_bytes(const void *start, size_t bytes)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	uintptr_t at = (uintptr_t)start & ~(page - 1), end = (uintptr_t)start + bytes;
	unsigned char pages[PIECE_PAGES];
	uint64_t resident = 0;

	while (at < end) {
		size_t count = MIN((end - at + page - 1) / page, PIECE_PAGES);

		if (mincore((void *)at, count * page, pages) < 0)
			break; /* it was given back meanwhile */
		for (size_t i = 0; i < count; i++)
			resident += pages[i] & 1 ? page : 0;
		at += count * page;
	}
	return resident;
}
