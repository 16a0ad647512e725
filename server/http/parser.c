/*
 * llhttp and what is checked around it: see parser.h. llhttp tells the pieces of a message apart;
 * limits, line ends and the rules for fields that frame a message are checked here, because what it
 * lets pass differs with its version and with how it was built.
 */
#include "http/parser.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <llhttp.h>

#include "http/head.h"
#include "shared/macros.h"

/* The texts of an ordinary head fit, so that they are not moved while they arrive. */
#define HEAD_BYTES_FIRST 1024
/* First room for a body in chunks; it doubles, so that small pieces are not copied for each. */
#define BODY_BYTES_FIRST 1024
/* Sizes and extensions of chunks, and trailers: some thousand chunks, far more than a body needs.
 */
#define CHUNK_FRAMING_BYTES_MAX HTTP_HEADER_BYTES_MAX

/* A text that arrives in pieces. */
struct text {
	char *data;
	size_t len, cap;
};

/* Offsets into the head: it may move while it grows. */
struct field {
	uint16_t name, name_len, value, value_len;
};
static_assert(HTTP_HEADER_BYTES_MAX <= UINT16_MAX, "offsets into the head fit");

struct parser {
	llhttp_t llhttp;
	struct request *request;
	enum problem problem;
	enum parse_event event;
	struct text head; /* target, then names and values, one behind the other */
	struct text body;
	size_t target_len;
	size_t bytes; /* used so far: of the head, then of the body with its framing */
	struct head_framing framing;
	char last;                              /* byte of the head or trailer so far */
	bool is_method_open, is_method_foreign; /* one that llhttp does not know */
	bool has_line, has_head, has_trailer, is_field_open, is_keep_alive;
	unsigned spaces; /* in the request line so far */
	struct field fields[HTTP_HEADERS_MAX];
	unsigned field_count;
};

static int refuse(struct parser *parser, enum problem problem)
{
	parser->problem = problem;
	return HPE_USER;
}

static int append(struct parser *parser, struct text *text, size_t first, const char *at, size_t n)
{
	if (n > text->cap - text->len) {
		size_t cap = MAX(text->len + n, text->cap ? text->cap * 2 : first);
		char *data = arena_grow(parser->request->arena, text->data, text->cap, cap);

		if (!data)
			return refuse(parser, PROBLEM_SERVICE_UNAVAILABLE);
		text->data = data;
		text->cap = cap;
	}
	memcpy(text->data + text->len, at, n);
	text->len += n;
	return 0;
}

static int append_head(struct parser *parser, const char *at, size_t n)
{
	if (n > HTTP_HEADER_BYTES_MAX - parser->head.len)
		return refuse(parser, PROBLEM_HEADERS_TOO_LARGE);
	return append(parser, &parser->head, HEAD_BYTES_FIRST, at, n);
}

/* --- llhttp's callbacks while the head arrives --- */

static int on_url(llhttp_t *llhttp, const char *at, size_t n)
{
	struct parser *parser = llhttp->data;

	parser->target_len += n;
	if (parser->target_len > HTTP_TARGET_BYTES_MAX)
		return refuse(parser, PROBLEM_URI_TOO_LONG);
	return append_head(parser, at, n);
}

static int on_field(llhttp_t *llhttp, const char *at, size_t n)
{
	struct parser *parser = llhttp->data;

	if (parser->has_head)
		/* A trailer: bounded with the chunks, and dropped. */
		return n == 0 || head_is_token(str_of(at, n))
			       ? 0
			       : refuse(parser, PROBLEM_MALFORMED_REQUEST);
	if (!parser->is_field_open) {
		if (parser->field_count == HTTP_HEADERS_MAX)
			return refuse(parser, PROBLEM_HEADERS_TOO_LARGE);
		parser->fields[parser->field_count++] =
			(struct field){ .name = (uint16_t)parser->head.len };
		parser->is_field_open = true;
	}
	parser->fields[parser->field_count - 1].name_len += (uint16_t)n;
	return append_head(parser, at, n);
}

static int on_value(llhttp_t *llhttp, const char *at, size_t n)
{
	struct parser *parser = llhttp->data;
	struct field *field;

	if (parser->has_head)
		return 0;
	field = &parser->fields[parser->field_count - 1];
	if (!field->value_len)
		field->value = (uint16_t)parser->head.len;
	field->value_len += (uint16_t)n;
	return append_head(parser, at, n);
}

static int on_value_complete(llhttp_t *llhttp)
{
	struct parser *parser = llhttp->data;

	parser->is_field_open = false;
	return 0;
}

/* --- the head is complete: what it says --- */

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

static enum problem head_complete(struct parser *parser)
{
	struct request *request = parser->request;
	const llhttp_t *llhttp = &parser->llhttp;

