/*
 * What a client is told about limits: 429 RATE_LIMITED, Retry-After, and the RateLimit and
 * RateLimit-Policy fields of draft-ietf-httpapi-ratelimit-headers-10. The limits are
 * guard/limits.h.
 */
#pragma once

#include "guard/limits.h"
#include "http/request.h"
#include "http/response.h"

/* Counts the request for its client's address: 0; or 1 after a 429. */
int limited_by_address(enum limit limit, const struct request *request, struct response *response);

/* Counts it for the account of a folded address, whether there is one or not: likewise. */
int limited_by_account(const char *email_key, struct response *response);
