/*
 * Who did what: a record in a file for every command that changes something or shows personal data,
 * and for every refusal. Each record has the SHA-256 of the one before it, so that a change or a
 * hole shows; the log gets the same records, so that a shortened file shows too. A command that
 * changes something has a record before it runs: when that cannot be written, it does not run.
 * Only the control thread calls.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "control/peer.h"
#include "shared/str.h"

/* At this size the file becomes FILE.1, the one before is forgotten: about 60,000 records. */
#define AUDIT_FILE_BYTES_MAX (16 * 1024 * 1024)
/* A request line is at most 64 KiB; what is longer is cut out of the record's args. */
#define AUDIT_ARGS_BYTES_MAX 4096
#define AUDIT_RECORD_BYTES_MAX (AUDIT_ARGS_BYTES_MAX + 2048)
#define AUDIT_HASH_BYTES 65 /* SHA-256 in hex and a terminator */

struct audit_record {
	const struct peer *peer;
	struct str command;
	struct str args;    /* JSON, without secrets */
	const char *result; /* "started", or an outcome */
	uint64_t of;        /* the seq of the record that it began with; 0 none */
	uint64_t us, generation;
	bool is_dry_run;
};

/*
 * Opens, or makes, the file and finds the end of its chain. path "": no file, records go to the log
 * alone and never fail. 0; -errno: the file cannot be used now (audit_write() tries again), as when
 * another process writes it (-EWOULDBLOCK), whose chain would break;
 * -EBADMSG: its last line is no record of ours, a new chain begins behind it.
 */
int audit_open(const char *path);
void audit_close(void);
/* The same path again, after it was rotated. As audit_open(). */
int audit_reopen(void);

/* 0 and the record's number; -errno: it is in the log only. is_durable: on the disk when it
 * returns. */
int audit_write(const struct audit_record *record, bool is_durable, uint64_t *ret_seq);

bool audit_has_file(void);
/* Can the next record be written? After a failure it tries: a disk may have room again. 0, -errno;
 * -EWOULDBLOCK: another process writes this file. */
int audit_check(void);
/* Of audit_open(), audit_write() and audit_check(), for people. */
const char *audit_why(int error);

/* What audit_verify() found. */
struct audit_verdict {
	bool is_ok;
	uint64_t records, first_seq, last_seq;
	char head[AUDIT_HASH_BYTES];
	char problem[256]; /* "" when it is ok */
};

/* Reads FILE.1 and FILE and follows the chain. 0, -errno. */
int audit_verify(struct audit_verdict *ret_verdict);

/*
 * Visits the records of FILE.1 and FILE, oldest first, as JSON lines, until visit() says false. 0,
 * -errno.
 */
int audit_each(bool (*visit)(struct str line, void *arg), void *arg);

/*
 * A number of a record's line, found without reading all of it as JSON: only "seq", "uid" and "of".
 * False: it has none. So tens of thousands of lines are looked at in the time of a few requests.
 */
bool audit_line_number(struct str line, const char *key, uint64_t *ret_value);
