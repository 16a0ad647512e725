/* What is read from /proc/self/smaps: kinds of mappings, resident pages. */
#include "observe/mappings.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "support/test.h"

static struct mapping seen[32];
static unsigned seen_count;

static void see(const struct mapping *mapping, void *arg)
{
	(void)arg;
	assert_in_range(seen_count, 0, 31);
	seen[seen_count++] = *mapping;
}

static void read_lines(const char *const *lines)
{
	struct mapping_reader reader = { .exe = "/usr/sbin/authd", .visit = see };

	seen_count = 0;
	for (; *lines; lines++)
		mapping_line(&reader, *lines);
}

TEST(each_mapping_is_known_for_what_it_is)
{
	static const enum mapping_kind kinds[] = { MAPPING_PROGRAM, MAPPING_PROGRAM, MAPPING_HEAP,
		MAPPING_HEAP, MAPPING_STACK, MAPPING_OTHER, MAPPING_RING, MAPPING_LIBRARY,
		MAPPING_LIBRARY, MAPPING_FILE, MAPPING_STACK };

	read_lines((const char *const[]){ "5000-6000 rw-p 00000000 08:01 1     /usr/sbin/authd\n",
		"Size: 4 kB\n", "Rss:                 196 kB\n", "Pss:                 7 kB\n",
		"6000-7000 rw-p 00000000 00:00 0 \n", "Rss:                   8 kB\n",
		"9000-a000 rw-p 00000000 00:00 0     [heap]\n", "Rss:                1316 kB\n",
		"7fc9a4000000-7fc9a4021000 rw-p 00000000 00:00 0 \n", "Rss:    24 kB\n",
		"7fc9a4021000-7fc9a8000000 ---p 00000000 00:00 0 \n", "Rss:     0 kB\n",
		"7fc9ab7ff000-7fc9ab800000 ---p 00000000 00:00 0 \n", "Rss:     0 kB\n",
		"7fc9ab800000-7fc9ac000000 rw-p 00000000 00:00 0 \n", "Rss:    12 kB\n",
		"7fc9bdc6a000-7fc9bdd6a000 rw-p 00000000 00:00 0 \n", "Rss:     4 kB\n",
		"7fc9c4091000-7fc9c40a1000 rw-s 00000000 00:0e 5 anon_inode:[io_uring]\n",
		"Rss:    64 kB\n",
		"7fc9c7512000-7fc9c7514000 rw-p 001d3000 08:01 2 /usr/lib/libc.so.6 (deleted)\n",
		"Rss:     8 kB\n", "7fc9c7514000-7fc9c7521000 rw-p 00000000 00:00 0 \n",
		"Rss:    24 kB\n",
		"7fc9c7e23000-7fc9c7e2b000 rw-s 00000000 00:33 3 /var/lib/authd/a b.db-shm\n",
		"Rss:    32 kB\n", "7ffc9bee0000-7ffc9bf01000 rw-p 00000000 00:00 0 [stack]\n",
		"Rss:    92 kB\n", "VmFlags: rd wr mr mw me gd ac\n", NULL });
	assert_int_equal(seen_count, sizeof(kinds) / sizeof(kinds[0]));
	for (unsigned i = 0; i < seen_count; i++)
		assert_int_equal(seen[i].kind, kinds[i]);
	assert_int_equal(seen[0].resident, 196 * 1024);
	assert_int_equal(seen[4].end - seen[4].start, 8 << 20);
}

TEST(lines_that_are_something_else_are_passed_over)
{
	read_lines((const char *const[]){
		"", "\n", "Rss: many kB\n", "5000 rw-p\n", "zz-yy rw-p\n", "Rss: 0 kB\n", NULL });
	assert_int_equal(seen_count, 0);
}

static const void *wanted;
static uint64_t found_resident;

static void find(const struct mapping *mapping, void *arg)
{
	(void)arg;
	if (mapping->start <= (uintptr_t)wanted && (uintptr_t)wanted < mapping->end)
		found_resident = mapping->resident;
}

TEST(pages_are_resident_once_they_are_touched)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), bytes = 3000 * page;
	char *piece = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_true(piece != MAP_FAILED);
	(void)madvise(piece, bytes, MADV_NOHUGEPAGE);
	assert_int_equal(resident_bytes(piece, bytes), 0);
	piece[0] = piece[page] = piece[2500 * page] = 1;
	assert_int_equal(resident_bytes(piece, bytes), 3 * page);
	/* A piece has pages in part, too. */
	assert_int_equal(resident_bytes(piece + page - 1, 2), 2 * page);
	assert_int_equal(resident_bytes(piece + 1, 1), page);
	assert_int_equal(resident_bytes(piece, 0), 0);
	wanted = piece;
	assert_int_equal(mappings_each(find, NULL), 0);
	assert_true(found_resident >= 3 * page);
	munmap(piece, bytes);
}
