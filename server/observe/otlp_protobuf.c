/*
 * Protobuf by hand: the handful of messages that spans need (opentelemetry-proto 1,
 * collector/trace/v1 and trace/v1). A nested message's length is written when its end is known,
 * into four bytes kept for it: longer than it had to be, and read by every decoder.
 */
#include <errno.h>
#include <string.h>

#include "observe/otlp.h"
#include "shared/macros.h"

enum wire_type { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };

#define VARINT_BYTES 10 /* of 64 bits */
#define LENGTH_BYTES 4  /* 28 bits: far more than a batch */

struct proto {
	struct buf *out;
	int error; /* the first one */
};

static void raw(struct proto *p, const void *bytes, size_t count)
{
	struct buf *out = p->out;

	if (p->error == 0 && count > out->cap - out->len)
		p->error = buf_reserve(out, count);
	if (p->error)
		return;
	memcpy(out->data + out->len, bytes, count);
	out->len += count;
}

static size_t varint(uint8_t *at, uint64_t value)
{
	size_t count = 0;

	do {
		at[count] = (uint8_t)(value & 0x7f);
		value >>= 7;
		if (value)
			at[count] |= 0x80;
		count++;
	} while (value);
	return count;
}

/* What is before a field, and its number or length: in one piece, as there are many of them. */
static void head(struct proto *p, unsigned field, enum wire_type type, uint64_t number)
{
	uint8_t bytes[2 * VARINT_BYTES];
	size_t count = varint(bytes, field << 3 | type);

	raw(p, bytes, count + varint(bytes + count, number));
}

static void put_number(struct proto *p, unsigned field, uint64_t value)
{
	head(p, field, WIRE_VARINT, value);
}

static void put_bytes(struct proto *p, unsigned field, const void *bytes, size_t count)
{
	head(p, field, WIRE_BYTES, count);
	raw(p, bytes, count);
}

static void put_text(struct proto *p, unsigned field, const char *text)
{
	put_bytes(p, field, text, strlen(text));
}

/* Little-endian, whatever we run on. */
static void put_fixed(struct proto *p, unsigned field, uint64_t value, size_t count)
{
	uint8_t bytes[VARINT_BYTES + 8];
	size_t start = varint(bytes, field << 3 | (count == 8 ? WIRE_64 : WIRE_32));

	for (size_t i = 0; i < count; i++)
		bytes[start + i] = (uint8_t)(value >> (8 * i));
	raw(p, bytes, start + count);
}

/* Returns where it began, for message_end(). */
static size_t message_begin(struct proto *p, unsigned field)
{
	uint8_t bytes[VARINT_BYTES + LENGTH_BYTES] = {};

	raw(p, bytes, varint(bytes, field << 3 | WIRE_BYTES) + LENGTH_BYTES);
	return p->out->len;
}

static void message_end(struct proto *p, size_t start)
{
	size_t length = p->out->len - start;

	if (p->error)
		return;
	for (size_t i = 0; i < LENGTH_BYTES; i++)
		p->out->data[start - LENGTH_BYTES + i] =
			(char)((length >> (7 * i) & 0x7f) | (i + 1 < LENGTH_BYTES ? 0x80 : 0));
}

/* KeyValue with an AnyValue: the text, or the number when text is NULL. */
static void put_attribute(
	struct proto *p, unsigned field, const char *key, const char *text, int64_t number)
{
	size_t pair = message_begin(p, field), value;

	put_text(p, 1, key);
	value = message_begin(p, 2);
	if (text)
		put_text(p, 1, text);
	else
		put_number(p, 3, (uint64_t)number);
	message_end(p, value);
	message_end(p, pair);
}

/* --- the messages --- */

static void put_link(struct proto *p, const struct span_ids *ids)
{
	size_t link = message_begin(p, 13);

	put_bytes(p, 1, ids->trace, sizeof(ids->trace));
	put_bytes(p, 2, ids->span, sizeof(ids->span));
	put_fixed(p, 6, OTLP_FLAGS(ids->is_sampled, true), 4);
	message_end(p, link);
}

static void put_name(struct proto *p, const struct span *span)
{
	struct str name = str_cstr(span->name);
	struct str rest = str_cstr(span->name_rest ? span->name_rest : "");

	head(p, 5, WIRE_BYTES, name.len + (rest.len ? 1 : 0) + rest.len);
	raw(p, name.data, name.len);
	raw(p, " ", rest.len ? 1 : 0);
	raw(p, rest.data, rest.len);
}

