/*
 * Who the client is behind reverse proxies that speak HTTP. Only what a trusted host says is
 * believed, and only in the one field that our proxies write: a field that they pass on untouched
 * is the client's own word.
 */
#pragma once

#include "core/network.h"
#include "http/request.h"

enum http_forwarded { HTTP_X_FORWARDED_FOR, HTTP_FORWARDED /* RFC 7239 */ };

struct http_trust {
	struct networks proxies;
	enum http_forwarded forwarded; /* the field that they write */
	bool has_proxy_protocol;       /* their connections begin with a header: proxy.h */
};

/* Proxies in a row that are looked at; what claims more is cut there. */
#define FORWARDED_HOPS_MAX 32

/*
 * *client is who sent the request to us. While that is a trusted proxy, it becomes whom the proxy
 * names, the last named first. What cannot be read (also "unknown" and hidden names) ends the walk:
 * then the nearest that is known stands for the client.
 */
void forwarded_client(
	const struct request *request, const struct http_trust *trust, struct address *client);
