/* The access log: one record, http.access, for each request or for those that an operator asks
 * about. */
#pragma once

#include "http/request.h"
#include "http/response.h"

enum access_kept { ACCESS_KEPT_NONE, ACCESS_KEPT_SLOW, ACCESS_KEPT_ALL };

struct access_options {
	enum access_kept kept;
	uint64_t slow_ms; /* slow is what takes longer */
};

/* Any thread, at any time. */
void access_set(const struct access_options *options);

/* A connection with TLS ends because of what its client sent: why, a word of a closed set. */
void access_broken(const struct address *peer, bool is_handshake, const char *why);

/* A request has been answered; route: its template, "" when there was none. */
void access_log(const struct request *request, const struct response *response, const char *route,
	uint64_t took_ns);
