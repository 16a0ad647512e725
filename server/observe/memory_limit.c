/* The limits of control groups: see memory_limit.h. */
#include "observe/memory_limit.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "shared/macros.h"

#define ROOT "/sys/fs/cgroup"

/* Of one group: "max" and what is not there are no limit. */
static uint64_t limit_read(const char *root, const char *group)
{
	char path[PATH_MAX];
	unsigned long long bytes = 0;
	FILE *file;

	if (snprintf(path, sizeof(path), "%s%s/memory.max", root, group) >= (int)sizeof(path))
		return 0;
	file = fopen(path, "re");
	if (!file)
		return 0;
	if (fscanf(file, "%llu", &bytes) != 1)
		bytes = 0;
	(void)fclose(file);
	return bytes;
}

uint64_t memory_limit_of(const char *root, const char *group)
{
	uint64_t least = UINT64_MAX, limit;
	char path[PATH_MAX];

	if (snprintf(path, sizeof(path), "%s", group) >= (int)sizeof(path))
		return 0;
	for (;;) {
		char *slash = strrchr(path, '/');

		limit = limit_read(root, path);
		if (limit)
			least = MIN(least, limit);
		if (!slash)
			break;
		*slash = '\0';
	}
	return least == UINT64_MAX ? 0 : least;
}

uint64_t memory_limit(void)
{
	char line[PATH_MAX], group[PATH_MAX] = "";
	FILE *file = fopen("/proc/self/cgroup", "re");

	if (!file)
		return 0;
	while (fgets(line, sizeof(line), file))
		if (strncmp(line, "0::", 3) == 0)
			(void)snprintf(group, sizeof(group), "%s", line + 3);
	(void)fclose(file);
	group[strcspn(group, "\n")] = '\0';
	return group[0] == '/' ? memory_limit_of(ROOT, group) : 0;
}
