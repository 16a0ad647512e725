/*
 * Mails as files of a folder, for whoever has no mail server: NAME.eml, names in the order of time.
 * For development: what is in there lets whoever may read it into the accounts.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mail/transport.h"
#include "shared/macros.h"
#include "shared/random.h"

#define FILES_MAX 1000 /* one more, and the oldest is removed */

static int folder = -1;

static int folder_open(
	const struct transport_options *options, char why[static TRANSPORT_WHY_BYTES])
{
	int r = 0;

	if (mkdir(options->folder, 0700) < 0 && errno != EEXIST)
		r = -errno;
	if (r == 0)
		folder = open(options->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (r == 0 && folder < 0)
		r = -errno;
	if (r < 0)
		(void)snprintf(
			why, TRANSPORT_WHY_BYTES, "%.180s: %s", options->folder, strerror(-r));
	return r;
}

static void folder_close(void)
{
	if (folder >= 0)
		close(folder);
	folder = -1;
}

static int is_mail(const struct dirent *entry)
{
	const char *end = strrchr(entry->d_name, '.');

	return end && strcmp(end, ".eml") == 0;
}

/* Names begin with their time: the oldest come first. */
static void folder_trim(void)
{
	struct dirent **entries;
	int count = scandirat(folder, ".", &entries, is_mail, alphasort);

	for (int i = 0; i < count; i++) {
		if (i < count - FILES_MAX)
			(void)unlinkat(folder, entries[i]->d_name, 0);
		free(entries[i]);
	}
	if (count >= 0)
		free(entries);
}

static int write_all(int fd, struct str text)
{
	while (text.len) {
		ssize_t n = write(fd, text.data, text.len);

		if (n < 0 && errno != EINTR)
			return -errno;
		text = n < 0 ? text : str_skip(text, (size_t)n);
	}
	return fsync(fd) < 0 ? -errno : 0;
}

/* Whoever looks finds whole mails only: they get their name when they are on the disk. */
static int file_make(struct str message)
{
	char id[UUID_BYTES], part[UUID_BYTES + 8], name[UUID_BYTES + 8];
	int fd, r;

	(void)snprintf(part, sizeof(part), "%s.part", uuid_new(id).data);
	(void)snprintf(name, sizeof(name), "%s.eml", id);
	fd = openat(folder, part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	r = write_all(fd, message);
	close(fd);
	if (r == 0 && renameat(folder, part, folder, name) < 0)
		r = -errno;
	if (r < 0)
		(void)unlinkat(folder, part, 0);
	return r == 0 && fsync(folder) < 0 ? -errno : r;
}

static enum transport_outcome folder_send(
	const struct envelope *envelope, char why[static TRANSPORT_WHY_BYTES])
{
	int r = file_make(envelope->message);

	if (r < 0) {
		(void)snprintf(
			why, TRANSPORT_WHY_BYTES, "a file cannot be written: %s", strerror(-r));
		return TRANSPORT_DOWN;
	}
	folder_trim();
	return TRANSPORT_SENT;
}

const struct transport transport_folder = {
	.name = "file", .open = folder_open, .send = folder_send, .close = folder_close
};
