/*
 * A response while a handler fills it: status, fields, body. Body memory belongs to the exchange
 * and is used again, so a warm server allocates nothing; it is wiped, because it may hold tokens.
 */
#pragma once

#include <stdbool.h>

#include "http/problem.h"
#include "http/request.h"
#include "shared/arena.h"
#include "shared/buf.h"
#include "shared/json.h"

#define RESPONSE_HEADERS_MAX                                                                       \
	16 /* /docs has twelve, limits, CORS, compression and HSTS included                        \
	    */
#define RESPONSE_BODY_BYTES_MAX (256 * 1024) /* four times the largest request */

struct response {
	unsigned status;      /* 0: nothing was said yet */
	enum problem problem; /* for the log and the counters; PROBLEM_NONE for success */
	unsigned header_count;
	struct http_header headers[RESPONSE_HEADERS_MAX]; /* names are static text */
	struct str content_type;                          /* of the body; JSON unless set */
	struct buf body;
	struct json_writer writer;
	const struct request *request;
	bool is_public; /* may be compressed: see response_public() */
	bool closes;    /* end the connection after this response */
};

void response_init(struct response *response, const struct request *request);
void response_reset(struct response *response); /* for the next request: wipes, keeps the memory */
void response_deinit(struct response *response);

/*
 * Adds a field; the value is copied into the request's arena. Asserts that the value has no
 * control characters: callers pass only what they made or checked themselves. -ENOMEM.
 */
int response_header(struct response *response, const char *name, struct str value);
int response_header_u64(struct response *response, const char *name, uint64_t value);
/* The same without a copy: static text, or what is in the request's arena. */
void response_header_lent(struct response *response, struct str name, struct str value);

/*
 * The body is a public document: the same for everybody, with nothing in it that came with a
 * request or belongs to an account. Only such bodies are compressed (compress.h).
 */
static inline void response_public(struct response *response)
{
	response->is_public = true;
}

/* No body: 204, 202. Handlers return what these return. */
int response_empty(struct response *response, unsigned status);

/* Opens {"success":true,"data":{ ; members follow; response_end() closes it. */
struct json_writer *response_begin(struct response *response, unsigned status);

/* Opens { for endpoints whose shape another document defines. */
struct json_writer *response_begin_plain(struct response *response, unsigned status);

/* 0, -ENOBUFS, -ENOMEM. */
int response_end(struct response *response);

/* A body that is finished already; copied. */
int response_body(struct response *response, unsigned status, struct str type, struct str body);

/*
 * Forgets what was filled in so far (fields too) and says the problem instead, in the error
 * envelope, with the request's id. Always succeeds: what it needs is reserved.
 */
int response_problem(struct response *response, enum problem problem);

/* The same for a 503, and when to try again: response_problem() says a second, which is too short
 * to be noticed, for what is over soon. */
int response_unavailable(struct response *response, enum problem problem, unsigned retry_s);

/* 422 with what is wrong with one field; `why` is a sentence without secrets. */
int response_invalid(struct response *response, const char *field, const char *why);
