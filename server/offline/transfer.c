/* Moving a store: see transfer.h. What a line says is in transfer_lines.c. */
#include "offline/transfer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shared/err.h"
#include "shared/macros.h"
#include "shared/secret.h"
#include "offline/transfer_lines.h"

#define ROWS 64 /* read or written at a time; in one transaction where there are any */

struct transfer {
	const struct store_backend *backend;
	void *connection;
	const char *path;
	FILE *file;
	bool is_new;
	uint64_t line;
	struct transfer_sum sum;
	/* The last account and session that the file has. */
	char account_id[STORE_ID_BYTES_MAX + 1], session_id[STORE_ID_BYTES_MAX + 1];
	unsigned key_count;
	uint64_t put, there;
	struct buf text;
	struct account *accounts;
	struct session_record *sessions;
	struct store_key *keys;
};

static int fail(const struct transfer *t, int error, const char *why)
{
	if (t->line)
		(void)fprintf(stderr, "authd: %s:%llu: %s\n", t->path, (unsigned long long)t->line,
			why ? why : err_text(error));
	else
		(void)fprintf(stderr, "authd: %s: %s\n", t->path, why ? why : err_text(error));
	return error;
}

static int store_failed(struct transfer *t, int error)
{
	return fail(t, error, t->backend->reason(t->connection));
}

static int begin(struct transfer *t, const char *path)
{
	const char *why;
	int r;

	*t = (struct transfer){
		.backend = store_backend(), .path = path, .text = buf_init(TRANSFER_LINE_BYTES_MAX)
	};
	if (!t->backend->accounts_scan)
		return fail(t, -EOPNOTSUPP, "this backend is not moved");
	t->accounts = calloc(ROWS, sizeof(*t->accounts));
	t->sessions = calloc(ROWS, sizeof(*t->sessions));
	t->keys = calloc(STORE_KEYS_MAX, sizeof(*t->keys));
	if (!t->accounts || !t->sessions || !t->keys)
		return fail(t, -ENOMEM, NULL);
	r = store_connect(&t->connection, &why);
	return r < 0 ? fail(t, r, why) : 0;
}

static void wipe(void *memory, size_t bytes)
{
	secret_wipe(memory, bytes);
	free(memory);
}

static void end(struct transfer *t)
{
	if (t->file)
		(void)fclose(t->file);
	if (t->connection)
		t->backend->disconnect(t->connection);
	buf_wipe(&t->text);
	wipe(t->accounts, ROWS * sizeof(*t->accounts));
	wipe(t->sessions, ROWS * sizeof(*t->sessions));
	wipe(t->keys, STORE_KEYS_MAX * sizeof(*t->keys));
}

/* --- lines --- */

/* The next line without its end, in t->text: 1, or 0 at the end of the file or of its last whole
 * line. */
static int line_read(struct transfer *t)
{
	int c;

	buf_clear(&t->text);
	t->line++;
	while ((c = getc(t->file)) != EOF && c != '\n')
		if (buf_append_char(&t->text, (char)c) < 0)
			return fail(t, -EMSGSIZE, "no line of ours is so long");
	if (ferror(t->file))
		return fail(t, -EIO, NULL);
	return c == '\n';
}

static int line_write(struct transfer *t, int made)
{
	if (made < 0)
		return fail(t, made, NULL);
	t->line++;
	transfer_sum_add(&t->sum, buf_str(&t->text));
	if (buf_append_char(&t->text, '\n') < 0 ||
		fwrite(t->text.data, 1, t->text.len, t->file) != t->text.len)
		return fail(t, -EIO, "cannot be written: is the disk full?");
	return 0;
}

/* --- export --- */

static int accounts_export(struct transfer *t)
{
	int count, r = 0;

	while (r == 0) {
		count = t->backend->accounts_scan(t->connection, t->account_id, t->accounts, ROWS);
		if (count <= 0)
			return count < 0 ? store_failed(t, count) : 0;
		for (int i = 0; i < count && r == 0; i++)
			r = line_write(t, transfer_account_print(&t->accounts[i], &t->text));
		memcpy(t->account_id, t->accounts[count - 1].id, sizeof(t->account_id));
	}
	return r;
}

static int sessions_export(struct transfer *t)
{
	int count, r = 0;

	while (r == 0) {
		count = t->backend->sessions_scan(t->connection, t->session_id, t->sessions, ROWS);
		if (count <= 0)
			return count < 0 ? store_failed(t, count) : 0;
		for (int i = 0; i < count && r == 0; i++)
			r = line_write(t, transfer_session_print(&t->sessions[i], &t->text));
		memcpy(t->session_id, t->sessions[count - 1].session.id, sizeof(t->session_id));
	}
	return r;
}

static int keys_export(struct transfer *t)
{
	int count = t->backend->keys_load(t->connection, t->keys), r = 0;

	if (count < 0)
		return store_failed(t, count);
	for (int i = (int)t->key_count; i < count && r == 0; i++)
		r = line_write(t, transfer_key_print(&t->keys[i], &t->text));
	return r;
}

/* Reads what an export before this one has written, and cuts off the line that it did not finish.
 */
