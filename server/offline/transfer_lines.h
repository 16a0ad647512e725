/* The lines of an export (transfer.h): to JSON and back. */
#pragma once

#include "crypt/signing.h"
#include "shared/buf.h"
#include "store/store_backend.h"

/* A session with all its tokens is below 8 KB, a key below 12. */
#define TRANSFER_LINE_BYTES_MAX 32768

enum transfer_type {
	TRANSFER_HEAD,
	TRANSFER_ACCOUNT,
	TRANSFER_SESSION,
	TRANSFER_KEY,
	TRANSFER_END,
	TRANSFER_TYPES
};

/* What the lines so far come to. */
struct transfer_sum {
	uint64_t counts[TRANSFER_TYPES];
	unsigned char digest[SHA256_BYTES]; /* of the digest before and the line */
};

/* A line of ours, without its end. */
void transfer_sum_add(struct transfer_sum *sum, struct str line);

struct transfer_line {
	enum transfer_type type;
	union {
		struct account account;
		struct session_record session;
		struct store_key key;
		struct transfer_sum sum;
	};
};

/* 0, -ERR_MALFORMED, -ENOMEM. Wipe it afterwards. */
int transfer_line_parse(struct str text, struct transfer_line *ret_line);
void transfer_line_wipe(struct transfer_line *line);

/* Replaces what is in text: 0, -ENOBUFS, -ENOMEM. The session's tokens are sorted. */
int transfer_head_print(struct buf *text);
int transfer_account_print(const struct account *account, struct buf *text);
int transfer_session_print(struct session_record *record, struct buf *text);
int transfer_key_print(const struct store_key *key, struct buf *text);
int transfer_end_print(const struct transfer_sum *sum, struct buf *text);
