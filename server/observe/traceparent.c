/* Sections 3.2.2 and 4.3 of W3C Trace Context: see traceparent.h. */
#include "observe/traceparent.h"

#include <errno.h>
#include <string.h>

#include "shared/macros.h"

#define BYTES 55 /* of version 00: 2-32-16-2 with dashes */
#define TRACE_AT 3
#define SPAN_AT 36
#define FLAGS_AT 53
#define FLAG_SAMPLED 1

static int digit_of(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -EINVAL;
}

/* 0, or -EINVAL; *ret_bits: what is set in any of them. */
static int hex_parse(const char *text, size_t count, uint8_t *bytes, uint8_t *ret_bits)
{
	*ret_bits = 0;
	for (size_t i = 0; i < count; i++) {
		int high = digit_of(text[2 * i]), low = digit_of(text[2 * i + 1]);

		if (high < 0 || low < 0)
			return -EINVAL;
		bytes[i] = (uint8_t)(high << 4 | low);
		*ret_bits |= bytes[i];
	}
	return 0;
}

int traceparent_parse(struct str text, struct span_ids *ret_ids)
{
	struct span_ids ids = {};
	uint8_t version, flags, trace_bits, span_bits, unused;

	if (text.len < BYTES || text.data[TRACE_AT - 1] != '-' || text.data[SPAN_AT - 1] != '-' ||
		text.data[FLAGS_AT - 1] != '-')
		return -EINVAL;
	if (hex_parse(text.data, 1, &version, &unused) < 0 || version == 0xff)
		return -EINVAL;
	if (text.len > BYTES && (version == 0 || text.data[BYTES] != '-'))
		return -EINVAL;
	if (hex_parse(text.data + TRACE_AT, sizeof(ids.trace), ids.trace, &trace_bits) < 0 ||
		hex_parse(text.data + SPAN_AT, sizeof(ids.span), ids.span, &span_bits) < 0 ||
		hex_parse(text.data + FLAGS_AT, 1, &flags, &unused) < 0)
		return -EINVAL;
	if (!trace_bits || !span_bits)
		return -EINVAL;
	ids.is_sampled = flags & FLAG_SAMPLED;
	*ret_ids = ids;
	return 0;
}
