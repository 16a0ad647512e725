/*
 * Reads responses from bytes that come in any pieces: the status, and where the response ends. The
 * rest is skipped, because a load generator has no use for it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "shared/str.h"

/* A line's start is kept, long enough for the fields that matter; its end is skipped. */
#define ANSWER_LINE_BYTES 96
#define ANSWER_HEAD_BYTES_MAX 65536

enum answer_state {
	ANSWER_STATUS,
	ANSWER_FIELDS,
	ANSWER_BODY,
	ANSWER_CHUNK_SIZE,
	ANSWER_CHUNK,
	ANSWER_CHUNK_END,
	ANSWER_TRAILER,
	ANSWER_TO_CLOSE,
};

struct answer {
	enum answer_state state;
	unsigned status;
	uint64_t left; /* of the body or of the chunk */
	bool is_to_head, is_chunked, has_length;
	bool is_closing; /* no other request may follow on this connection */
	unsigned head_bytes;
	unsigned line_len;
	char line[ANSWER_LINE_BYTES];
};

/* Begins a response. Responses to HEAD have no body. */
void answer_init(struct answer *answer, bool is_to_head);

/*
 * Takes bytes until the response is complete. 1: it is, and *ret_used of the bytes belong to it; 0:
 * all were taken and more must come; -ERR_MALFORMED: this is no HTTP/1.x.
 */
int answer_feed(struct answer *answer, struct str bytes, size_t *ret_used);

/* The connection ended: 1 when that completes the response, else 0. */
int answer_end(const struct answer *answer);
