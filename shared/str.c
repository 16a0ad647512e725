/* Borrowed strings: see str.h. */
#include "shared/str.h"

#include <errno.h>

bool str_equal_nocase(struct str a, struct str b)
{
	if (a.len != b.len)
		return false;
	if (str_equal(a, b))
		return true; /* most write names as standards do */
	for (size_t i = 0; i < a.len; i++)
		if (ascii_lower(a.data[i]) != ascii_lower(b.data[i]))
			return false;
	return true;
}

ptrdiff_t str_index(struct str s, char c)
{
	const char *found = s.len ? memchr(s.data, c, s.len) : NULL;

	return found ? found - s.data : -1;
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct str str_trim(struct str s)
{
	while (s.len && is_space(s.data[0]))
		s = str_of(s.data + 1, s.len - 1);
	while (s.len && is_space(s.data[s.len - 1]))
		s.len--;
	return s;
}

bool str_split(struct str *rest, char separator, struct str *ret_part)
{
	ptrdiff_t at;

	if (!rest->data)
		return false;
	at = str_index(*rest, separator);
	if (at < 0) {
		*ret_part = *rest;
		*rest = (struct str){ NULL, 0 };
		return true;
	}
	*ret_part = str_of(rest->data, (size_t)at);
	*rest = str_of(rest->data + at + 1, rest->len - (size_t)at - 1);
	return true;
}

int str_to_u64(struct str s, uint64_t *ret_value)
{
	uint64_t value = 0;

	if (!s.len)
		return -EINVAL;
	for (size_t i = 0; i < s.len; i++) {
		if (s.data[i] < '0' || s.data[i] > '9')
			return -EINVAL;
		if (__builtin_mul_overflow(value, 10, &value) ||
			__builtin_add_overflow(value, (uint64_t)(s.data[i] - '0'), &value))
			return -ERANGE;
	}
	*ret_value = value;
	return 0;
}

/* Bytes in the valid sequence at the start of p (at most left bytes), 0 when there is none. */
static size_t utf8_sequence(const unsigned char *p, size_t left)
{
	/* RFC 3629 section 4: the second byte's range is what rules out overlong forms and
	 * surrogates. */
	unsigned char low = 0x80, high = 0xbf;
	size_t length;

	if (p[0] < 0x80)
		return 1;
	if (p[0] >= 0xc2 && p[0] <= 0xdf)
		length = 2;
	else if (p[0] >= 0xe0 && p[0] <= 0xef)
		length = 3;
	else if (p[0] >= 0xf0 && p[0] <= 0xf4)
		length = 4;
	else
		return 0;
	if (left < length)
		return 0;
	if (p[0] == 0xe0)
		low = 0xa0;
	else if (p[0] == 0xed)
		high = 0x9f;
	else if (p[0] == 0xf0)
		low = 0x90;
	else if (p[0] == 0xf4)
		high = 0x8f;
	if (p[1] < low || p[1] > high)
		return 0;
	for (size_t i = 2; i < length; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	return length;
}

bool str_is_utf8(struct str s)
{
	const unsigned char *p = (const unsigned char *)s.data;

	for (size_t at = 0; at < s.len;) {
		size_t length = utf8_sequence(p + at, s.len - at);

		if (!length)
			return false;
		at += length;
	}
	return true;
}

size_t str_utf8_count(struct str s)
{
	size_t count = 0;

	for (size_t i = 0; i < s.len; i++)
		count += ((unsigned char)s.data[i] & 0xc0) != 0x80;
	return count;
}
