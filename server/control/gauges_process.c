/* Metrics of the process: memory, processor, descriptors, log. See gauges.h. */
#include <dirent.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>

#include "control/control.h"
#include "control/gauges.h"
#include "control/memory.h"
#include "observe/allocator.h"
#include "observe/log.h"
#include "observe/memory_limit.h"
#include "observe/trace.h"
#include "shared/macros.h"

const char *metering_allocator(void)
{
	struct allocator_stats stats;

	allocator_stats(&stats);
	return stats.name;
}

void meter_memory(struct metering *m)
{
	struct memory_parts parts;

	memory_parts(m->context, MEMORY_AGE_MS, &parts);
	for (enum memory_part part = 0; part < MEMORY_PARTS; part++)
		put1(m, memory_part_names[part], (double)parts.bytes[part]);
	put1(m, "unexplained", (double)parts.unexplained);
}

void meter_memory_limit(struct metering *m)
{
	uint64_t limit = memory_limit();

	if (limit)
		put(m, (double)limit);
}

void meter_allocator(struct metering *m)
{
	struct allocator_stats stats;

	allocator_stats(&stats);
	put1(m, "allocated", (double)stats.allocated);
	put1(m, "active", (double)(stats.resident - MIN(stats.retained, stats.resident)));
	put1(m, "resident", (double)stats.resident);
	put1(m, "retained", (double)stats.retained);
	put1(m, "metadata", (double)stats.metadata);
}

void meter_log_dropped(struct metering *m)
{
	put1(m, log_destination(), (double)log_dropped());
}

void meter_log_suppressed(struct metering *m)
{
	put(m, (double)log_suppressed());
}

void meter_trace_spans(struct metering *m)
{
	struct trace_stats stats;

	trace_stats(&stats);
	put1(m, "exported", (double)stats.exported);
	put1(m, "dropped", (double)stats.dropped);
	put1(m, "rejected", (double)stats.rejected);
}

void meter_trace_failures(struct metering *m)
{
	struct trace_stats stats;

	trace_stats(&stats);
	put(m, (double)stats.failures);
}

static double seconds(const struct timeval *time)
{
	return (double)time->tv_sec + (double)time->tv_usec / 1e6;
}

void meter_cpu(struct metering *m)
{
	struct rusage usage;

	if (getrusage(RUSAGE_SELF, &usage) == 0)
		put(m, seconds(&usage.ru_utime) + seconds(&usage.ru_stime));
}

void meter_rss(struct metering *m)
{
	put(m, (double)memory_rss());
}

/* Before Linux 6.2: ten thousand connections are ten thousand entries, some milliseconds. */
static unsigned fds_count(void)
{
	DIR *folder = opendir("/proc/self/fd");
	unsigned count = 0;

	if (!folder)
		return 0;
	while (readdir(folder))
		count++;
	(void)closedir(folder);
	return count > 3 ? count - 3 : 0; /* ".", ".." and the folder itself */
}

/* Since Linux 6.2 the size of that folder is the answer; before, it is 0. */
unsigned descriptors_open(void)
{
	struct stat folder;

	return stat("/proc/self/fd", &folder) == 0 && folder.st_size ? (unsigned)folder.st_size
								     : fds_count();
}

void meter_open_fds(struct metering *m)
{
	unsigned count = descriptors_open();

	if (count)
		put(m, count);
}

void meter_max_fds(struct metering *m)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
		put(m, (double)limit.rlim_cur);
}
