/*
 * Spans: which steps a request took, and when. The fiber of a traced request carries its trace; a
 * step that may take time says span_begin() and span_end(), and where there is no trace that is one
 * look at the fiber. Knows nothing of where spans go: observe/trace.h. On the core's thread only.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "shared/str.h"

#define SPANS_MAX 16          /* of one request; later ones are counted only */
#define SPAN_ATTRIBUTES_MAX 8 /* what we set on the richest one */
#define SPAN_LABEL_BYTES 40   /* a UUID and its terminator */
#define SPAN_TRACE_HEX 33     /* the longer id in hexadecimal, and the terminator */

/* W3C Trace Context: all zero is no id. */
struct span_ids {
	uint8_t trace[16], span[8];
	bool is_sampled;
};

enum span_kind { SPAN_INTERNAL = 1, SPAN_SERVER = 2, SPAN_CLIENT = 3 }; /* OTLP's numbers */

/* Static text, unless it is NULL; then the number. */
struct span_attribute {
	const char *key, *text;
	int64_t number;
};

/* Most spans are forgotten before anything is said of them. */
struct span_details {
	unsigned attribute_count;
	struct span_attribute attributes[SPAN_ATTRIBUTES_MAX];
	const char *label_key; /* one attribute whose text is copied; NULL: none */
	char label[SPAN_LABEL_BYTES];
};

struct arena;

struct span {
	const char *name, *name_rest; /* static; the second may be NULL: "find", "users" */
	enum span_kind kind;
	const char *error; /* static: error.type; NULL: it went well */
	uint8_t id[8],
		parent[8]; /* of all but the root: drawn when it is known that they are kept */
	uint64_t start_ns, end_ns;    /* clock_now_ns() */
	struct arena *arena;          /* of the request: details are made there */
	struct span_details *details; /* NULL: none yet */
	uint8_t outer;                /* index of the span that it is in */
};

struct trace {
	/* trace_ids(). Before, only what decides on sampling is there: the trace's last eight
	 * bytes. */
	struct span_ids ids;
	bool has_ids;
	struct span_ids linked;  /* what the client named, if it was not continued; else zero */
	struct arena *arena;     /* of the request: spans live there */
	unsigned count, current; /* spans[0] is the root */
	unsigned dropped;
	struct span *spans[SPANS_MAX];
	struct span root; /* every trace has it: no allocation of its own */
};

/* Of the fiber that runs; NULL when it has none. */
struct trace *trace_current(void);

/* A step begins. NULL when nobody wants to know; everything below takes NULL. */
struct span *span_begin(const char *name, const char *name_rest, enum span_kind kind);
/* The same for what is no news unless one looks closely: in sampled traces only, as each span costs
 * a cached /verify some per cent. */
struct span *span_begin_detail(const char *name, const char *name_rest);
void span_text(struct span *span, const char *key, const char *text);
void span_number(struct span *span, const char *key, int64_t number);
void span_label(struct span *span, const char *key, struct str text); /* cut to fit; one only */
/* It was then, as became known later only. */
void span_times(struct span *span, uint64_t start_ns, uint64_t end_ns);
/* error: a negative result makes it an error of that type. */
void span_end(struct span *span, int error);

/* The trace's and its root's. Drawn when somebody asks first: most traces are forgotten before. */
const struct span_ids *trace_ids(struct trace *trace);

bool span_ids_are_set(const struct span_ids *ids);
bool span_has_parent(const struct span *span);
/* Lower-case hexadecimal; at most 16 bytes. */
struct str span_hex(const uint8_t *bytes, size_t count, char text[static SPAN_TRACE_HEX]);
