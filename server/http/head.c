/* The rules against misreading a request's head: see head.h. */
#include "http/head.h"

#include <string.h>

/* tchar of RFC 9110 section 5.6.2. */
/* clang-format off */
static const bool is_token[256] = {
	['!'] = true, ['#'] = true, ['$'] = true, ['%'] = true, ['&'] = true, ['\''] = true,
	['*'] = true, ['+'] = true, ['-'] = true, ['.'] = true, ['^'] = true, ['_'] = true,
	['`'] = true, ['|'] = true, ['~'] = true, ['0' ... '9'] = true, ['a' ... 'z'] = true,
	['A' ... 'Z'] = true,
};

/* Visible ASCII but what delimits: RFC 3986's host and port are a subset. */
static const bool is_authority[256] = {
	['!'] = true, ['$'] = true, ['%'] = true, ['&'] = true, ['\''] = true, ['('] = true,
	[')'] = true, ['*'] = true, ['+'] = true, ['-'] = true, ['.'] = true, [':'] = true,
	[';'] = true, ['='] = true, ['['] = true, [']'] = true, ['_'] = true, ['~'] = true,
	['0' ... '9'] = true, ['a' ... 'z'] = true, ['A' ... 'Z'] = true,
};
/* clang-format on */

static bool are_all(const bool table[static 256], struct str s)
{
	bool all = true;

	for (size_t i = 0; i < s.len; i++)
		all &= table[(unsigned char)s.data[i]];
	return all;
}

bool head_is_token(struct str s)
{
	return s.len > 0 && are_all(is_token, s);
}

bool head_lines_are_strict(struct str bytes, char *last_byte)
{
	const char *line = bytes.data, *end = bytes.data + bytes.len, *lf;

	if (!bytes.len)
		return true;
	if (*last_byte == '\r' && *line != '\n')
		return false;
	for (char last = *last_byte; line < end; last = '\n', line = lf + 1) {
		if (last == '\n' && (*line == ' ' || *line == '\t'))
			return false;
		lf = memchr(line, '\n', (size_t)(end - line));
		if (!lf) {
			const char *cr = memchr(line, '\r', (size_t)(end - line));

			if (cr && cr + 1 < end)
				return false;
			break;
		}
		if ((lf > line ? lf[-1] : last) != '\r')
			return false;
		if (lf > line && memchr(line, '\r', (size_t)(lf - 1 - line)))
			return false;
	}
	*last_byte = end[-1];
	return true;
}

static bool is_visible(char c)
{
	return c > ' ' && c < 0x7f; /* a signed char above ASCII is negative */
}

/* Takes "http://authority" off the front of an absolute-form target (RFC 9112 section 3.2.2). */
static bool authority_drop(struct str *target)
{
	struct str rest;
	size_t n = 0;

	if (target->len && target->data[0] == '/')
		return true; /* origin-form, which nearly all are */
	if (target->len >= 7 && str_equal_nocase(str_of(target->data, 7), STR("http://")))
		rest = str_skip(*target, 7);
	else if (target->len >= 8 && str_equal_nocase(str_of(target->data, 8), STR("https://")))
		rest = str_skip(*target, 8);
	else
		return true;
	while (n < rest.len && rest.data[n] != '/' && rest.data[n] != '?')
		n++;
	*target = str_skip(rest, n);
	return n > 0 && are_all(is_authority, str_of(rest.data, n));
}

static bool target_split(struct request *request, struct str target)
{
	ptrdiff_t query;

	for (size_t i = 0; i < target.len; i++)
		if (!is_visible(target.data[i]) || target.data[i] == '#')
			return false;
	if (!authority_drop(&target))
		return false;
	query = str_index(target, '?');
	request->path = query < 0 ? target : str_of(target.data, (size_t)query);
	request->query = query < 0 ? STR("") : str_skip(target, (size_t)query + 1);
	if (!request->path.len)
		request->path = STR("/"); /* absolute-form only: others have a '/' */
	if (request->method == METHOD_OPTIONS && str_equal(request->path, STR("*")))
		return query < 0;
	return request->path.data[0] == '/';
}

/* How often each field that may be there once was sent. */
struct counts {
	unsigned hosts, lengths, codings, credentials;
};

static enum problem field_check(
	const struct http_header *header, struct counts *counts, struct head_framing *framing)
{
	if (!head_is_token(header->name))
		return PROBLEM_MALFORMED_REQUEST;
	switch (header->name.len) { /* most fields are told by it */
	case sizeof("Host") - 1:
		if (!str_equal_nocase(header->name, STR("Host")))
			break;
		counts->hosts++;
		if (!are_all(is_authority, header->value))
			return PROBLEM_MALFORMED_REQUEST;
		break;
	case sizeof("Authorization") - 1:
		counts->credentials += str_equal_nocase(header->name, STR("Authorization"));
		break;
	case sizeof("Content-Length") - 1:
		if (!str_equal_nocase(header->name, STR("Content-Length")))
			break;
		counts->lengths++;
		if (str_to_u64(header->value, &framing->length) < 0)
			return PROBLEM_MALFORMED_REQUEST;
		break;
	case sizeof("Transfer-Encoding") - 1:
		if (!str_equal_nocase(header->name, STR("Transfer-Encoding")))
			break;
		counts->codings++;
		if (!str_equal_nocase(header->value, STR("chunked")))
			return PROBLEM_NOT_IMPLEMENTED;
		break;
	}
	return PROBLEM_NONE;
}

/*
 * The fields that frame a message, or say whom it is for or from, must have one meaning, or two
 * readers of the same bytes see different requests (RFC 9112 sections 3.2, 6.1, 6.3 and 11.2).
 */
enum problem head_check(struct request *request, struct str target, bool is_http_1_0,
	struct head_framing *ret_framing)
{
	struct head_framing framing = {};
	struct counts counts = {};

	if (!target_split(request, target))
		return PROBLEM_MALFORMED_REQUEST;
	for (unsigned i = 0; i < request->header_count; i++) {
		enum problem problem = field_check(&request->headers[i], &counts, &framing);

		if (problem != PROBLEM_NONE)
			return problem;
	}
	if (counts.hosts > 1 || (counts.hosts == 0 && !is_http_1_0))
		return PROBLEM_MALFORMED_REQUEST;
	/* Of two the application behind a proxy may take the one that we do not. */
	if (counts.credentials > 1)
		return PROBLEM_MALFORMED_REQUEST;
	if (counts.lengths + counts.codings > 1 || (counts.codings && is_http_1_0))
		return PROBLEM_MALFORMED_REQUEST;
	framing.is_chunked = counts.codings > 0;
	framing.has_length = counts.lengths + counts.codings > 0;
	*ret_framing = framing;
	return PROBLEM_NONE;
}
