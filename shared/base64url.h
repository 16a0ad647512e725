/*
 * base64url without padding (RFC 4648 section 5), canonical form only: what decodes has exactly one
 * spelling, so that two different tokens are never the same token (RFC 8725 section 3; RFC
 * 4648 3.5).
 */
#pragma once

#include "shared/buf.h"
#include "shared/str.h"

#define BASE64URL_BYTES(n) (((n)*4 + 2) / 3)

/* Writes BASE64URL_BYTES(n) characters (no terminator) and returns how many. */
size_t base64url_encode(const void *data, size_t n, char *text);

/*
 * Decodes into at most capacity bytes. 0, -ERR_MALFORMED (another alphabet, padding, white space,
 * impossible length, unused bits set), -ENOBUFS.
 */
int base64url_decode(struct str text, void *data, size_t capacity, size_t *ret_len);
