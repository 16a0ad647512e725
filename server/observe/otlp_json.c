/* The JSON mapping of OTLP: see otlp.h. */
#include <inttypes.h>
#include <stdio.h>

#include "observe/otlp.h"
#include "shared/json.h"

#define ANSWER_TREE_BYTES_MAX 65536

static void put_id(struct json_writer *w, const char *key, const uint8_t *bytes, size_t count)
{
	char hex[SPAN_TRACE_HEX];

	json_put_str(w, key, span_hex(bytes, count, hex));
}

/* 64-bit integers are texts. */
static void put_i64(struct json_writer *w, const char *key, int64_t value)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "%" PRId64, value);
	json_put_str(w, key, str_cstr(text));
}

/* The text, or the number when text is NULL. */
static void put_attribute(struct json_writer *w, const char *key, const char *text, int64_t number)
{
	json_begin_object(w, NULL);
	json_put_str(w, "key", str_cstr(key));
	json_begin_object(w, "value");
	if (text)
		json_put_str(w, "stringValue", str_cstr(text));
	else
		put_i64(w, "intValue", number);
	json_end_object(w);
	json_end_object(w);
}

static void put_attributes(struct json_writer *w, const struct trace_item *item)
{
	const struct span_details *details = &item->details;

	json_begin_array(w, "attributes");
	for (unsigned i = 0; i < details->attribute_count; i++)
		put_attribute(w, details->attributes[i].key, details->attributes[i].text,
			details->attributes[i].number);
	if (details->label_key)
		put_attribute(w, details->label_key, details->label, 0);
	if (item->span.error)
		put_attribute(w, "error.type", item->span.error, 0);
	if (item->dropped)
		put_attribute(w, "authd.spans_dropped", NULL, item->dropped);
	json_end_array(w);
}

static void put_link(struct json_writer *w, const struct span_ids *ids)
{
	json_begin_array(w, "links");
	json_begin_object(w, NULL);
	put_id(w, "traceId", ids->trace, sizeof(ids->trace));
	put_id(w, "spanId", ids->span, sizeof(ids->span));
	json_put_u64(w, "flags", OTLP_FLAGS(ids->is_sampled, true));
	json_end_object(w);
	json_end_array(w);
}

static void put_span(struct json_writer *w, const struct trace_item *item)
{
	const struct span *span = &item->span;
	char name[OTLP_NAME_BYTES];

	json_begin_object(w, NULL);
	put_id(w, "traceId", item->ids.trace, sizeof(item->ids.trace));
	put_id(w, "spanId", span->id, sizeof(span->id));
	if (span_has_parent(span))
		put_id(w, "parentSpanId", span->parent, sizeof(span->parent));
	json_put_str(w, "name", str_cstr(otlp_name(span, name)));
	json_put_u64(w, "kind", span->kind);
	put_i64(w, "startTimeUnixNano", item->start_ns);
	put_i64(w, "endTimeUnixNano", item->end_ns);
	put_attributes(w, item);
	if (span_ids_are_set(&item->linked))
		put_link(w, &item->linked);
	if (span->error) {
		json_begin_object(w, "status");
		json_put_u64(w, "code", OTLP_STATUS_ERROR);
		json_end_object(w);
	}
	json_put_u64(w, "flags", OTLP_FLAGS(item->ids.is_sampled, otlp_has_remote_parent(item)));
	json_end_object(w);
}

static void put_resource(struct json_writer *w, const struct trace_options *options)
{
	json_begin_object(w, "resource");
	json_begin_array(w, "attributes");
	for (unsigned i = 0; i < options->resource_count; i++)
		put_attribute(w, options->resource[i].key, options->resource[i].value, 0);
	json_end_array(w);
	json_end_object(w);
}

int otlp_json(struct buf *out, const struct trace_options *options, const struct trace_item *items,
	unsigned count)
{
	struct json_writer w = json_writer_init(out);

	json_begin_object(&w, NULL);
	json_begin_array(&w, "resourceSpans");
	json_begin_object(&w, NULL);
	put_resource(&w, options);
	json_begin_array(&w, "scopeSpans");
	json_begin_object(&w, NULL);
	json_begin_object(&w, "scope");
	json_put_str(&w, "name", STR("authd"));
	json_put_str(&w, "version", STR(AUTHD_VERSION));
	json_end_object(&w);
	json_begin_array(&w, "spans");
	for (unsigned i = 0; i < count; i++)
		put_span(&w, &items[i]);
	json_end_array(&w);
	json_end_object(&w);
	json_end_array(&w);
	json_end_object(&w);
	json_end_array(&w);
	json_end_object(&w);
	return json_writer_finish(&w);
}

/* {"partialSuccess":{"rejectedSpans":"3"}}; some write the number as one. */
uint64_t otlp_json_rejected(struct str answer)
{
	const struct json *root, *count;
	struct arena arena;
	struct str text;
	uint64_t rejected = 0;
	int64_t number;

	arena_init(&arena, 4096, ANSWER_TREE_BYTES_MAX);
	if (json_parse(&arena, answer, &json_limits_frame, &root) == 0) {
		count = json_member(json_member(root, "partialSuccess"), "rejectedSpans");
		if (json_get_str(count, &text) == 0)
			(void)str_to_u64(text, &rejected);
		else if (json_get_i64(count, &number) == 0 && number > 0)
			rejected = (uint64_t)number;
	}
	arena_deinit(&arena);
	return rejected;
}
