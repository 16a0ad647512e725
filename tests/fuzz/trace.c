/* What strangers say of their traces, and what collectors answer. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "observe/otlp.h"
#include "observe/traceparent.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = str_of((const char *)data, size);
	struct span_ids ids = {};

	if (traceparent_parse(text, &ids) == 0)
		assert(size >= 55 && span_ids_are_set(&ids));
	else
		assert(!span_ids_are_set(&ids));
	(void)otlp_protobuf_rejected(text);
	(void)otlp_json_rejected(text);
	return 0;
}
