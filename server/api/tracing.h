/* The root span of a request: what comes from its header fields, and what it says in the end. */
#pragma once

#include "core/network.h"
#include "http/request.h"
#include "http/response.h"

/* Whose traceparent is continued; must stay. Before the cores. */
void tracing_trust(const struct networks *networks);

/* Its header fields are complete. Nothing happens while traces are off. */
void tracing_begin(struct request *request);

/* It has been answered, or its client has gone (response NULL). True: its trace is kept. */
bool tracing_end(const struct request *request, const struct response *response, const char *route,
	uint64_t took_ns);
