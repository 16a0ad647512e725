/* What is written down of a request: between running.c, which says when, and audit.c, which says
 * how. */
#pragma once

#include "control/request.h"

/* The arguments as JSON, without what is secret or long; nothing when they do not fit. */
void request_args_print(const struct control_request *request, struct buf *text);

/* A record of it; the first one of a request is what later ones refer to. As audit_write(). */
int request_record(struct control_request *request, const char *result, uint64_t now_ns);
