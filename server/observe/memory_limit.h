/*
 * How much memory the process may have before the kernel ends something: the least of its control
 * group's memory.max and that of those above it (cgroup v2). Any thread.
 */
#pragma once

#include <stdint.h>

/* Bytes; 0: there is no limit, or it cannot be told. */
uint64_t memory_limit(void);

/* For tests: the same below another root, of the group that a line "0::/path" names. */
uint64_t memory_limit_of(const char *root, const char *group);
