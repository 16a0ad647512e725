/*
 * A mail as bytes: RFC 5322 and MIME, with nothing that a mailer must not send (bare line ends,
 * long lines, raw control characters). Written by ourselves and not by libcurl, whose MIME has no
 * encoded words (RFC 2047) and which files need not.
 */
#pragma once

#include "shared/buf.h"

struct letter {
	struct str from, from_name, to; /* addresses without brackets; the name may be "" */
	struct str subject, body;       /* UTF-8; lines end with LF */
	int64_t wall_ms;
};

/*
 * Is it an address that can stand in a header and in a command of SMTP: printable, without spaces,
 * brackets and quotes, at most 254 bytes, with something on both sides of one @?
 */
bool address_is_safe(struct str address);

/* Appends the message, lines ending with CRLF. 0; -ERR_MALFORMED: an address is not safe, or a text
 * no UTF-8; -ENOBUFS, -ENOMEM. */
int message_write(const struct letter *letter, struct buf *out);
