/* The least of the limits of a control group and of those above it. */
#include "observe/memory_limit.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/test.h"

static char root[] = "/tmp/memory-limit-XXXXXX";

static void group_make(const char *group, const char *limit)
{
	char path[256];
	FILE *file;

	(void)snprintf(path, sizeof(path), "%s%s", root, group);
	(void)mkdir(path, 0700);
	(void)snprintf(path, sizeof(path), "%s%s/memory.max", root, group);
	file = fopen(path, "we");
	assert_non_null(file);
	(void)fprintf(file, "%s\n", limit);
	(void)fclose(file);
}

static void group_remove(const char *group)
{
	char path[256];

	(void)snprintf(path, sizeof(path), "%s%s/memory.max", root, group);
	assert_int_equal(unlink(path), 0);
	(void)snprintf(path, sizeof(path), "%s%s", root, group);
	assert_int_equal(rmdir(path), 0);
}

TEST(the_least_limit_on_the_way_up_counts)
{
	assert_non_null(mkdtemp(root));
	group_make("/a", "500000000");
	group_make("/a/b", "max");
	group_make("/a/b/c", "700000000");
	assert_int_equal(memory_limit_of(root, "/a/b/c"), 500000000);
	assert_int_equal(memory_limit_of(root, "/a/b"), 500000000);
	group_make("/a/b/c", "300000000");
	assert_int_equal(memory_limit_of(root, "/a/b/c"), 300000000);
	group_make("/a", "max");
	assert_int_equal(memory_limit_of(root, "/a/b"), 0);
	assert_int_equal(memory_limit_of(root, "/"), 0);
	assert_int_equal(memory_limit_of(root, "/nowhere"), 0);
	group_remove("/a/b/c");
	group_remove("/a/b");
	group_remove("/a");
	assert_int_equal(rmdir(root), 0);
}
