/*
 * The walk along Forwarded and X-Forwarded-For: see forwarded.h. Everything is read from the right,
 * because there stands what our own proxy wrote: an unfinished quote in what a client sent cannot
 * swallow it.
 */
#include "http/forwarded.h"

#include "shared/err.h"

/* The longest host with brackets and port, and then some: longer is no address. */
#define NODE_BYTES_MAX 64

struct walk {
	const struct request *request;
	struct str name;
	unsigned headers_left;
	struct str rest; /* of the line being read, without what was taken off its right end */
};

/* Is the quote at `at` escaped: behind an odd number of backslashes? */
static bool is_escaped(struct str s, size_t at)
{
	size_t backslashes = 0;

	while (backslashes < at && s.data[at - 1 - backslashes] == '\\')
		backslashes++;
	return backslashes % 2 == 1;
}

/* Takes what is behind the last comma outside quotes off the right end. */
static struct str last_take(struct str *rest)
{
	struct str all = *rest;
	bool is_quoted = false;

	for (size_t i = all.len; i > 0; i--) {
		char c = all.data[i - 1];

		if (c == '"' && !is_escaped(all, i - 1))
			is_quoted = !is_quoted;
		if (c != ',' || is_quoted)
			continue;
		*rest = str_of(all.data, i - 1);
		return str_skip(all, i);
	}
	*rest = (struct str){};
	return all;
}

/* The element before; several lines are one list (RFC 9110 section 5.3), empty elements are none.
 */
static bool element_before(struct walk *walk, struct str *ret_element)
{
	for (;;) {
		while (walk->rest.len) {
			*ret_element = str_trim(last_take(&walk->rest));
			if (ret_element->len)
				return true;
		}
		do {
			if (!walk->headers_left)
				return false;
			walk->headers_left--;
		} while (!str_equal_nocase(
			walk->request->headers[walk->headers_left].name, walk->name));
		walk->rest = walk->request->headers[walk->headers_left].value;
	}
}

/* A token as it is, a quoted string without quotes and escapes. */
static int value_read(struct str value, char text[static NODE_BYTES_MAX], struct str *ret_value)
{
	size_t bytes = 0;

	if (!value.len || value.data[0] != '"') {
		*ret_value = value;
		return 0;
	}
	if (value.len < 2 || value.data[value.len - 1] != '"')
		return -ERR_MALFORMED;
	for (size_t i = 1; i < value.len - 1; i++) {
		if (value.data[i] == '\\' && ++i == value.len - 1)
			return -ERR_MALFORMED;
		if (bytes == NODE_BYTES_MAX)
			return -ERR_MALFORMED;
		text[bytes++] = value.data[i];
	}
	*ret_value = str_of(text, bytes);
	return 0;
}

/* Takes a pair off the left end; semicolons may be in quotes. */
static bool pair_take(struct str *rest, struct str *ret_pair)
{
	struct str all = *rest;
	bool is_quoted = false;
	size_t i;

	if (!all.len)
		return false;
	for (i = 0; i < all.len && (is_quoted || all.data[i] != ';'); i++)
		if (all.data[i] == '"' && !is_escaped(all, i))
			is_quoted = !is_quoted;
	*ret_pair = str_trim(str_of(all.data, i));
	*rest = str_skip(all, i + 1);
	return true;
}

/* The value of the one "for" of an element: `for="[2001:db8::1]:80";proto=https`. */
static int for_find(struct str element, char text[static NODE_BYTES_MAX], struct str *ret_node)
{
	struct str pair, found = {};

	while (pair_take(&element, &pair)) {
		ptrdiff_t equals = str_index(pair, '=');

		if (equals < 0) {
			if (pair.len)
				return -ERR_MALFORMED;
		} else if (str_equal_nocase(str_of(pair.data, (size_t)equals), STR("for"))) {
			if (found.data)
				return -ERR_MALFORMED; /* which one? */
			found = str_skip(pair, (size_t)equals + 1);
		}
	}
	return found.len ? value_read(found, text, ret_node) : -ERR_MALFORMED;
}

void forwarded_client(
	const struct request *request, const struct http_trust *trust, struct address *client)
{
	bool is_rfc = trust->forwarded == HTTP_FORWARDED;
	struct walk walk = {
		.request = request,
		.name = is_rfc ? STR("Forwarded") : STR("X-Forwarded-For"),
		.headers_left = request->header_count,
	};
	char text[NODE_BYTES_MAX];
	struct str node;

	for (unsigned hops = 0; hops < FORWARDED_HOPS_MAX; hops++) {
		if (!networks_have(&trust->proxies, client) || !element_before(&walk, &node))
			return;
		if (is_rfc && for_find(node, text, &node) < 0)
			return;
		if (address_parse_host(node, client) < 0)
			return;
	}
}
