/* The chain of audit records: see audit.h. */
#include "control/audit.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypt/signing.h"
#include "observe/log.h"
#include "shared/buf.h"
#include "shared/clock.h"
#include "shared/json.h"
#include "shared/macros.h"

#define PATH_BYTES 512 /* CONFIG_TEXT_BYTES and room for ".1" */

static struct {
	int fd; /* -1: none, or it cannot be opened now */
	char path[PATH_BYTES];
	uint64_t seq;                /* of the last record */
	char head[AUDIT_HASH_BYTES]; /* its hash; zeros before the first */
	uint64_t bytes;
	bool is_anothers; /* who writes it now: the end of the chain is to be found again */
} audit = { .fd = -1 };

static void hash_of(struct str line, char hex[static AUDIT_HASH_BYTES])
{
	unsigned char digest[SHA256_BYTES];

	sha256(line, digest);
	for (unsigned i = 0; i < SHA256_BYTES; i++) {
		hex[2 * i] = "0123456789abcdef"[digest[i] >> 4];
		hex[2 * i + 1] = "0123456789abcdef"[digest[i] & 15];
	}
	hex[AUDIT_HASH_BYTES - 1] = '\0';
}

static void head_clear(void)
{
	memset(audit.head, '0', AUDIT_HASH_BYTES - 1);
	audit.head[AUDIT_HASH_BYTES - 1] = '\0';
}

static void file_close(FILE **file)
{
	if (*file)
		(void)fclose(*file);
}

static void text_free(char **text)
{
	free(*text);
}

/* --- reading --- */

static int file_each(const char *path, bool (*visit)(struct str line, void *arg), void *arg)
{
	_cleanup_(file_close) FILE *file = fopen(path, "re");
	_cleanup_(text_free) char *line = NULL;
	size_t room = 0;
	ssize_t n;

	if (!file)
		return errno == ENOENT ? 0 : -errno;
	while ((n = getline(&line, &room, file)) > 0) {
		if (line[n - 1] == '\n')
			n--;
		if (!visit(str_of(line, (size_t)n), arg))
			break;
	}
	return ferror(file) ? -EIO : 0;
}

static void older_path(char path[static PATH_BYTES + 2])
{
	(void)snprintf(path, PATH_BYTES + 2, "%s.1", audit.path);
}

int audit_each(bool (*visit)(struct str line, void *arg), void *arg)
{
	char older[PATH_BYTES + 2];
	int r;

	if (!audit.path[0])
		return -ENOENT;
	older_path(older);
	r = file_each(older, visit, arg);
	return r < 0 ? r : file_each(audit.path, visit, arg);
}

bool audit_line_number(struct str line, const char *key, uint64_t *ret_value)
{
	char pattern[16];
	int len = snprintf(pattern, sizeof(pattern), "\"%s\":", key);
	const char *at = memmem(line.data, line.len, pattern, (size_t)len);
	struct str rest;
	size_t digits = 0;

	if (!at)
		return false;
	rest = str_skip(line, (size_t)(at - line.data) + (size_t)len);
	while (digits < rest.len && rest.data[digits] >= '0' && rest.data[digits] <= '9')
		digits++;
	return str_to_u64(str_of(rest.data, digits), ret_value) == 0;
}

/* seq and prev of a line: 0, -EBADMSG. prev is what every record of ours ends with. */
static int record_read(struct str line, uint64_t *ret_seq, char ret_prev[static AUDIT_HASH_BYTES])
{
	const struct str mark = STR("\"prev\":\""), end = STR("\"}");
	const size_t hash_bytes = AUDIT_HASH_BYTES - 1;
	struct str tail;

	if (line.len < mark.len + hash_bytes + end.len)
		return -EBADMSG;
	tail = str_skip(line, line.len - (mark.len + hash_bytes + end.len));
	if (!str_starts(tail, mark) || !str_equal(str_skip(tail, mark.len + hash_bytes), end) ||
		!audit_line_number(line, "seq", ret_seq))
		return -EBADMSG;
	memcpy(ret_prev, tail.data + mark.len, hash_bytes);
	ret_prev[hash_bytes] = '\0';
	return 0;
}

struct walk {
	struct audit_verdict *verdict;
	bool has_begun;
};