	if (llhttp->http_major != 1 || llhttp->http_minor > 1)
		return PROBLEM_VERSION_NOT_SUPPORTED;
	request->method = parser->is_method_foreign ? METHOD_OTHER : method_of(llhttp->method);
	for (unsigned i = 0; i < parser->field_count; i++) {
		const struct field *field = &parser->fields[i];
		const char *head = parser->head.data;

		request->headers[i] = (struct http_header){
			.name = str_of(head + field->name, field->name_len),
			.value = str_trim(str_of(head + field->value, field->value_len)),
		};
	}
	request->header_count = parser->field_count;
	return head_check(request, str_of(parser->head.data, parser->target_len),
		parser_is_http_1_0(parser), &parser->framing);
}

static int on_headers_complete(llhttp_t *llhttp)
{
	struct parser *parser = llhttp->data;
	enum problem problem = head_complete(parser);

	if (problem != PROBLEM_NONE)
		return refuse(parser, problem);
	parser->is_keep_alive = llhttp_should_keep_alive(llhttp);
	parser->event = PARSE_HEADERS;
	return HPE_PAUSED;
}

/* --- the body --- */

static int on_body(llhttp_t *llhttp, const char *at, size_t n)
{
	struct parser *parser = llhttp->data;
	size_t max = parser->request->body_bytes_max;

	if (n > max - parser->body.len)
		return refuse(parser, PROBLEM_BODY_TOO_LARGE);
	return append(parser, &parser->body,
		parser->framing.is_chunked ? BODY_BYTES_FIRST : MIN(parser->framing.length, max),
		at, n);
}

/* Refuses a chunk that cannot fit before it comes. Pauses before the trailer, so that its lines can
 * be checked as the head's are. */
static int on_chunk_header(llhttp_t *llhttp)
{
	struct parser *parser = llhttp->data;

	if (llhttp->content_length > parser->request->body_bytes_max - parser->body.len)
		return refuse(parser, PROBLEM_BODY_TOO_LARGE);
	parser->has_trailer = llhttp->content_length == 0;
	return parser->has_trailer ? HPE_PAUSED : 0;
}

static int on_message_complete(llhttp_t *llhttp)
{
	struct parser *parser = llhttp->data;

	parser->request->body = str_of(parser->body.data, parser->body.len);
	parser->event = PARSE_COMPLETE;
	return HPE_PAUSED;
}

static const llhttp_settings_t settings = {
	.on_url = on_url,
	.on_header_field = on_field,
	.on_header_value = on_value,
	.on_header_value_complete = on_value_complete,
	.on_headers_complete = on_headers_complete,
	.on_chunk_header = on_chunk_header,
	.on_body = on_body,
	.on_message_complete = on_message_complete,
};

/* --- feeding --- */

struct parser *parser_new(void)
{
	return calloc(1, sizeof(struct parser));
}

size_t parser_bytes(void)
{
	return sizeof(struct parser);
}

void parser_free(struct parser *parser)
{
	free(parser);
}

static void llhttp_begin(struct parser *parser)
{
	llhttp_init(&parser->llhttp, HTTP_REQUEST, &settings);
	parser->llhttp.data = parser;
}

void parser_start(struct parser *parser, struct request *request)
{
	/* All but the table of fields, which is read as far as it was written only. */
	memset(parser, 0, offsetof(struct parser, fields));
	parser->field_count = 0;
	parser->request = request;
	llhttp_begin(parser);
}

/*
 * llhttp refused the method at its first byte that is not in any that it knows. Every token is one,
 * though (RFC 9110 section 9.1): when it ends the rest is read as that of a GET, so that everything
 * else about the request is checked before it is told that nobody serves it.
 */
static size_t method_read(struct parser *parser, struct str bytes)
{
	size_t n = 0;

	while (n < bytes.len && head_is_token(str_of(bytes.data + n, 1)))
		n++;
	parser->bytes += n;
	if (parser->bytes > HTTP_HEADER_BYTES_MAX)
		parser->problem = PROBLEM_HEADERS_TOO_LARGE;
	else if (n < bytes.len && (bytes.data[n] != ' ' || !parser->bytes))
		parser->problem = PROBLEM_MALFORMED_REQUEST;
	if (parser->problem != PROBLEM_NONE) {
		parser->event = PARSE_PROBLEM;
	} else if (n < bytes.len) {
		parser->is_method_open = false;
		parser->is_method_foreign = true;
		llhttp_begin(parser);
		(void)llhttp_execute(&parser->llhttp, "GET", strlen("GET"));
	}
	return n;
}

/* One space before the target and one behind it: more are read differently by different readers
 * (RFC 9112 section 3), and llhttp takes them. */
static bool line_is_strict(struct parser *parser, struct str bytes)
{
	ptrdiff_t lf = str_index(bytes, '\n'), space;
	struct str line = lf < 0 ? bytes : str_of(bytes.data, (size_t)lf);

	for (; parser->spaces <= 2 && (space = str_index(line, ' ')) >= 0;
		line = str_skip(line, (size_t)space + 1))
		parser->spaces++;
	parser->has_line = lf >= 0;
	return parser->spaces <= 2;
}

