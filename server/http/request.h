/*
 * A request as handlers see it: everything borrowed from the exchange's arena, valid until the
 * handler returns. How it was parsed is parser.h's business.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/fiber.h"
#include "core/listener.h"
#include "http/problem.h"
#include "shared/arena.h"
#include "shared/json.h"
#include "shared/str.h"

/* API.md: larger ones are answered 414, 431 and 413. */
#define HTTP_TARGET_BYTES_MAX (8 * 1024)
#define HTTP_HEADER_BYTES_MAX (16 * 1024) /* the whole block, request line included */
#define HTTP_HEADERS_MAX 100
#define HTTP_BODY_BYTES_MAX (64 * 1024)

enum http_method {
	METHOD_GET,
	METHOD_HEAD,
	METHOD_POST,
	METHOD_PUT,
	METHOD_PATCH,
	METHOD_DELETE,
	METHOD_OPTIONS,
	METHOD_OTHER /* served by nobody here: 405 where it is of the registry, 501 if not */
};

struct http_header {
	struct str name, value; /* as sent; the value without white space around it */
};

struct request {
	enum http_method method;
	struct str path;  /* origin-form up to '?', as sent: nothing is decoded */
	struct str query; /* behind '?', "" when none */
	unsigned header_count;
	struct http_header *headers;
	struct str body; /* whole, decoded from chunks */
	struct str id;   /* X-Request-Id: the client's when it is decent, else a new one */
	const struct address *peer; /* the client: behind trusted proxies, whom they name */
	bool is_behind_proxy;       /* a trusted one: what it says of the client was believed */
	uint64_t started_ns;        /* its first byte */
	uint64_t complete_ns;       /* its last byte; 0: it never came so far */
	uint64_t spent_ns[FIBER_SPENT_MAX]; /* of its handler: fiber_spend() */
	uint64_t deadline_ns;               /* every wait for it ends here */
	struct arena *arena;                /* until the response is sent */
	size_t body_bytes_max; /* set by the service's admit(); at most HTTP_BODY_BYTES_MAX */
	bool is_body_required; /* likewise: a request without one is answered 411 */
	bool is_patient;       /* likewise: its waits let those of other requests go first */
	bool is_http_1_0;
	const void *route;         /* the service's own */
	struct str path_id;        /* likewise: of the path, where the route has an {id}; else "" */
	const char *tls_version;   /* "1.3"; NULL: it came without TLS */
	struct str client_subject; /* of the certificate that the client has shown; "" for none */
	struct str user_id;  /* likewise, for the log: "" unless the request says whose it is */
	struct trace *trace; /* likewise: its spans (core/span.h); NULL when it is not traced */
};

/* "GET"; "OTHER" for METHOD_OTHER. */
const char *http_method_name(enum http_method method);

/* The value of the first field of that name (any case); .data is NULL when there is none. */
struct str request_header(const struct request *request, struct str name);

/* The token of "Authorization: Bearer TOKEN" (RFC 6750); .data is NULL when there is none. */
struct str request_bearer(const struct request *request);

/*
 * The value of a cookie (RFC 6265), its name compared exactly. .data is NULL when there is none,
 * and when there are several of that name: one of them may be somebody else's, and which one cannot
 * be told.
 */
struct str request_cookie(const struct request *request, struct str name);

/* Does the request say that its body is of this media type (parameters aside, any case)? */
bool request_has_type(const struct request *request, struct str media_type);

/*
 * The body as a strictly checked JSON object. PROBLEM_NONE; PROBLEM_UNSUPPORTED_MEDIA_TYPE,
 * PROBLEM_MALFORMED_JSON (also when it is no object), PROBLEM_BODY_TOO_LARGE (its tree needs more
 * memory than a request gets).
 */
enum problem request_json(const struct request *request, const struct json **ret_object);
