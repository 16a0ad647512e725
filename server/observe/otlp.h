/*
 * Spans as an ExportTraceServiceRequest of OTLP 1: in protobuf or in its JSON mapping (ids in
 * hexadecimal, 64-bit numbers as texts). And the little that we read of the answer.
 */
#pragma once

#include <stdio.h>
#include <string.h>

#include "observe/trace_queue.h"
#include "shared/buf.h"

/* Appends one request with all of them. 0, -ENOBUFS, -ENOMEM. */
int otlp_protobuf(struct buf *out, const struct trace_options *options,
	const struct trace_item *items, unsigned count);
int otlp_json(struct buf *out, const struct trace_options *options, const struct trace_item *items,
	unsigned count);

/* How many spans an answer says were rejected; 0 when it says nothing, or nothing readable. */
uint64_t otlp_protobuf_rejected(struct str answer);
uint64_t otlp_json_rejected(struct str answer);

/* --- for both --- */

#define OTLP_STATUS_ERROR 2
#define OTLP_NAME_BYTES 320 /* a method and a route */

/* W3C's flags; and of our parent it is known whether it is of another process. */
#define OTLP_FLAG_SAMPLED 1u
#define OTLP_FLAG_HAS_REMOTE 0x100u
#define OTLP_FLAG_REMOTE 0x200u
#define OTLP_FLAGS(is_sampled, is_remote)                                                          \
	(((is_sampled) ? OTLP_FLAG_SAMPLED : 0) | OTLP_FLAG_HAS_REMOTE |                           \
		((is_remote) ? OTLP_FLAG_REMOTE : 0))

/* "POST /v1/auth/login" */
static inline const char *otlp_name(const struct span *span, char name[static OTLP_NAME_BYTES])
{
	(void)snprintf(name, OTLP_NAME_BYTES, "%s%s%s", span->name,
		span->name_rest && *span->name_rest ? " " : "",
		span->name_rest ? span->name_rest : "");
	return name;
}

static inline bool otlp_has_remote_parent(const struct trace_item *item)
{
	return item->span.kind == SPAN_SERVER && span_has_parent(&item->span);
}
