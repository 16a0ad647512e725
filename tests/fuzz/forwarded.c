/*
 * Fuzzing forwarded_client(). The input is what a client sends; our proxy appends whom it came
 * from, and whatever the client wrote, that is who it is. Without the proxy's part, the walk ends
 * at an address.
 */
#include "http/forwarded.h"

#include <assert.h>
#include <string.h>

#define SIZE_MAX_FUZZED 4096

static const struct appended {
	enum http_forwarded field;
	const char *text, *client;
} appended[] = {
	{ HTTP_X_FORWARDED_FOR, ", 203.0.113.7", "203.0.113.7" },
	{ HTTP_X_FORWARDED_FOR, ",2001:db8::7", "2001:db8::7" },
	{ HTTP_FORWARDED, ", for=203.0.113.7;proto=https", "203.0.113.7" },
	{ HTTP_FORWARDED, ",for=\"[2001:db8::7]:80\"", "2001:db8::7" },
};

static struct address walk(enum http_forwarded field, struct str value)
{
	static struct http_trust trust;
	struct http_header headers[] = {
		{ STR("X-Forwarded-For"), value },
		{ STR("Forwarded"), value },
	};
	struct request request = { .headers = headers, .header_count = 2 };
	struct address client;

	if (!trust.proxies.count)
		(void)networks_add(&trust.proxies, STR("10.0.0.0/8"));
	trust.forwarded = field;
	(void)address_parse_host(STR("10.0.0.1"), &client);
	forwarded_client(&request, &trust, &client);
	return client;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char value[SIZE_MAX_FUZZED + 64];
	const struct appended *mine;
	char text[ADDRESS_TEXT_BYTES];
	struct address client;
	size_t bytes;

	if (size < 1 || size > SIZE_MAX_FUZZED)
		return 0;
	mine = &appended[data[0] % (sizeof(appended) / sizeof(appended[0]))];
	memcpy(value, data + 1, size - 1);
	client = walk(mine->field, str_of(value, size - 1));
	assert(address_host(&client, text).len > 0);
	bytes = strlen(mine->text);
	memcpy(value + size - 1, mine->text, bytes);
	client = walk(mine->field, str_of(value, size - 1 + bytes));
	assert(strcmp(address_host(&client, text).data, mine->client) == 0);
	return 0;
}
