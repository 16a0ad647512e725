/* A response onto the wire (RFC 9112), and the Date field, made once a second per core. */
#pragma once

#include <stdint.h>

#include "http/response.h"
#include "shared/buf.h"
#include "shared/clock.h"

struct wire_date {
	int64_t second;
	char text[CLOCK_HTTP_BYTES];
};

enum wire_connection { WIRE_KEEP, WIRE_KEEP_1_0, WIRE_CLOSE };

/* Appends the whole response, without its body for HEAD. 0, -ENOBUFS, -ENOMEM. */
int wire_response(struct buf *out, const struct response *response, struct wire_date *date,
	enum wire_connection connection);
