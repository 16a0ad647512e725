/*
 * A borrowed run of bytes: pointer and length, no terminator, never owned. What it points into must
 * outlive it. The empty string is {NULL, 0} or any pointer with length 0. Next: buf.h, which owns.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct str {
	const char *data;
	size_t len;
};

#define STR(literal) ((struct str){ "" literal, sizeof(literal) - 1 })
#define STR_FORMAT "%.*s"
#define STR_ARGS(s) (int)(s).len, (s).data ? (s).data : ""

static inline struct str str_of(const char *data, size_t len)
{
	return (struct str){ data, len };
}

/* Borrows a C string; NULL gives the empty string. */
static inline struct str str_cstr(const char *text)
{
	return (struct str){ text, text ? strlen(text) : 0 };
}

static inline bool str_equal(struct str a, struct str b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static inline bool str_starts(struct str s, struct str prefix)
{
	return s.len >= prefix.len && str_equal(str_of(s.data, prefix.len), prefix);
}

/* The part from offset on; an offset past the end gives the empty string. */
static inline struct str str_skip(struct str s, size_t offset)
{
	return offset >= s.len ? (struct str){ NULL, 0 } : str_of(s.data + offset, s.len - offset);
}

/* ASCII-only lower case: independent of the locale, as protocols want it. */
static inline char ascii_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

/* Equal when ASCII letters are compared without case (RFC 9110 field names, schemes). */
bool str_equal_nocase(struct str a, struct str b);

/* Index of the first c, or -1. */
ptrdiff_t str_index(struct str s, char c);

/* Without leading and trailing spaces, tabs, CR and LF. */
struct str str_trim(struct str s);

/*
 * Takes the part before the first separator off the front of *rest and stores it in *ret_part.
 * The last part is what has no separator behind it. False when nothing is left.
 */
bool str_split(struct str *rest, char separator, struct str *ret_part);

/* Parses an unsigned decimal that fills the whole string: 0, -EINVAL (not digits), -ERANGE. */
int str_to_u64(struct str s, uint64_t *ret_value);

/* Is this valid UTF-8 (RFC 3629: no overlong forms, no surrogates, at most U+10FFFF)? */
bool str_is_utf8(struct str s);

/* Number of code points in a string that str_is_utf8() accepted. */
size_t str_utf8_count(struct str s);