static bool verdict_bad(struct audit_verdict *verdict, const char *what)
{
	verdict->is_ok = false;
	(void)snprintf(verdict->problem, sizeof(verdict->problem), "record %" PRIu64 ": %s",
		verdict->last_seq + 1, what);
	return false;
}

static bool verify_line(struct str line, void *arg)
{
	struct walk *walk = arg;
	struct audit_verdict *verdict = walk->verdict;
	char prev[AUDIT_HASH_BYTES];
	uint64_t seq;

	if (record_read(line, &seq, prev) < 0)
		return verdict_bad(verdict, "the line is no record");
	if (!walk->has_begun)
		verdict->first_seq = seq; /* what was before it has been rotated away */
	else if (seq != verdict->last_seq + 1)
		return verdict_bad(verdict, "it is missing");
	else if (strcmp(prev, verdict->head) != 0)
		return verdict_bad(verdict, "the one before it was changed");
	walk->has_begun = true;
	verdict->records++;
	verdict->last_seq = seq;
	hash_of(line, verdict->head);
	return true;
}

int audit_verify(struct audit_verdict *ret_verdict)
{
	struct walk walk = { .verdict = ret_verdict };
	int r;

	*ret_verdict = (struct audit_verdict){ .is_ok = true };
	r = audit_each(verify_line, &walk);
	if (r == 0 && ret_verdict->is_ok && strcmp(ret_verdict->head, audit.head) != 0 &&
		audit.seq > 0)
		verdict_bad(ret_verdict, ret_verdict->last_seq < audit.seq
						 ? "it is missing at the end"
						 : "the last record was changed");
	return r;
}

/* --- the file --- */

struct end {
	uint64_t seq, lines;
	char head[AUDIT_HASH_BYTES];
	bool is_bad;
};

static bool end_line(struct str line, void *arg)
{
	struct end *end = arg;
	char prev[AUDIT_HASH_BYTES];

	end->lines++;
	end->is_bad = record_read(line, &end->seq, prev) < 0;
	hash_of(line, end->head);
	return true;
}

/* A file of another life of the daemon goes on; a missing one begins where we are. */
static int end_find(void)
{
	struct end end = {};
	int r = file_each(audit.path, end_line, &end);

	if (r < 0 || !end.lines)
		return r;
	audit.seq = end.seq;
	memcpy(audit.head, end.head, sizeof(audit.head));
	return end.is_bad ? -EBADMSG : 0;
}

static int file_open(void)
{
	struct stat stat;
	int fd = open(audit.path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);

	if (fd < 0)
		return -errno;
	if (fstat(fd, &stat) < 0 || !S_ISREG(stat.st_mode)) {
		close(fd);
		return -EINVAL;
	}
	/* Two that append would each continue its own chain. */
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		int r = -errno;

		audit.is_anothers = r == -EWOULDBLOCK;
		close(fd);
		return r;
	}
	if (audit.is_anothers)
		(void)end_find();
	audit.is_anothers = false;
	audit.fd = fd;
	audit.bytes = (uint64_t)stat.st_size;
	return 0;
}

const char *audit_why(int error)
{
	return error == -EWOULDBLOCK ? "another process writes it: each needs a file of its own"
				     : strerror(-error);
}

int audit_open(const char *path)
{
	int r, r_end;

	head_clear();
	audit.seq = 0;
	(void)snprintf(audit.path, sizeof(audit.path), "%s", path);
	if (!audit.path[0])
		return 0;
	r_end = end_find();
	r = file_open();
	return r < 0 ? r : r_end;
}

void audit_close(void)
{
	if (audit.fd >= 0)
		close(audit.fd);
	audit.fd = -1;
}

int audit_reopen(void)
{
	audit_close();
	return audit.path[0] ? file_open() : 0;
}

static int rotate(void)
{
	char older[PATH_BYTES + 2];

	older_path(older);
	if (rename(audit.path, older) < 0)
		return -errno;
	return audit_reopen();
}

bool audit_has_file(void)
{
	return audit.path[0] != '\0';
}

int audit_check(void)
{
	int r;

	if (!audit.path[0] || audit.fd >= 0)
		return 0;
	r = file_open();
	/* Room for a record is kept behind the end; a file system that cannot do that says so. */
	if (r == 0 &&
		fallocate(audit.fd, FALLOC_FL_KEEP_SIZE, (off_t)audit.bytes,
			AUDIT_RECORD_BYTES_MAX) < 0 &&
		errno != EOPNOTSUPP && errno != ENOSYS)
		r = -errno;
	if (r < 0)
		audit_close();
	return r;
}