/* Those of RTSP are known to llhttp, and refused when the version is HTTP's. */
static bool is_of_rtsp(const llhttp_t *llhttp)
{
	return llhttp->method >= HTTP_DESCRIBE && llhttp->method <= HTTP_FLUSH;
}

static enum problem problem_of_llhttp(const llhttp_t *llhttp, llhttp_errno_t error)
{
	if (error == HPE_INVALID_CONSTANT && is_of_rtsp(llhttp))
		return PROBLEM_NOT_IMPLEMENTED;
	if (error == HPE_INVALID_VERSION || error == HPE_PAUSED_H2_UPGRADE)
		return PROBLEM_VERSION_NOT_SUPPORTED;
	return PROBLEM_MALFORMED_REQUEST;
}

/* conn.c has skipped the empty lines before a request; llhttp would take more of them. */
static bool begins_with_line_end(const struct parser *parser, struct str used)
{
	return !parser->has_head && used.len && parser->bytes == used.len &&
	       (*used.data == '\r' || *used.data == '\n');
}

/* What is wrong with the bytes that were used in this step, PROBLEM_NONE if nothing. */
static enum problem step_check(struct parser *parser, struct str used, llhttp_errno_t error)
{
	bool has_lines = !parser->has_head || parser->has_trailer;

	if (!parser->has_head && parser->problem == PROBLEM_NONE &&
		parser->bytes > HTTP_HEADER_BYTES_MAX)
		return PROBLEM_HEADERS_TOO_LARGE;
	if (parser->problem != PROBLEM_NONE)
		return parser->problem;
	if (begins_with_line_end(parser, used))
		return PROBLEM_MALFORMED_REQUEST;
	if (has_lines && !head_lines_are_strict(used, &parser->last))
		return PROBLEM_MALFORMED_REQUEST;
	if (!parser->has_line && !line_is_strict(parser, used))
		return PROBLEM_MALFORMED_REQUEST;
	if (error != HPE_OK && error != HPE_PAUSED)
		return problem_of_llhttp(&parser->llhttp, error);
	if (parser->framing.is_chunked && parser->has_head &&
		parser->bytes - parser->body.len > CHUNK_FRAMING_BYTES_MAX)
		return PROBLEM_BODY_TOO_LARGE;
	if (parser->event == PARSE_HEADERS && parser->is_method_foreign)
		return PROBLEM_NOT_IMPLEMENTED;
	return PROBLEM_NONE;
}

/* Until the bytes end or llhttp pauses; returns how many were used. */
static size_t step(struct parser *parser, struct str bytes)
{
	size_t used = bytes.len;
	bool had_trailer = parser->has_trailer;
	llhttp_errno_t error;

	if (parser->is_method_open)
		return method_read(parser, bytes);
	if (llhttp_get_errno(&parser->llhttp) == HPE_PAUSED)
		llhttp_resume(&parser->llhttp);
	error = llhttp_execute(&parser->llhttp, bytes.data, bytes.len);
	if (error == HPE_INVALID_METHOD && !parser->spaces) {
		parser->is_method_open = true;
		return 0; /* they are read again */
	}
	if (error == HPE_PAUSED)
		used = (size_t)(llhttp_get_error_pos(&parser->llhttp) - bytes.data);
	parser->bytes += used;
	if (parser->has_trailer && !had_trailer)
		parser->last = '\n'; /* the trailer begins with the next step */
	else
		parser->problem = step_check(parser, str_of(bytes.data, used), error);
	if (parser->problem != PROBLEM_NONE)
		parser->event = PARSE_PROBLEM;
	return used;
}

enum parse_event parser_feed(struct parser *parser, struct str bytes, size_t *ret_used)
{
	size_t used = 0;

	assert(parser->event != PARSE_COMPLETE && parser->event != PARSE_PROBLEM);
	if (parser->event == PARSE_HEADERS) {
		parser->has_head = true;
		parser->bytes = 0;
		/* An Upgrade field is ignored, as RFC 9110 section 7.8 allows. */
		parser->llhttp.upgrade = 0;
	}
	parser->event = PARSE_MORE;
	if (parser->has_head && !parser_has_body(parser))
		parser->event = PARSE_COMPLETE; /* needs no byte to be known */
	while (parser->event == PARSE_MORE && used < bytes.len)
		used += step(parser, str_skip(bytes, used));
	*ret_used = used;
	return parser->event;
}

enum problem parser_problem(const struct parser *parser)
{
	return parser->problem;
}

bool parser_has_body(const struct parser *parser)
{
	return parser->framing.is_chunked || parser->framing.length > 0;
}

bool parser_has_length(const struct parser *parser)
{
	return parser->framing.has_length;
}

uint64_t parser_length(const struct parser *parser)
{
	return parser->framing.length;
}

bool parser_is_http_1_0(const struct parser *parser)
{
	return parser->llhttp.http_major == 1 && parser->llhttp.http_minor == 0;
}

bool parser_keeps_alive(const struct parser *parser)
{
	return parser->is_keep_alive;
}
