/* Descriptors from outside: see inherit.h. */
#include "core/inherit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shared/str.h"

#define FIRST_FD 3 /* SD_LISTEN_FDS_START */

static struct {
	struct inherited rows[INHERITED_MAX];
	unsigned count;
	char *names; /* what the rows' names point into; kept to the end */
} inherit;

static bool is_for_us(bool has_parent)
{
	const char *text = getenv("LISTEN_PID");
	uint64_t pid;

	if (!text)
		return has_parent;
	return str_to_u64(str_cstr(text), &pid) == 0 && pid == (uint64_t)getpid();
}

static void variables_clear(void)
{
	(void)unsetenv("LISTEN_PID");
	(void)unsetenv("LISTEN_FDS");
	(void)unsetenv("LISTEN_FDNAMES");
}

static int count_read(bool has_parent, unsigned *ret_count)
{
	const char *text = getenv("LISTEN_FDS");
	uint64_t count;

	*ret_count = 0;
	if (!text || !is_for_us(has_parent))
		return 0;
	if (str_to_u64(str_cstr(text), &count) < 0)
		return -EINVAL;
	if (count > INHERITED_MAX)
		return -E2BIG;
	*ret_count = (unsigned)count;
	return 0;
}

/* The next name of the list, cut off with a zero byte; "unknown" is systemd's word for none. */
static const char *name_next(char **rest)
{
	const char *name = *rest ? strsep(rest, ":") : NULL;

	return name && *name ? name : "unknown";
}

static int rows_fill(unsigned count)
{
	const char *names = getenv("LISTEN_FDNAMES");
	char *rest;

	inherit.names = strdup(names ? names : "");
	if (!inherit.names)
		return -ENOMEM;
	rest = *inherit.names ? inherit.names : NULL;
	for (unsigned i = 0; i < count; i++) {
		int fd = FIRST_FD + (int)i;

		if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
			return -errno;
		inherit.rows[i] = (struct inherited){ .fd = fd, .name = name_next(&rest) };
	}
	inherit.count = count;
	return (int)count;
}

int inherit_read(bool has_parent)
{
	unsigned count;
	int r = count_read(has_parent, &count);

	if (r == 0 && count)
		r = rows_fill(count);
	variables_clear();
	return r;
}

struct inherited *inherited_at(unsigned index)
{
	return index < inherit.count ? &inherit.rows[index] : NULL;
}

int inherit_take(const char *name)
{
	for (unsigned i = 0; i < inherit.count; i++) {
		struct inherited *row = &inherit.rows[i];

		if (row->is_taken || strcmp(row->name, name) != 0)
			continue;
		row->is_taken = true;
		return row->fd;
	}
	return -ENOENT;
}

void inherit_close_rest(void)
{
	for (unsigned i = 0; i < inherit.count; i++)
		if (!inherit.rows[i].is_taken)
			close(inherit.rows[i].fd);
	inherit.count = 0;
}