static int resume(struct transfer *t)
{
	struct transfer_line line;
	long whole = 0;
	int r;

	while ((r = line_read(t)) == 1) {
		r = transfer_line_parse(buf_str(&t->text), &line);
		if (r < 0)
			return fail(t, r, "is no line of an export");
		if (line.type == TRANSFER_END)
			return fail(t, -EEXIST, "is a whole export already: name another file");
		transfer_sum_add(&t->sum, buf_str(&t->text));
		if (line.type == TRANSFER_ACCOUNT)
			memcpy(t->account_id, line.account.id, sizeof(t->account_id));
		if (line.type == TRANSFER_SESSION)
			memcpy(t->session_id, line.session.session.id, sizeof(t->session_id));
		t->key_count += line.type == TRANSFER_KEY;
		transfer_line_wipe(&line);
		whole = ftell(t->file);
	}
	t->line--;
	if (r == 0 &&
		(ftruncate(fileno(t->file), whole) < 0 || fseek(t->file, whole, SEEK_SET) < 0))
		r = fail(t, -errno, NULL);
	return r;
}

static int export_open(struct transfer *t)
{
	int fd = open(t->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	t->file = fd < 0 ? NULL : fdopen(fd, "r+");
	return t->file ? resume(t) : fail(t, -errno, NULL);
}

static int all_export(struct transfer *t)
{
	int r = 0;

	if (!t->line)
		r = line_write(t, transfer_head_print(&t->text));
	/* Behind the first session no account is missing, nor a session behind the first key. */
	if (r == 0 && !t->session_id[0] && !t->key_count)
		r = accounts_export(t);
	if (r == 0 && !t->key_count)
		r = sessions_export(t);
	if (r == 0)
		r = keys_export(t);
	if (r == 0)
		r = line_write(t, transfer_end_print(&t->sum, &t->text));
	if (r == 0 && (fflush(t->file) != 0 || fsync(fileno(t->file)) < 0))
		r = fail(t, -errno, NULL);
	return r;
}

int transfer_export(const char *path)
{
	_cleanup_(end) struct transfer t;
	int r = begin(&t, path);

	if (r == 0)
		r = export_open(&t);
	if (r == 0)
		r = all_export(&t);
	if (r == 0)
		(void)printf("exported %llu accounts, %llu sessions, %llu keys\n",
			(unsigned long long)t.sum.counts[TRANSFER_ACCOUNT],
			(unsigned long long)t.sum.counts[TRANSFER_SESSION],
			(unsigned long long)t.sum.counts[TRANSFER_KEY]);
	return r;
}

/* --- import --- */

static int put(struct transfer *t, struct transfer_line *line, bool has_active)
{
	if (line->type == TRANSFER_ACCOUNT)
		return t->backend->account_put(t->connection, &line->account);
	if (line->type == TRANSFER_SESSION)
		return t->backend->session_put(t->connection, &line->session);
	/* A store has one key that signs; what another one signed is still verified. */
	line->key.is_active &= !has_active;
	return t->backend->key_put(t->connection, &line->key);
}

static int end_check(struct transfer *t, const struct transfer_line *line)
{
	if (memcmp(line->sum.counts, t->sum.counts, sizeof(line->sum.counts)) != 0)
		return fail(t, -EBADMSG,
			"lines are missing or too many: all that are there were"
			" imported");
	if (memcmp(line->sum.digest, t->sum.digest, sizeof(line->sum.digest)) != 0)
		return fail(t, -EBADMSG, "the file was changed: all that is there was imported");
	return 0;
}

/* Begins or ends a transaction, where the backend has any. */
static int turn(struct transfer *t, int (*step)(void *connection))
{
	int r = step ? step(t->connection) : 0;

	return r < 0 ? store_failed(t, r) : 0;
}

/* Up to ROWS lines: 1 when there may be more, 0 behind the last. */
static int lines_import(struct transfer *t, bool has_active)
{
	struct transfer_line line;
	int r;

	for (unsigned i = 0; i < ROWS; i++) {
		r = line_read(t);
		if (r <= 0)
			return r < 0 ? r
				     : fail(t, -EBADMSG,
					       "the file is cut off: its last line is"
					       " missing");
		r = transfer_line_parse(buf_str(&t->text), &line);
		if (r < 0)
			return fail(t, r, "is no line of an export");
		if (line.type == TRANSFER_END)
			return end_check(t, &line);
		transfer_sum_add(&t->sum, buf_str(&t->text));
		r = line.type == TRANSFER_HEAD ? 0 : put(t, &line, has_active);
		transfer_line_wipe(&line);
		if (r < 0)
			return store_failed(t, r);
		t->put += r == 1;
		t->there += r == 0 && line.type != TRANSFER_HEAD;
	}
	return 1;
}

static int all_import(struct transfer *t)
{
	int count = t->backend->keys_load(t->connection, t->keys), r = 1;
	bool has_active = false;

	if (count < 0)
		return store_failed(t, count);
	for (int i = 0; i < count; i++)
		has_active |= t->keys[i].is_active;
	while (r == 1) {
		int committed;

		r = turn(t, t->backend->begin);
		if (r < 0)
			return r;
		r = lines_import(t, has_active);
		/* Also what came before a mistake. */
		committed = turn(t, t->backend->commit);
		if (committed < 0 && t->backend->rollback)
			t->backend->rollback(t->connection);
		r = committed < 0 ? committed : r;
	}
	return r;
}

int transfer_import(const char *path)
{
	_cleanup_(end) struct transfer t;
	int r = begin(&t, path);

	if (r < 0)
		return r;
	t.file = fopen(path, "re");
	if (!t.file)
		return fail(&t, -errno, NULL);
	r = all_import(&t);
	(void)printf("imported %llu records; %llu were there already or belong to what is not\n",
		(unsigned long long)t.put, (unsigned long long)t.there);
	return r;
}