static void put_span(struct proto *p, const struct trace_item *item)
{
	const struct span *span = &item->span;
	const struct span_details *details = &item->details;
	size_t start = message_begin(p, 2), status;

	put_bytes(p, 1, item->ids.trace, sizeof(item->ids.trace));
	put_bytes(p, 2, span->id, sizeof(span->id));
	if (span_has_parent(span))
		put_bytes(p, 4, span->parent, sizeof(span->parent));
	put_name(p, span);
	put_number(p, 6, span->kind);
	put_fixed(p, 7, (uint64_t)item->start_ns, 8);
	put_fixed(p, 8, (uint64_t)item->end_ns, 8);
	for (unsigned i = 0; i < details->attribute_count; i++)
		put_attribute(p, 9, details->attributes[i].key, details->attributes[i].text,
			details->attributes[i].number);
	if (details->label_key)
		put_attribute(p, 9, details->label_key, details->label, 0);
	if (span->error)
		put_attribute(p, 9, "error.type", span->error, 0);
	if (item->dropped)
		put_attribute(p, 9, "authd.spans_dropped", NULL, item->dropped);
	if (span_ids_are_set(&item->linked))
		put_link(p, &item->linked);
	if (span->error) {
		status = message_begin(p, 15);
		put_number(p, 3, OTLP_STATUS_ERROR);
		message_end(p, status);
	}
	put_fixed(p, 16, OTLP_FLAGS(item->ids.is_sampled, otlp_has_remote_parent(item)), 4);
	message_end(p, start);
}

int otlp_protobuf(struct buf *out, const struct trace_options *options,
	const struct trace_item *items, unsigned count)
{
	struct proto p = { .out = out };
	size_t resource_spans = message_begin(&p, 1), inner = message_begin(&p, 1), scope;

	for (unsigned i = 0; i < options->resource_count; i++)
		put_attribute(&p, 1, options->resource[i].key, options->resource[i].value, 0);
	message_end(&p, inner);
	inner = message_begin(&p, 2);
	scope = message_begin(&p, 1);
	put_text(&p, 1, "authd");
	put_text(&p, 2, AUTHD_VERSION);
	message_end(&p, scope);
	for (unsigned i = 0; i < count; i++)
		put_span(&p, &items[i]);
	message_end(&p, inner);
	message_end(&p, resource_spans);
	return p.error;
}

/* --- the answer --- */

static bool varint_take(struct str *rest, uint64_t *ret_value)
{
	uint64_t value = 0;

	for (size_t i = 0; i < rest->len && i < 10; i++) {
		uint8_t byte = (uint8_t)rest->data[i];

		value |= (uint64_t)(byte & 0x7f) << (7 * i);
		if (!(byte & 0x80)) {
			*rest = str_skip(*rest, i + 1);
			*ret_value = value;
			return true;
		}
	}
	return false;
}

/* The next field of a message: bytes for WIRE_BYTES, else a number. False at its end, or when it is
 * none. */
static bool field_take(struct str *rest, uint64_t *ret_tag, uint64_t *ret_number, struct str *ret)
{
	size_t skipped;

	if (!varint_take(rest, ret_tag))
		return false;
	switch (*ret_tag & 7) {
	case WIRE_VARINT:
		return varint_take(rest, ret_number);
	case WIRE_BYTES:
		if (!varint_take(rest, ret_number) || *ret_number > rest->len)
			return false;
		*ret = str_of(rest->data, *ret_number);
		*rest = str_skip(*rest, *ret_number);
		return true;
	case WIRE_64:
	case WIRE_32:
		skipped = (*ret_tag & 7) == WIRE_64 ? 8 : 4;
		if (skipped > rest->len)
			return false;
		*rest = str_skip(*rest, skipped);
		return true;
	default:
		return false;
	}
}

/* ExportTraceServiceResponse.partial_success.rejected_spans: field 1 of field 1. */
uint64_t otlp_protobuf_rejected(struct str answer)
{
	struct str partial = {}, bytes = {};
	uint64_t tag_found, number = 0, rejected = 0;

	while (field_take(&answer, &tag_found, &number, &bytes))
		if (tag_found == (1 << 3 | WIRE_BYTES))
			partial = bytes;
	while (field_take(&partial, &tag_found, &number, &bytes))
		if (tag_found == (1 << 3 | WIRE_VARINT))
			rejected = number;
	return rejected;
}
