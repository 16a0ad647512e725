/*
 * report: what the daemon knows of itself in one archive for support. It is written into a memfd
 * and the descriptor is passed to the client, so that the daemon needs no write access anywhere and
 * takes no path from a client. Commands that show personal data are not in it.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/control.h"
#include "control/dialog.h"
#include "control/handlers.h"
#include "shared/clock.h"
#include "shared/macros.h"

static const struct entry {
	const char *command, *file, *about;
} entries[] = {
	{ "meta.version", "version.jsonl", "version of the daemon" },
	{ "status", "status.jsonl", "the numbers of status" },
	{ "health", "health.jsonl", "checks and verdicts" },
	{ "doctor", "doctor.jsonl", "findings with their evidence" },
	{ "core.list", "cores.jsonl", "load of each core" },
	{ "pool.list", "pools.jsonl", "pools and queues" },
	{ "mem.show", "memory.jsonl", "memory by use" },
	{ "config.show", "config.jsonl", "options in force, secrets as (set)" },
	{ "config.history", "generations.jsonl", "generations of the configuration" },
};

#define BLOCK_BYTES 512 /* tar's unit */
#define ENTRY_BYTES_MAX DIALOG_OUT_BYTES_MAX

/* POSIX ustar: what every tar reads. */
struct tar_header {
	char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8], type, link[100];
	char magic[6], version[2], user[32], group[32], major[8], minor[8], prefix[155], pad[12];
};
static_assert(sizeof(struct tar_header) == BLOCK_BYTES, "one block");

static int all_write(int fd, const void *data, size_t bytes)
{
	const char *at = data;

	while (bytes) {
		ssize_t n = write(fd, at, bytes);

		if (n < 0)
			return -errno;
		at += n;
		bytes -= (size_t)n;
	}
	return 0;
}

static int tar_add(int fd, const char *name, struct str content)
{
	static const char zeros[BLOCK_BYTES];
	struct tar_header header = { .type = '0', .magic = "ustar", .version = { '0', '0' } };
	unsigned sum = 0;
	int r;

	(void)snprintf(header.name, sizeof(header.name), "authd-report/%s", name);
	memcpy(header.mode, "0000600", 8);
	memcpy(header.uid, "0000000", 8);
	memcpy(header.gid, "0000000", 8);
	(void)snprintf(header.size, sizeof(header.size), "%011zo", content.len);
	(void)snprintf(header.mtime, sizeof(header.mtime), "%011llo",
		(unsigned long long)(clock_wall_ms() / 1000) & 077777777777);
	memset(header.checksum, ' ', sizeof(header.checksum));
	for (size_t i = 0; i < sizeof(header); i++)
		sum += ((const unsigned char *)&header)[i];
	(void)snprintf(header.checksum, sizeof(header.checksum), "%06o", sum & 0777777);
	r = all_write(fd, &header, sizeof(header));
	if (r == 0)
		r = all_write(fd, content.data, content.len);
	if (r == 0 && content.len % BLOCK_BYTES)
		r = all_write(fd, zeros, BLOCK_BYTES - content.len % BLOCK_BYTES);
	return r;
}

static int tar_end(int fd)
{
	static const char zeros[2 * BLOCK_BYTES];
	int r = all_write(fd, zeros, sizeof(zeros));

	return r < 0 ? r : lseek(fd, 0, SEEK_SET) < 0 ? -errno : 0;
}

/* The frames of another command's answer: its rows, one a line. */
static void answer_of(const struct control_request *request, const char *command, struct buf *out)
{
	struct control_request other = { .is_used = true,
		.dialog = request->dialog,
		.context = request->context,
		.peer = request->peer,
		.out = out,
		.command = command_find(str_cstr(command)),
		.handler = handler_find(str_cstr(command)),
		.id = request->id,
		.gather = request->gather, /* borrowed: who answered is the same for all */
		.started_ns = request->started_ns };

	arena_init(&other.arena, 1024, REQUEST_ARENA_BYTES_MAX);
	other.handler->answer(&other);
	arena_deinit(&other.arena);
}

static void entry_row(
	struct control_request *request, const char *file, const char *about, size_t bytes)
{
	struct json_writer *w = request_row_begin(request);

	json_put_str(w, "file", str_cstr(file));
	json_put_u64(w, "bytes", bytes);
	json_put_str(w, "about", str_cstr(about));
	request_row_end(request);
}

static int bundle(struct control_request *request, int fd)
{
	_cleanup_(buf_deinit) struct buf manifest = buf_init(ENTRY_BYTES_MAX);
	int r = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(entries) && r == 0; i++) {
		_cleanup_(buf_deinit) struct buf content = buf_init(ENTRY_BYTES_MAX);

		answer_of(request, entries[i].command, &content);
		r = tar_add(fd, entries[i].file, buf_str(&content));
		if (r == 0)
			r = buf_printf(&manifest, "%-18s %8zu  %s\n", entries[i].file, content.len,
				entries[i].about);
		entry_row(request, entries[i].file, entries[i].about, content.len);
	}
	if (r == 0)
		r = tar_add(fd, "MANIFEST", buf_str(&manifest));
	return r < 0 ? r : tar_end(fd);
}

void handle_report(struct control_request *request)
{
	int fd = memfd_create("authd-report", MFD_CLOEXEC);
	int r = fd < 0 ? -errno : bundle(request, fd);

	if (r < 0 && fd >= 0)
		close(fd);
	if (r == 0)
		r = dialog_pass(request->dialog, fd);
	if (r < 0)
		request_fail(request, OUTCOME_FAILED, NULL, "no report: %s", strerror(-r));
}
