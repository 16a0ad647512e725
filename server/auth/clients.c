/* Clients and their secrets: see clients.h. */
#include "auth/clients.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "crypt/signing.h"
#include "shared/err.h"
#include "shared/macros.h"
#include "shared/secret.h"

#define LINE_BYTES 512 /* an id and a secret of some hundred characters */

static struct {
	unsigned count;
	struct entry {
		char id[CLIENT_ID_BYTES_MAX + 1];
		uint8_t digest[SHA256_BYTES];
	} items[CLIENTS_MAX];
} clients;

static int refuse(const char *why, const char **ret_why)
{
	*ret_why = why;
	return -EINVAL;
}

/* --- reading --- */

static int hex_read(struct str text, uint8_t digest[static SHA256_BYTES])
{
	static const char digits[] = "0123456789abcdef";

	if (text.len != 2 * SHA256_BYTES)
		return -EINVAL;
	for (size_t i = 0; i < text.len; i++) {
		const char *at = text.data[i] ? strchr(digits, ascii_lower(text.data[i])) : NULL;

		if (!at)
			return -EINVAL;
		digest[i / 2] = (uint8_t)(digest[i / 2] << 4 | (at - digits));
	}
	return 0;
}

static int secret_take(struct str secret, struct entry *entry, const char **ret_why)
{
	const struct str digested = STR("sha256:");

	if (str_starts(secret, digested)) {
		if (hex_read(str_skip(secret, digested.len), entry->digest) < 0)
			return refuse("a digest has 64 hexadecimal digits", ret_why);
		return 0;
	}
	if (secret.len < CLIENT_SECRET_BYTES_MIN)
		return refuse("a secret has at least 16 characters", ret_why);
	sha256(secret, entry->digest);
	return 0;
}

static int line_take(struct str line, const char **ret_why)
{
	struct entry entry = {};
	struct str id, secret;
	int r;

	line = str_trim(line);
	if (!line.len || line.data[0] == '#')
		return 0;
	if (clients.count == CLIENTS_MAX)
		return refuse("there are more than 64 clients", ret_why);
	(void)str_split(&line, ' ', &id);
	secret = str_trim(line);
	if (!secret.len || str_index(secret, ' ') >= 0)
		return refuse("write an id, a space and a secret", ret_why);
	if (!id.len || id.len > CLIENT_ID_BYTES_MAX || str_index(id, ':') >= 0)
		return refuse("an id has 1 to 64 characters and no colon", ret_why);
	memcpy(entry.id, id.data, id.len);
	for (unsigned i = 0; i < clients.count; i++)
		if (strcmp(clients.items[i].id, entry.id) == 0)
			return refuse("this client is there twice", ret_why);
	r = secret_take(secret, &entry, ret_why);
	if (r == 0)
		clients.items[clients.count++] = entry;
	return r;
}

static void file_close(FILE **file)
{
	if (*file)
		(void)fclose(*file);
}

static int lines_take(FILE *file, unsigned *ret_line, const char **ret_why)
{
	char text[LINE_BYTES];
	int r = 0;

	while (r == 0 && fgets(text, sizeof(text), file)) {
		struct str line = str_cstr(text);

		++*ret_line;
		if (line.len == sizeof(text) - 1 && line.data[line.len - 1] != '\n')
			r = refuse("the line is too long", ret_why);
		else
			r = line_take(line, ret_why);
	}
	secret_wipe(text, sizeof(text));
	if (r == 0)
		*ret_line = 0;
	return r == 0 && ferror(file) ? -EIO : r;
}

int clients_load(const char *path, unsigned *ret_line, const char **ret_why)
{
	_cleanup_(file_close) FILE *file = NULL;
	char buffer[BUFSIZ];
	struct stat stat;
	int r;

	*ret_line = 0;
	*ret_why = NULL;
	clients_unload();
	if (!*path)
		return 0;
	file = fopen(path, "re");
	if (!file)
		return -errno;
	/* Ours, so that it can be wiped. */
	setvbuf(file, buffer, _IOFBF, sizeof(buffer));
	if (fstat(fileno(file), &stat) == 0 && (stat.st_mode & S_IRWXO))
		return refuse("everybody may read it: chmod o= first, it holds secrets", ret_why);
	r = lines_take(file, ret_line, ret_why);
	secret_wipe(buffer, sizeof(buffer));
	if (r < 0)
		clients_unload();
	return r;
}

void clients_unload(void)
{
	secret_wipe(&clients, sizeof(clients));
}

/* --- checking --- */

bool client_check(struct str id, struct str secret)
{
	uint8_t digest[SHA256_BYTES];
	bool is_right = false;

	sha256(secret, digest);
	/* All are looked at: the time tells neither which ids there are nor where they stand. */
	for (unsigned i = 0; i < CLIENTS_MAX; i++) {
		const struct entry *entry = &clients.items[i];
		bool is_same = secret_equal(str_of((const char *)entry->digest, SHA256_BYTES),
			str_of((const char *)digest, SHA256_BYTES));

		is_right |= is_same & (i < clients.count) & str_equal(str_cstr(entry->id), id);
	}
	return is_right;
}
