/*
 * What the kernel says of our memory: each mapping and how much of it is resident
 * (/proc/self/smaps), and how much of some piece of it (mincore). Any thread; asking walks page
 * tables, about a millisecond for a hundred mappings.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum mapping_kind {
	MAPPING_PROGRAM, /* authd's own file, with what it has of variables */
	MAPPING_LIBRARY, /* any other file that is mapped privately, likewise */
	MAPPING_FILE,    /* shared: a file of data, such as the index of the store's log */
	MAPPING_RING,    /* shared with the kernel: io_uring */
	MAPPING_STACK,   /* behind a guard page; and that of the first thread */
	MAPPING_HEAP,    /* the allocator's for sure: what grew by brk(), glibc's arenas */
	MAPPING_OTHER,   /* anonymous: its owner must say so */
};

struct mapping {
	uintptr_t start, end;
	uint64_t resident;
	enum mapping_kind kind;
};

typedef void mapping_visit(const struct mapping *mapping, void *arg);

/* Those that have resident pages, by address. 0, or -errno: nothing is known. */
int mappings_each(mapping_visit *visit, void *arg);

/* Of the pages that a piece of memory lies in. */
uint64_t resident_bytes(const void *start, size_t bytes);

/* --- for tests: the same from lines as smaps has them --- */

struct mapping_reader {
	const char *exe; /* the path of the program */
	mapping_visit *visit;
	void *arg;
	struct place {
		struct mapping mapping;
		bool is_file, may_write, may_anything;
	} here, below; /* the mapping whose lines are read, and the one before it */
};

void mapping_line(struct mapping_reader *reader, const char *line);
