/*
 * What the head of a request must be beyond its grammar: whom it is for and where its body ends
 * must have one meaning. Private to http/; parser.c calls it.
 */
#pragma once

#include "http/request.h"

struct head_framing {
	uint64_t length; /* that was said; 0 with chunks */
	bool is_chunked;
	bool has_length; /* any length was said, or chunks */
};

/* The name of a field or method: RFC 9110's token. */
bool head_is_token(struct str s);

/*
 * Every line of head and trailer ends in CR LF, has no other CR, and none goes on in the next one
 * (obs-fold): recipients disagree about these (RFC 9112 sections 2.2 and 5.2). The lines may come
 * in pieces: last_byte is that of the piece before, 0 at first.
 */
bool head_lines_are_strict(struct str bytes, char *last_byte);

/*
 * Checks the fields of request and splits the target into its path and query. PROBLEM_NONE;
 * PROBLEM_MALFORMED_REQUEST, PROBLEM_NOT_IMPLEMENTED (a transfer coding but chunked).
 */
enum problem head_check(struct request *request, struct str target, bool is_http_1_0,
	struct head_framing *ret_framing);
