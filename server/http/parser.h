/*
 * Bytes to requests: llhttp in its strict mode, plus the limits and the rules against smuggling
 * that it leaves to us (RFC 9112 section 11). Knows no connection. llhttp is included in parser.c
 * alone.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "http/request.h"

enum parse_event {
	PARSE_MORE,     /* all bytes were used: give me more */
	PARSE_HEADERS,  /* the fields are complete; the next call goes on with the body */
	PARSE_COMPLETE, /* the request is; bytes behind it belong to the next one */
	PARSE_PROBLEM,  /* parser_problem() says what; the connection cannot go on */
};

struct parser;

struct parser *parser_new(void);         /* NULL: no memory */
size_t parser_bytes(void);               /* of one */
void parser_free(struct parser *parser); /* accepts NULL */

/*
 * Starts a request. What it fills: method, path, query, headers, body; the texts live in
 * request->arena, request->headers has room for HTTP_HEADERS_MAX.
 */
void parser_start(struct parser *parser, struct request *request);

/* *ret_used: how many of the bytes were used up. request->body_bytes_max is obeyed after
 * PARSE_HEADERS. */
enum parse_event parser_feed(struct parser *parser, struct str bytes, size_t *ret_used);

enum problem parser_problem(const struct parser *parser);

/* After PARSE_HEADERS. */
bool parser_has_body(const struct parser *parser);   /* a length above zero, or chunks */
bool parser_has_length(const struct parser *parser); /* any length was said, or chunks */
/* The length that was said; 0 with chunks. */
uint64_t parser_length(const struct parser *parser);
bool parser_is_http_1_0(const struct parser *parser);

/* After PARSE_HEADERS: does the client want to go on with this connection? */
bool parser_keeps_alive(const struct parser *parser);
