/* The steps of a request, one inside the other: see span.h. */
#include "core/span.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "core/fiber.h"
#include "shared/arena.h"
#include "shared/clock.h"
#include "shared/err.h"
#include "shared/macros.h"
#include "shared/random.h"

struct trace *trace_current(void)
{
	struct fiber *fiber = fiber_current();

	return fiber ? fiber_trace(fiber) : NULL;
}

struct span *span_begin(const char *name, const char *name_rest, enum span_kind kind)
{
	struct trace *trace = trace_current();
	struct span *span;

	if (!trace)
		return NULL;
	span = trace->count < SPANS_MAX ? arena_new(trace->arena, struct span) : NULL;
	if (!span) {
		trace->dropped++;
		return NULL;
	}
	span->name = name;
	span->name_rest = name_rest;
	span->kind = kind;
	span->start_ns = clock_now_ns();
	span->arena = trace->arena;
	span->outer = (uint8_t)trace->current;
	trace->spans[trace->count] = span;
	trace->current = trace->count++;
	return span;
}

struct span *span_begin_detail(const char *name, const char *name_rest)
{
	const struct trace *trace = trace_current();

	return trace && trace->ids.is_sampled ? span_begin(name, name_rest, SPAN_INTERNAL) : NULL;
}

/* NULL without a span, or without memory: then it is told without them. */
static struct span_details *details_of(struct span *span)
{
	if (span && !span->details)
		span->details = arena_new(span->arena, struct span_details);
	return span ? span->details : NULL;
}

static void attribute_add(struct span *span, struct span_attribute attribute)
{
	struct span_details *details = details_of(span);

	if (!details)
		return;
	assert(details->attribute_count < SPAN_ATTRIBUTES_MAX);
	details->attributes[details->attribute_count++] = attribute;
}

void span_text(struct span *span, const char *key, const char *text)
{
	attribute_add(span, (struct span_attribute){ .key = key, .text = text });
}

void span_number(struct span *span, const char *key, int64_t number)
{
	attribute_add(span, (struct span_attribute){ .key = key, .number = number });
}

void span_label(struct span *span, const char *key, struct str text)
{
	struct span_details *details = details_of(span);

	if (!details)
		return;
	details->label_key = key;
	(void)snprintf(details->label, sizeof(details->label), STR_FORMAT, STR_ARGS(text));
}

void span_times(struct span *span, uint64_t start_ns, uint64_t end_ns)
{
	if (!span)
		return;
	span->start_ns = start_ns;
	span->end_ns = end_ns;
}

void span_end(struct span *span, int error)
{
	struct trace *trace = trace_current();

	if (!span)
		return;
	assert(trace && trace->count);
	span->end_ns = clock_now_ns();
	if (error < 0)
		span->error = err_name(error);
	trace->current = span->outer;
}

const struct span_ids *trace_ids(struct trace *trace)
{
	struct span_ids *ids = &trace->ids;

	if (!trace->has_ids) {
		random_bytes(ids->trace, sizeof(ids->trace) - sizeof(uint64_t));
		random_bytes(ids->span, sizeof(ids->span));
		trace->has_ids = true;
	}
	return ids;
}

bool span_ids_are_set(const struct span_ids *ids)
{
	static const uint8_t none[sizeof(ids->trace)];

	return memcmp(ids->trace, none, sizeof(none)) != 0;
}

bool span_has_parent(const struct span *span)
{
	static const uint8_t none[sizeof(span->parent)];

	return memcmp(span->parent, none, sizeof(none)) != 0;
}

struct str span_hex(const uint8_t *bytes, size_t count, char text[static SPAN_TRACE_HEX])
{
	static const char digits[] = "0123456789abcdef";

	assert(count * 2 < SPAN_TRACE_HEX);
	for (size_t i = 0; i < count; i++) {
		text[2 * i] = digits[bytes[i] >> 4];
		text[2 * i + 1] = digits[bytes[i] & 15];
	}
	text[2 * count] = '\0';
	return str_of(text, count * 2);
}
