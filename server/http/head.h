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

/* A field name: RFC 9110's token. */
bool head_is_token(struct str s);

/*
 * Checks the fields of request and splits the target into its path and query. PROBLEM_NONE;
 * PROBLEM_MALFORMED_REQUEST, PROBLEM_NOT_IMPLEMENTED (a transfer coding but chunked).
 */
enum problem head_check(struct request *request, struct str target, bool is_http_1_0,
	struct head_framing *ret_framing);
