/*
 * Finds in an answer what the next request must send instead of what this one sent: a refresh token
 * is good for one use. Looks for "KEY":"TEXT" in the bytes as they come; that is JSON enough for
 * answers of servers under test. A text in two chunks of a chunked body is not found.
 */
#pragma once

#include <stdbool.h>

#include "shared/str.h"

#define RENEWAL_BYTES_MAX 1024 /* a longer text is not taken */

struct renewal {
	unsigned matched; /* bytes of the pattern */
	bool is_taking, is_done;
	unsigned len;
	char text[RENEWAL_BYTES_MAX];
};

/* Begins an answer. */
void renewal_init(struct renewal *renewal);

/* The next bytes of it; the pattern is "KEY":" with both quotes around the key. */
void renewal_feed(struct renewal *renewal, struct str pattern, struct str bytes);

/* The text, if it was there as a whole; else no data. Valid as long as the renewal. */
struct str renewal_text(const struct renewal *renewal);
