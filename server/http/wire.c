/*
 * Serialising responses: see wire.h. Room for the whole head is reserved once and the rest is
 * copying, because this runs for every request.
 */
#include "http/wire.h"

#include <assert.h>
#include <stdio.h>

#include "shared/macros.h"

struct status_line {
	unsigned status;
	struct str line;
};

/* What we say, the commonest first. */
static const struct status_line status_lines[] = {
	{ 204, STR("HTTP/1.1 204 No Content\r\n") },
	{ 200, STR("HTTP/1.1 200 OK\r\n") },
	{ 401, STR("HTTP/1.1 401 Unauthorized\r\n") },
	{ 201, STR("HTTP/1.1 201 Created\r\n") },
	{ 202, STR("HTTP/1.1 202 Accepted\r\n") },
	{ 308, STR("HTTP/1.1 308 Permanent Redirect\r\n") },
	{ 304, STR("HTTP/1.1 304 Not Modified\r\n") },
	{ 400, STR("HTTP/1.1 400 Bad Request\r\n") },
	{ 403, STR("HTTP/1.1 403 Forbidden\r\n") },
	{ 404, STR("HTTP/1.1 404 Not Found\r\n") },
	{ 405, STR("HTTP/1.1 405 Method Not Allowed\r\n") },
	{ 408, STR("HTTP/1.1 408 Request Timeout\r\n") },
	{ 409, STR("HTTP/1.1 409 Conflict\r\n") },
	{ 411, STR("HTTP/1.1 411 Length Required\r\n") },
	{ 413, STR("HTTP/1.1 413 Content Too Large\r\n") },
	{ 414, STR("HTTP/1.1 414 URI Too Long\r\n") },
	{ 415, STR("HTTP/1.1 415 Unsupported Media Type\r\n") },
	{ 417, STR("HTTP/1.1 417 Expectation Failed\r\n") },
	{ 422, STR("HTTP/1.1 422 Unprocessable Content\r\n") },
	{ 429, STR("HTTP/1.1 429 Too Many Requests\r\n") },
	{ 431, STR("HTTP/1.1 431 Request Header Fields Too Large\r\n") },
	{ 500, STR("HTTP/1.1 500 Internal Server Error\r\n") },
	{ 501, STR("HTTP/1.1 501 Not Implemented\r\n") },
	{ 503, STR("HTTP/1.1 503 Service Unavailable\r\n") },
	{ 505, STR("HTTP/1.1 505 HTTP Version Not Supported\r\n") },
};

/* "HTTP/1.1 599 \r\n": of a status without a reason, which is optional. */
#define STATUS_LINE_BYTES sizeof("HTTP/1.1 599 \r\n")

static struct str status_line(unsigned status, char text[static STATUS_LINE_BYTES])
{
	for (size_t i = 0; i < ARRAY_SIZE(status_lines); i++)
		if (status_lines[i].status == status)
			return status_lines[i].line;
	(void)snprintf(text, STATUS_LINE_BYTES, "HTTP/1.1 %03u \r\n", status % 1000);
	return str_of(text, STATUS_LINE_BYTES - 1);
}

static char *put(char *at, struct str text)
{
	memcpy(at, text.data, text.len);
	return at + text.len;
}

static char *put_header(char *at, struct str name, struct str value)
{
	at = put(at, name);
	at = put(at, STR(": "));
	if (value.len)
		at = put(at, value);
	return put(at, STR("\r\n"));
}

#define NUMBER_BYTES sizeof("18446744073709551615")

static char *put_number(char *at, size_t number)
{
	char digits[NUMBER_BYTES], *first = digits + sizeof(digits);

	do
		*--first = (char)('0' + number % 10);
	while ((number /= 10) > 0);
	return put(at, str_of(first, (size_t)(digits + sizeof(digits) - first)));
}

static struct str date_now(struct wire_date *date)
{
	int64_t second = clock_wall_ms() / 1000;

	if (second != date->second) {
		(void)clock_http(second * 1000, date->text);
		date->second = second;
	}
	return str_of(date->text, CLOCK_HTTP_BYTES - 1);
}

/* In every response: clients must not guess types, nor send our URLs elsewhere. */
static const struct str always =
	STR("X-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\n");

/* The longest status line, names and ends of all lines but the response's own fields. */
#define HEAD_BYTES_FIXED 384

static size_t head_bytes(const struct response *response)
{
	size_t bytes = HEAD_BYTES_FIXED + response->request->id.len + response->content_type.len;

	for (unsigned i = 0; i < response->header_count; i++)
		bytes += response->headers[i].name.len + response->headers[i].value.len + 4;
	return bytes;
}

int wire_response(struct buf *out, const struct response *response, struct wire_date *date,
	enum wire_connection connection)
{
	struct str body = buf_str(&response->body);
	/* RFC 9110 section 8.6: no length with 204; with 304 it would be that of the 200. */
	bool may_have_body = response->status != 204 && response->status != 304;
	char text[STATUS_LINE_BYTES], *at;
	size_t room = head_bytes(response) + body.len;
	int r;

	r = buf_reserve(out, room);
	if (r < 0)
		return r;
	at = put(out->data + out->len, status_line(response->status, text));
	at = put_header(at, STR("Date"), date_now(date));
	at = put_header(at, STR("X-Request-Id"), response->request->id);
	at = put(at, always);
	for (unsigned i = 0; i < response->header_count; i++)
		at = put_header(at, response->headers[i].name, response->headers[i].value);
	if (body.len)
		at = put_header(at, STR("Content-Type"), response->content_type);
	if (may_have_body) {
		at = put(at, STR("Content-Length: "));
		at = put_number(at, body.len);
		at = put(at, STR("\r\n"));
	}
	if (connection == WIRE_CLOSE)
		at = put(at, STR("Connection: close\r\n"));
	else if (connection == WIRE_KEEP_1_0)
		at = put(at, STR("Connection: keep-alive\r\n"));
	at = put(at, STR("\r\n"));
	if (may_have_body && response->request->method != METHOD_HEAD && body.len)
		at = put(at, body);
	assert((size_t)(at - (out->data + out->len)) <= room);
	out->len = (size_t)(at - out->data);
	return 0;
}
