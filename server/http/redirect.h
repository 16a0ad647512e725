/* The answer of a port that exists to tell clients of another one: the same URL, over https. */
#pragma once

#include "http/response.h"

/*
 * 308 (RFC 9110 section 15.4.9: method and body stay) with the host that the request names and this
 * port, which is left out when it is 443. 400 for a request without a decent host or path.
 */
void redirect_respond(const struct request *request, struct response *response, unsigned port);
