/* Serialising responses: see wire.h. */
#include "http/wire.h"

#include <stdio.h>

#include "shared/macros.h"

static const char *reason_of(unsigned status)
{
	static const struct {
		unsigned status;
		const char *reason;
	} reasons[] = {
		{ 200, "OK" },
		{ 201, "Created" },
		{ 202, "Accepted" },
		{ 204, "No Content" },
		{ 400, "Bad Request" },
		{ 401, "Unauthorized" },
		{ 403, "Forbidden" },
		{ 404, "Not Found" },
		{ 405, "Method Not Allowed" },
		{ 408, "Request Timeout" },
		{ 409, "Conflict" },
		{ 411, "Length Required" },
		{ 413, "Content Too Large" },
		{ 414, "URI Too Long" },
		{ 415, "Unsupported Media Type" },
		{ 417, "Expectation Failed" },
		{ 422, "Unprocessable Content" },
		{ 429, "Too Many Requests" },
		{ 431, "Request Header Fields Too Large" },
		{ 500, "Internal Server Error" },
		{ 501, "Not Implemented" },
		{ 503, "Service Unavailable" },
		{ 505, "HTTP Version Not Supported" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(reasons); i++)
		if (reasons[i].status == status)
			return reasons[i].reason;
	return "";
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
	at = put(at, value);
	return put(at, STR("\r\n"));
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

static size_t head_bytes(const struct response *response)
{
	/* Status line, Date, the two security fields, Content-Type, -Length and Connection. */
	size_t bytes = 512 + response->request->id.len + response->content_type.len;

	for (unsigned i = 0; i < response->header_count; i++)
		bytes += response->headers[i].name.len + response->headers[i].value.len + 4;
	return bytes;
}

int wire_response(struct buf *out, const struct response *response, struct wire_date *date,
	enum wire_connection connection)
{
	struct str body = buf_str(&response->body);
	bool has_body = response->status != 204;
	char text[64], *at, *start;
	int r, n;

	r = buf_reserve(out, head_bytes(response) + body.len);
	if (r < 0)
		return r;
	at = start = out->data + out->len;
	n = snprintf(text, sizeof(text), "HTTP/1.1 %u %s\r\n", response->status,
		reason_of(response->status));
	at = put(at, str_of(text, (size_t)n));
	at = put_header(at, STR("Date"), date_now(date));
	at = put_header(at, STR("X-Request-Id"), response->request->id);
	at = put(at, STR("X-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\n"));
	if (has_body) {
		at = put_header(at, STR("Content-Type"), response->content_type);
		n = snprintf(text, sizeof(text), "Content-Length: %zu\r\n", body.len);
		at = put(at, str_of(text, (size_t)n));
	}
	for (unsigned i = 0; i < response->header_count; i++)
		at = put_header(at, response->headers[i].name, response->headers[i].value);
	if (connection == WIRE_CLOSE)
		at = put(at, STR("Connection: close\r\n"));
	else if (connection == WIRE_KEEP_1_0)
		at = put(at, STR("Connection: keep-alive\r\n"));
	at = put(at, STR("\r\n"));
	if (has_body && response->request->method != METHOD_HEAD && body.len)
		at = put(at, body);
	out->len += (size_t)(at - start);
	return 0;
}
