/*
 * Accept-Encoding (RFC 9110 section 12.5.3): which coding a client prefers. Several fields count as
 * one list. What cannot be read counts as unwanted, and nothing is ever refused for it: a body can
 * always go as it is.
 */
#pragma once

#include "shared/str.h"

enum coding { CODING_IDENTITY, CODING_GZIP, CODING_ZSTD, CODINGS };

/* Weights in thousandths; ACCEPT_UNSAID where the list says nothing. */
#define ACCEPT_UNSAID (-1)
#define ACCEPT_WEIGHT_MAX 1000

struct accept_codings {
	int weights[CODINGS];
	int others; /* "*" */
};

/* "identity", "gzip", "zstd". */
struct str coding_name(enum coding coding);

void accept_init(struct accept_codings *accept);

/* The value of one Accept-Encoding field; the last word about a coding counts. */
void accept_add(struct accept_codings *accept, struct str value);

/* The best that we can do. zstd before gzip, and either before identity, where the client has no
 * preference; identity when it accepts nothing. */
enum coding accept_choose(const struct accept_codings *accept);
