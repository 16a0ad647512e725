/*
 * Metrics as scrapers read them: the text format 0.0.4 of Prometheus and OpenMetrics 1.0, which
 * differ in little. Whoever has numbers puts them, family by family, in the order of the table.
 */
#pragma once

#include "observe/metrics.h"
#include "shared/buf.h"

enum exposition_format { EXPOSITION_TEXT, EXPOSITION_OPENMETRICS };

/* The bytes of a few thousand series. */
#define EXPOSITION_BYTES_MAX (2 * 1024 * 1024)

#define EXPOSITION_TEXT_TYPE "text/plain; version=0.0.4; charset=utf-8"
#define EXPOSITION_OPENMETRICS_TYPE "application/openmetrics-text; version=1.0.0; charset=utf-8"

struct exposition {
	enum exposition_format format;
	struct buf *out;
	enum metric metric; /* of the family begun last; METRICS: none yet */
	unsigned series;    /* lines with a value */
	int error;          /* the first */
};

struct exposition exposition_begin(enum exposition_format format, struct buf *out);
void exposition_family(struct exposition *exposition, enum metric metric);
/* Of the family begun last; as many labels as its row has. */
void exposition_value(
	struct exposition *exposition, const char *const labels[METRIC_LABELS_MAX], double value);
/* Nanoseconds; in seconds, by the edges of all latencies. exemplars: EXEMPLARS of them, or NULL;
 * OpenMetrics alone has a place for them. */
void exposition_histogram(struct exposition *exposition,
	const char *const labels[METRIC_LABELS_MAX], const struct histogram *histogram,
	const struct exemplar *exemplars);
/* 0, -ENOBUFS, -ENOMEM. */
int exposition_end(struct exposition *exposition);

/* The edges, in nanoseconds. A value up to 1/32 above an edge may count as below it: the
 * histograms inside are that exact. */
#define EXPOSITION_EDGES 15
extern const uint64_t exposition_edges_ns[EXPOSITION_EDGES];
