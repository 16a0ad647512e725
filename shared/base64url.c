/* base64url, canonical form only: see base64url.h. */
#include "shared/base64url.h"

#include <errno.h>

#include "shared/err.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

size_t base64url_encode(const void *data, size_t n, char *text)
{
	const uint8_t *bytes = data;
	uint32_t bits = 0;
	unsigned have = 0;
	size_t at = 0;

	for (size_t i = 0; i < n; i++) {
		bits = bits << 8 | bytes[i];
		for (have += 8; have >= 6; have -= 6)
			text[at++] = alphabet[bits >> (have - 6) & 63];
	}
	if (have)
		text[at++] = alphabet[bits << (6 - have) & 63];
	return at;
}

static int value_of(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '-' ? 62 : c == '_' ? 63 : -ERR_MALFORMED;
}

int base64url_decode(struct str text, void *data, size_t capacity, size_t *ret_len)
{
	uint8_t *bytes = data;
	uint32_t bits = 0;
	unsigned have = 0;
	size_t at = 0;

	if (text.len % 4 == 1)
		return -ERR_MALFORMED;
	if (text.len / 4 * 3 + (text.len % 4 ? text.len % 4 - 1 : 0) > capacity)
		return -ENOBUFS;
	for (size_t i = 0; i < text.len; i++) {
		int value = value_of(text.data[i]);

		if (value < 0)
			return value;
		bits = (bits << 6 | (uint32_t)value) & 0xffff;
		have += 6;
		if (have >= 8) {
			have -= 8;
			bytes[at++] = (uint8_t)(bits >> have);
		}
	}
	if (bits & ((1u << have) - 1))
		return -ERR_MALFORMED; /* another spelling of the same bytes */
	*ret_len = at;
	return 0;
}
