/* From a request to its handler, and from a failed call to its problem. */
#pragma once

#include "http/server.h"

/* base: what comes before the paths that are under it ("/v1/auth"); must stay. Before the cores. */
void router_init(struct str base);

extern const struct http_service router_service;
