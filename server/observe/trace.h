/*
 * Traces: which requests are kept, and the way of their spans to a collector (OTLP over HTTP). A
 * request's spans wait with the request until it has ended; then it is known whether it was
 * sampled, slow or failed, and they go into a bounded queue that one thread sends. A collector that
 * hangs costs spans, which are counted, and never a request's time. What a span is: core/span.h.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/span.h"

#define TRACE_QUEUE_SPANS 2048
#define TRACE_RESOURCE_MAX 32 /* attributes of OTEL_RESOURCE_ATTRIBUTES */
#define TRACE_HEADERS_MAX 16  /* of OTEL_EXPORTER_OTLP_HEADERS */
#define TRACE_TEXT_BYTES 512  /* of each, and of addresses */
#define TRACE_PARTS 1000000   /* a sampling ratio is so many of these */

enum trace_protocol { TRACE_PROTOBUF, TRACE_JSON };

struct trace_pair {
	char key[128], value[TRACE_TEXT_BYTES];
};

struct trace_options {
	char url[TRACE_TEXT_BYTES]; /* "": no traces at all */
	enum trace_protocol protocol;
	uint64_t timeout_ms; /* of one request to the collector */
	uint32_t sampled;    /* of TRACE_PARTS: new traces that are kept, whatever they are */
	bool heeds_parent;   /* a caller that may continue its trace also decides on sampling */
	uint64_t slow_ms;    /* slower ones are kept anyway; 0: none */
	char certificate[TRACE_TEXT_BYTES]; /* of who signed the collector's; "": the system's */
	unsigned header_count, resource_count;
	struct trace_pair headers[TRACE_HEADERS_MAX];
	struct trace_pair resource[TRACE_RESOURCE_MAX]; /* service.name is the first */
};

/*
 * trace_env.c. Takes over what the environment says (OpenTelemetry's variables win over the file).
 * 0, or -EINVAL and *ret_why is a sentence about the one that cannot be heeded.
 */
int trace_options_env(struct trace_options *options, const char **ret_why);

/* Before the cores. Without a url nothing is started. 0 or an error, and *ret_why is a sentence. */
int trace_start(const struct trace_options *options, const char **ret_why);

/* Sends what is waiting, for a second at most. After the cores. */
void trace_stop(void);

extern _Atomic bool trace_on; /* for trace_is_on() */
static inline bool trace_is_on(void)
{
	return atomic_load_explicit(&trace_on, memory_order_relaxed);
}

/* While it runs; any thread. */
void trace_tune(uint32_t sampled, uint64_t slow_ms);

/*
 * Begins the trace of a request in zeroed memory with its arena set, and its root span. theirs: the
 * client's own trace, which goes on here, when it may do that; NULL: a new one begins.
 */
void trace_begin(struct trace *trace, const struct span_ids *theirs, uint64_t start_ns);

/* The request has ended. error: static text; NULL when it went well. True: it is to be kept: name
 * and describe its root, then trace_send() it. Most are not, and have cost little but their spans.
 */
bool trace_end(struct trace *trace, const char *error, uint64_t end_ns);

/* True: it is on its way to the collector; else there was no room, which is counted. */
bool trace_send(struct trace *trace);

/*
 * A step that is no request's, such as an operator's command: a trace of one span, which the caller
 * has filled but for its ids. It is kept whatever is sampled. Any thread; nothing happens while
 * traces are off.
 */
void trace_alone(struct span *span);

struct trace_stats {
	uint64_t exported, dropped, rejected; /* spans */
	uint64_t failures;                    /* requests to the collector */
	uint32_t queued;
};
/* Any thread. */
void trace_stats(struct trace_stats *ret_stats);