/* --- writing --- */

static int record_print(struct buf *line, const struct audit_record *record)
{
	struct json_writer w = json_writer_init(line);
	char time[CLOCK_RFC3339_BYTES];
	const struct peer *peer = record->peer;

	json_begin_object(&w, NULL);
	json_put_str(&w, "time", clock_rfc3339(clock_wall_ms(), time));
	json_put_u64(&w, "seq", audit.seq + 1);
	json_put_i64(&w, "uid", peer->uid);
	if (peer->login_uid != PEER_NO_UID)
		json_put_i64(&w, "login_uid", peer->login_uid);
	json_put_i64(&w, "gid", peer->gid);
	json_put_i64(&w, "pid", peer->pid);
	if (peer->exe[0])
		json_put_str(&w, "exe", str_cstr(peer->exe));
	json_put_str(&w, "level", str_cstr(command_level_name(peer->level)));
	json_put_str(&w, "command", record->command);
	json_put_raw(&w, "args",
		record->args.len <= AUDIT_ARGS_BYTES_MAX ? record->args
							 : STR("{\"cut\":\"too long\"}"));
	json_put_bool(&w, "dry_run", record->is_dry_run);
	json_put_str(&w, "result", str_cstr(record->result));
	if (record->of)
		json_put_u64(&w, "of", record->of);
	json_put_u64(&w, "us", record->us);
	json_put_u64(&w, "gen", record->generation);
	json_put_str(&w, "prev", str_cstr(audit.head));
	json_end_object(&w);
	return json_writer_finish(&w);
}

/* All or nothing, as far as a file system can: a part of a line is cut off again. */
static int line_write(struct str line, bool is_durable)
{
	ssize_t written = write(audit.fd, line.data, line.len);
	int r = written < 0 ? -errno : written < (ssize_t)line.len ? -ENOSPC : 0;

	if (r < 0 && written > 0 && ftruncate(audit.fd, (off_t)audit.bytes) < 0)
		(void)!write(audit.fd, "\n", 1);
	if (r == 0 && is_durable && fdatasync(audit.fd) < 0)
		r = -errno;
	if (r == 0)
		audit.bytes += line.len;
	return r;
}

static int file_write(struct str line, bool is_durable)
{
	int r = 0;

	if (!audit.path[0])
		return 0;
	if (audit.fd < 0)
		r = file_open();
	else if (audit.bytes + line.len > AUDIT_FILE_BYTES_MAX)
		r = rotate();
	if (r == 0)
		r = line_write(line, is_durable);
	if (r < 0)
		audit_close(); /* a disk that came back, a folder that was made: opened next time */
	return r;
}

static void tell(const struct audit_record *record, const char *hash)
{
	log_every(LOG_LEVEL_INFO, "ctl.command", record->command,
		LOG_NUMBER("audit.seq", (int64_t)audit.seq),
		LOG_NUMBER("user.uid", record->peer->uid),
		LOG_NUMBER("process.pid", record->peer->pid), LOG_TEXT("authd.args", record->args),
		LOG_TEXT("authd.result", str_cstr(record->result)),
		LOG_TEXT("audit.hash", str_cstr(hash)));
}

int audit_write(const struct audit_record *record, bool is_durable, uint64_t *ret_seq)
{
	_cleanup_(buf_deinit) struct buf line = buf_init(AUDIT_RECORD_BYTES_MAX);
	char hash[AUDIT_HASH_BYTES];
	int r = record_print(&line, record);

	if (r < 0)
		return r;
	hash_of(buf_str(&line), hash);
	r = buf_append_char(&line, '\n');
	if (r == 0)
		r = file_write(buf_str(&line), is_durable);
	if (r < 0) {
		log_event(LOG_LEVEL_ERROR, "audit.failed", STR("a record cannot be written"),
			LOG_TEXT("error.message", str_cstr(strerror(-r))));
		return r;
	}
	audit.seq++;
	memcpy(audit.head, hash, sizeof(audit.head));
	tell(record, hash);
	*ret_seq = audit.seq;
	return 0;
}
