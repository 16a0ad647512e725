/*
 * Fuzzing urlencoded_parse(). What is accepted is printable UTF-8 without repeated names, and says
 * the same when it is encoded by the book and read again.
 */
#include "shared/urlencoded.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>

#define SIZE_MAX_FUZZED 4096

static size_t encode(char *text, struct str from)
{
	static const char digits[] = "0123456789ABCDEF";
	size_t len = 0;

	for (size_t i = 0; i < from.len; i++) {
		unsigned char c = (unsigned char)from.data[i];

		text[len++] = '%';
		text[len++] = digits[c >> 4];
		text[len++] = digits[c & 15];
	}
	return len;
}

static size_t encode_all(char *text, const struct urlencoded *fields)
{
	size_t len = 0;

	for (unsigned i = 0; i < fields->count; i++) {
		if (i)
			text[len++] = '&';
		len += encode(text + len, fields->fields[i].name);
		text[len++] = '=';
		len += encode(text + len, fields->fields[i].value);
	}
	return len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char text[3 * SIZE_MAX_FUZZED + 2 * URLENCODED_FIELDS_MAX];
	struct urlencoded fields, again;
	struct arena arena;

	if (size > SIZE_MAX_FUZZED)
		return 0;
	arena_init(&arena, 4096, 1024 * 1024);
	if (urlencoded_parse(&arena, str_of((const char *)data, size), &fields) == 0) {
		assert(fields.count <= URLENCODED_FIELDS_MAX);
		assert(urlencoded_parse(&arena, str_of(text, encode_all(text, &fields)), &again) ==
			0);
		assert(again.count == fields.count);
		for (unsigned i = 0; i < fields.count; i++) {
			struct str name = fields.fields[i].name;

			assert(name.len && str_is_utf8(name));
			assert(str_equal(name, again.fields[i].name));
			assert(str_equal(fields.fields[i].value, again.fields[i].value));
			assert(urlencoded_value(&fields, name).data == fields.fields[i].value.data);
		}
	}
	arena_deinit(&arena);
	return 0;
}
