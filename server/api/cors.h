/*
 * Cross-origin requests (Fetch standard, "CORS protocol"): pages of the origins in [http]
 * cors_origins may read our answers. Origins are compared whole; there is no "*", and what an
 * origin that is not listed gets has no Access-Control field. Without origins nothing of this is
 * sent.
 */
#pragma once

#include "config/config.h"
#include "http/request.h"
#include "http/response.h"

/* Before the cores; the list must stay. has_credentials: cookies may come along. */
void cors_init(const struct config_list *origins, bool has_credentials);

/* scheme://host[:port] as browsers write it: lower case, no path, no port that is the default. */
bool cors_is_origin(struct str text);

/* Does a browser ask for a listed origin whether a request may follow? */
bool cors_is_preflight(const struct request *request);

/* The fields of the answer to it. */
void cors_allow(struct response *response, struct str methods);

/* For every response, whatever it is: who may read it. */
void cors_finish(const struct request *request, struct response *response);
