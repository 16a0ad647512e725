/* From a request to its handler, and from a failed call to its problem. */
#pragma once

#include "http/server.h"

struct router_options {
	struct str base;   /* what comes before the paths that are under it: "/v1/auth" */
	struct str cookie; /* that may bring the token to /verify; "" when none may */
	uint64_t hsts_s;   /* for how long browsers shall use TLS alone; 0: they are not told */
};

/* Before the cores; the texts must stay. */
void router_init(const struct router_options *options);

extern const struct http_service router_service;
