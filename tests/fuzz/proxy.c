/*
 * Fuzzing proxy_parse(): what a header is does not depend on the pieces it comes in, nor on what
 * follows it, and nothing above its bound is waited for.
 */
#include "http/proxy.h"

#include <assert.h>
#include <string.h>

#include "shared/err.h"

#define SIZE_MAX_FUZZED (2 * PROXY_BYTES_MAX)

static int parse(const uint8_t *data, size_t size, size_t *ret_used, struct address *ret_source)
{
	*ret_used = 0;
	*ret_source = (struct address){};
	return proxy_parse(str_of((const char *)data, size), ret_used, ret_source);
}

static void check_source(const struct address *source)
{
	char text[ADDRESS_TEXT_BYTES];
	uint8_t bytes[ADDRESS_BYTES];

	if (source->bytes) {
		assert(address_bytes(source, bytes));
		assert(address_host(source, text).len > 0);
	}
}

/* Nothing but the header counts: every part of it asks for more, and more changes nothing. */
static void check_complete(const uint8_t *data, size_t size, size_t used)
{
	struct address source, again;
	size_t used_again;

	assert(used > 0 && used <= size && used <= PROXY_BYTES_MAX);
	assert(parse(data, used, &used_again, &source) == 1 && used_again == used);
	assert(parse(data, used - 1, &used_again, &again) == 0);
	assert(parse(data, used / 2, &used_again, &again) == 0);
	check_source(&source);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t more[SIZE_MAX_FUZZED + 1];
	struct address source, again;
	size_t used, used_again;
	int r;

	if (size > SIZE_MAX_FUZZED)
		return 0;
	r = parse(data, size, &used, &source);
	if (size)
		memcpy(more, data, size);
	more[size] = '\n';
	if (r == 1) {
		check_complete(data, size, used);
	} else if (r == 0) {
		assert(size < PROXY_BYTES_MAX);
		assert(!source.bytes);
	} else {
		assert(r == -ERR_MALFORMED && !source.bytes);
		assert(parse(more, size + 1, &used_again, &again) == -ERR_MALFORMED);
	}
	return 0;
}
