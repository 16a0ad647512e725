/*
 * Email addresses: what is accepted, and the key under which an account is found. The key folds
 * what people type differently (case, spaces around, an internationalised domain) into one
 * spelling.
 */
#pragma once

#include "shared/str.h"

/* RFC 5321 section 4.5.3.1: 64 octets, '@', 255 octets; with the path limit of 256 less two
 * brackets. */
#define EMAIL_LOCAL_BYTES_MAX 64
#define EMAIL_BYTES_MAX 254

/*
 * Trims text and writes its key (lower-case ASCII, domain in its ASCII form, RFC 5891) with a
 * terminator. *ret_email is the trimmed address as typed, borrowed from text. 0; -ERR_MALFORMED for
 * what is no address that mail could be sent to; -ENOMEM.
 */
int email_fold(struct str text, char key[static EMAIL_BYTES_MAX + 1], struct str *ret_email);
