/*
 * How a batch is carried to the collector. Its only kind is in the module authd-otlp, because
 * libcurl brings thirty libraries that nobody else should have to load (core/module.h).
 */
#pragma once

#include <stdatomic.h>

#include "observe/trace.h"
#include "shared/buf.h"

#define TRACE_ANSWER_BYTES_MAX 4096 /* more is not read */

struct trace_answer {
	long status;
	uint64_t retry_ms; /* Retry-After; 0: it says nothing */
	struct buf body;
};

struct trace_transport {
	/* NULL: *ret_why says why. options stay. */
	void *(*open)(const struct trace_options *options, const char **ret_why);
	/*
	 * 0 and an answer, or -EIO and *ret_why: there was none within the time-out, or until
	 * *end_ns (clock_now_ns()), which may come nearer meanwhile.
	 */
	int (*post)(void *transport, struct str body, const _Atomic uint64_t *end_ns,
		struct trace_answer *answer, const char **ret_why);
	void (*close)(void *transport);
};

#define TRACE_TRANSPORT_MODULE "otlp"
#define TRACE_TRANSPORT trace_transport_of_module
#define TRACE_TRANSPORT_SYMBOL "trace_transport_of_module"
