/* llhttp and what is checked around it: see parser.h. */
#include "http/parser.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <llhttp.h>

#include "shared/macros.h"

struct parser {
	llhttp_t llhttp;
	struct request *request;
	enum problem problem;
	enum parse_event event;
	struct str target;
	size_t head_bytes; /* of the header block so far, request line included */
	bool has_headers, has_length, is_field_complete, is_keep_alive;
};

static int refuse(struct parser *parser, enum problem problem)
{
	parser->problem = problem;
	return HPE_USER;
}

/* Texts arrive in pieces; the arena lets the newest one grow in place. */
static int append(struct parser *parser, struct str *text, const char *at, size_t bytes)
{
	char *grown = arena_grow(
		parser->request->arena, (char *)text->data, text->len, text->len + bytes);

	if (!grown)
		return refuse(parser, PROBLEM_SERVICE_UNAVAILABLE);
	memcpy(grown + text->len, at, bytes);
	*text = str_of(grown, text->len + bytes);
	return 0;
}

/* --- llhttp's callbacks --- */

static int on_url(llhttp_t *llhttp, const char *at, size_t bytes)
{
	struct parser *parser = llhttp->data;

	if (parser->target.len + bytes > HTTP_TARGET_BYTES_MAX)
		return refuse(parser, PROBLEM_URI_TOO_LONG);
	return append(parser, &parser->target, at, bytes);
}

static int on_field(llhttp_t *llhttp, const char *at, size_t bytes)
{
	struct parser *parser = llhttp->data;
	struct request *request = parser->request;

	if (parser->has_headers)
		return 0; /* a trailer: bounded with the body, and dropped */
	if (parser->is_field_complete) {
		if (request->header_count == HTTP_HEADERS_MAX)
			return refuse(parser, PROBLEM_HEADERS_TOO_LARGE);
		request->headers[request->header_count++] = (struct http_header){};
		parser->is_field_complete = false;
	}
	return append(parser, &request->headers[request->header_count - 1].name, at, bytes);
}

static int on_value(llhttp_t *llhttp, const char *at, size_t bytes)
{
	struct parser *parser = llhttp->data;
	struct request *request = parser->request;

	if (parser->has_headers)
		return 0;
	return append(parser, &request->headers[request->header_count - 1].value, at, bytes);
}

static int on_value_complete(llhttp_t *llhttp)
{
	struct parser *parser = llhttp->data;

	parser->is_field_complete = true;
	return 0;
}

static enum http_method method_of(unsigned method)
{
	switch (method) {
	case HTTP_GET:
		return METHOD_GET;
	case HTTP_HEAD:
		return METHOD_HEAD;
	case HTTP_POST:
		return METHOD_POST;
	case HTTP_PUT:
		return METHOD_PUT;
	case HTTP_PATCH:
		return METHOD_PATCH;
	case HTTP_DELETE:
		return METHOD_DELETE;
	case HTTP_OPTIONS:
		return METHOD_OPTIONS;
	default:
		return METHOD_OTHER;
	}
}

/* Origin-form, or absolute-form, whose authority we do not need (RFC 9112 section 3.2). */
static int target_split(struct parser *parser)
{
	struct request *request = parser->request;
	struct str target = parser->target;
	ptrdiff_t at;

	for (size_t i = 0; i < target.len; i++)
		if ((unsigned char)target.data[i] <= ' ' || target.data[i] == '\x7f')
			return refuse(parser, PROBLEM_MALFORMED_REQUEST);
	if (str_starts(target, STR("http://")) || str_starts(target, STR("https://"))) {
		target = str_skip(target, (size_t)str_index(target, ':') + 3);
		at = str_index(target, '/');
		target = at < 0 ? STR("/") : str_skip(target, (size_t)at);
	}
	if (!str_starts(target, STR("/")) &&
		!(request->method == METHOD_OPTIONS && str_equal(target, STR("*"))))
		return refuse(parser, PROBLEM_MALFORMED_REQUEST);
	at = str_index(target, '?');
	request->path = at < 0 ? target : str_of(target.data, (size_t)at);
	request->query = at < 0 ? (struct str){} : str_skip(target, (size_t)at + 1);
	return 0;
}

/* What two readers of one message could understand differently is refused (RFC 9112, 6.3 and 11).
 */
static int fields_check(struct parser *parser)
{
	struct request *request = parser->request;
	unsigned hosts = 0, lengths = 0, codings = 0;

	for (unsigned i = 0; i < request->header_count; i++) {
		struct http_header *header = &request->headers[i];

		header->value = str_trim(header->value);
		for (size_t j = 0; j < header->value.len; j++) {
			unsigned char c = (unsigned char)header->value.data[j];

			if ((c < ' ' && c != '\t') || c == 0x7f)
				return refuse(parser, PROBLEM_MALFORMED_REQUEST);
		}
		if (str_equal_nocase(header->name, STR("Host")))
			hosts++;
		else if (str_equal_nocase(header->name, STR("Content-Length")))
			lengths++;
		else if (str_equal_nocase(header->name, STR("Transfer-Encoding"))) {
			codings++;
			if (!str_equal_nocase(header->value, STR("chunked")))
				return refuse(parser, PROBLEM_NOT_IMPLEMENTED);
		}
	}
	if (hosts > 1 || (hosts == 0 && !parser_is_http_1_0(parser)))
		return refuse(parser, PROBLEM_MALFORMED_REQUEST);
	if (lengths + codings > 1 || (codings && parser_is_http_1_0(parser)))
		return refuse(parser, PROBLEM_MALFORMED_REQUEST);
	parser->has_length = lengths + codings > 0;
	return 0;
}

