/*
 * The interface as OpenAPI 3.1, from the table of routes, the table of problems and the schemas in
 * docs/schemas.json. Who adds a route fills the last columns of its row in routes.c: its fields,
 * its answers and the problems that its handler says. The router compares every answer with the row
 * (route_has_answer()), and says so in the log when they differ, which fails the tests.
 */
#pragma once

#include "shared/buf.h"
#include "shared/str.h"

/* Below COMPRESS_KEPT_BYTES_MAX of http/compress.h, so that it is coded once. */
#define OPENAPI_BYTES_MAX (128 * 1024)

struct openapi_options {
	struct str base;              /* [http] base */
	struct str cookie;            /* [token] cookie, "" when none */
	unsigned password_points_min; /* [password] min */
};

/* Appends the document. 0, -ENOBUFS, -ENOMEM. */
int openapi_write(const struct openapi_options *options, struct buf *document);