static int on_headers_complete(llhttp_t *llhttp)
{
	struct parser *parser = llhttp->data;
	struct request *request = parser->request;
	int r;

	request->method = method_of(llhttp->method);
	r = target_split(parser);
	if (r == 0)
		r = fields_check(parser);
	if (r != 0)
		return r;
	parser->has_headers = true;
	parser->is_keep_alive = llhttp_should_keep_alive(llhttp);
	llhttp->upgrade = 0; /* an Upgrade field may be ignored (RFC 9110 section 7.8) */
	parser->event = PARSE_HEADERS;
	return HPE_PAUSED;
}

static int on_body(llhttp_t *llhttp, const char *at, size_t bytes)
{
	struct parser *parser = llhttp->data;
	struct request *request = parser->request;

	if (request->body.len + bytes > request->body_bytes_max)
		return refuse(parser, PROBLEM_BODY_TOO_LARGE);
	return append(parser, &request->body, at, bytes);
}

static int on_message_complete(llhttp_t *llhttp)
{
	struct parser *parser = llhttp->data;

	parser->event = PARSE_COMPLETE;
	return HPE_PAUSED;
}

static const llhttp_settings_t settings = {
	.on_url = on_url,
	.on_header_field = on_field,
	.on_header_value = on_value,
	.on_header_value_complete = on_value_complete,
	.on_headers_complete = on_headers_complete,
	.on_body = on_body,
	.on_message_complete = on_message_complete,
};

/* --- what http/ calls --- */

struct parser *parser_new(void)
{
	return calloc(1, sizeof(struct parser));
}

void parser_free(struct parser *parser)
{
	free(parser);
}

void parser_start(struct parser *parser, struct request *request)
{
	*parser = (struct parser){ .request = request, .is_field_complete = true };
	llhttp_init(&parser->llhttp, HTTP_REQUEST, &settings);
	parser->llhttp.data = parser;
}

static enum problem problem_of_llhttp(const struct parser *parser, llhttp_errno_t error)
{
	if (parser->problem != PROBLEM_NONE)
		return parser->problem;
	if (error == HPE_INVALID_VERSION || error == HPE_PAUSED_H2_UPGRADE)
		return PROBLEM_VERSION_NOT_SUPPORTED;
	return PROBLEM_MALFORMED_REQUEST;
}

/* Fields that trickle in without end, chunks of one byte with long extensions: all are bounded. */
static bool is_over_limit(const struct parser *parser)
{
	if (!parser->has_headers)
		return parser->head_bytes > HTTP_HEADER_BYTES_MAX;
	return parser->head_bytes > HTTP_HEADER_BYTES_MAX + 4 * (size_t)HTTP_BODY_BYTES_MAX;
}

enum parse_event parser_feed(struct parser *parser, struct str bytes, size_t *ret_used)
{
	llhttp_errno_t error;

	assert(parser->event != PARSE_COMPLETE && parser->event != PARSE_PROBLEM);
	if (parser->event == PARSE_HEADERS)
		llhttp_resume(&parser->llhttp);
	parser->event = PARSE_MORE;
	error = llhttp_execute(&parser->llhttp, bytes.data, bytes.len);
	*ret_used = bytes.len;
	if (error == HPE_PAUSED)
		*ret_used = (size_t)(llhttp_get_error_pos(&parser->llhttp) - bytes.data);
	parser->head_bytes += *ret_used;
	if (error != HPE_OK && error != HPE_PAUSED) {
		parser->problem = problem_of_llhttp(parser, error);
		parser->event = PARSE_PROBLEM;
	} else if (is_over_limit(parser) && parser->event != PARSE_COMPLETE) {
		parser->problem =
			parser->has_headers ? PROBLEM_BODY_TOO_LARGE : PROBLEM_HEADERS_TOO_LARGE;
		parser->event = PARSE_PROBLEM;
	}
	return parser->event;
}

enum problem parser_problem(const struct parser *parser)
{
	return parser->problem;
}

bool parser_has_body(const struct parser *parser)
{
	return (parser->llhttp.flags & F_CHUNKED) || parser->llhttp.content_length > 0;
}

bool parser_has_length(const struct parser *parser)
{
	return parser->has_length;
}

uint64_t parser_length(const struct parser *parser)
{
	return (parser->llhttp.flags & F_CHUNKED) ? 0 : parser->llhttp.content_length;
}

bool parser_expects_continue(const struct parser *parser)
{
	return str_equal_nocase(
		request_header(parser->request, STR("Expect")), STR("100-continue"));
}

bool parser_is_http_1_0(const struct parser *parser)
{
	return parser->llhttp.http_major == 1 && parser->llhttp.http_minor == 0;
}

bool parser_keeps_alive(const struct parser *parser)
{
	return parser->is_keep_alive;
}
