/* The PROXY protocol: see proxy.h. Version 1 is a line of text, version 2 is binary. */
#include "http/proxy.h"

#include <arpa/inet.h>

#include "shared/err.h"
#include "shared/macros.h"

/* --- version 1: "PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n" --- */

#define V1_BYTES_MAX 107 /* with CRLF; the specification says so */

/* "0" or digits without a leading zero, up to 65535. */
static int port_parse(struct str text, uint16_t *ret_port)
{
	uint64_t port;

	if (text.len > 5 || (text.len > 1 && text.data[0] == '0') || str_to_u64(text, &port) < 0 ||
		port > UINT16_MAX)
		return -ERR_MALFORMED;
	*ret_port = (uint16_t)port;
	return 0;
}

static int host_parse(int family, struct str text, unsigned char bytes[static ADDRESS_BYTES])
{
	char name[ADDRESS_TEXT_BYTES];

	if (!text.len || text.len >= sizeof(name))
		return -ERR_MALFORMED;
	memcpy(name, text.data, text.len);
	name[text.len] = '\0';
	return inet_pton(family, name, bytes) == 1 ? 0 : -ERR_MALFORMED;
}

/* source, destination, source port, destination port: the second of each only has to be right. */
static int v1_addresses(int family, struct str rest, struct address *ret_source)
{
	unsigned char source[ADDRESS_BYTES], destination[ADDRESS_BYTES];
	uint16_t source_port, destination_port;
	struct str words[4];

	for (unsigned i = 0; i < ARRAY_SIZE(words) - 1; i++)
		if (!str_split(&rest, ' ', &words[i]))
			return -ERR_MALFORMED;
	words[3] = rest;
	if (host_parse(family, words[0], source) < 0 ||
		host_parse(family, words[1], destination) < 0 ||
		port_parse(words[2], &source_port) < 0 ||
		port_parse(words[3], &destination_port) < 0)
		return -ERR_MALFORMED;
	*ret_source = family == AF_INET ? address_of_v4(source, source_port)
					: address_of_v6(source, source_port);
	return 0;
}

static int v1_parse(struct str bytes, size_t *ret_used, struct address *ret_source)
{
	struct str line = str_of(bytes.data, MIN(bytes.len, (size_t)V1_BYTES_MAX)), word;
	ptrdiff_t newline = str_index(line, '\n');
	int r;

	if (newline < 0)
		return bytes.len < V1_BYTES_MAX ? 0 : -ERR_MALFORMED;
	if (newline < 1 || line.data[newline - 1] != '\r')
		return -ERR_MALFORMED;
	line = str_skip(str_of(line.data, (size_t)newline - 1), sizeof("PROXY ") - 1);
	if (!str_split(&line, ' ', &word))
		return -ERR_MALFORMED;
	if (str_equal(word, STR("UNKNOWN"))) {
		*ret_source = (struct address){}; /* whatever follows is to be ignored */
		r = 0;
	} else if (str_equal(word, STR("TCP4"))) {
		r = v1_addresses(AF_INET, line, ret_source);
	} else if (str_equal(word, STR("TCP6"))) {
		r = v1_addresses(AF_INET6, line, ret_source);
	} else {
		r = -ERR_MALFORMED;
	}
	if (r < 0)
		return r;
	*ret_used = (size_t)newline + 1;
	return 1;
}

/* --- version 2 --- */

#define V2_HEAD_BYTES 16 /* signature, version and command, family, length */

enum { COMMAND_LOCAL = 0x20, COMMAND_PROXY = 0x21 };

/* What each family's addresses take; what is not listed is invalid. */
static const struct family {
	unsigned char code; /* family and transport */
	unsigned char bytes;
	struct address (*source_of)(const void *bytes, uint16_t port);
	unsigned char port_at;
} families[] = {
	{ 0x00, 0, NULL, 0 },
	{ 0x11, 12, address_of_v4, 8 },
	{ 0x21, 36, address_of_v6, 32 },
	/* Datagrams and Unix sockets: known, but no client of ours is one. */
	{ 0x12, 12, NULL, 0 },
	{ 0x22, 36, NULL, 0 },
	{ 0x31, 216, NULL, 0 },
	{ 0x32, 216, NULL, 0 },
};

static const struct family *family_find(unsigned char code)
{
	for (size_t i = 0; i < ARRAY_SIZE(families); i++)
		if (families[i].code == code)
			return &families[i];
	return NULL;
}

static uint16_t number_at(const unsigned char *data)
{
	return (uint16_t)(data[0] << 8 | data[1]);
}

static int v2_parse(struct str bytes, size_t *ret_used, struct address *ret_source)
{
	const unsigned char *data = (const unsigned char *)bytes.data;
	const unsigned char *body = data + V2_HEAD_BYTES;
	const struct family *family;
	size_t length;

	if (bytes.len < V2_HEAD_BYTES)
		return 0;
	if (data[12] != COMMAND_LOCAL && data[12] != COMMAND_PROXY)
		return -ERR_MALFORMED;
	length = number_at(data + 14);
	if (V2_HEAD_BYTES + length > PROXY_BYTES_MAX)
		return -ERR_MALFORMED;
	family = family_find(data[13]);
	/* LOCAL: the rest is there to be skipped, whatever it is. */
	if (data[12] == COMMAND_PROXY && (!family || length < family->bytes))
		return -ERR_MALFORMED;
	if (bytes.len < V2_HEAD_BYTES + length)
		return 0;
	if (data[12] == COMMAND_PROXY)
		*ret_source = family->source_of
				      ? family->source_of(body, number_at(body + family->port_at))
				      : (struct address){};
	*ret_used = V2_HEAD_BYTES + length;
	return 1;
}

int proxy_parse(struct str bytes, size_t *ret_used, struct address *ret_source)
{
	static const struct str v1 = STR("PROXY ");
	static const struct str v2 = STR("\r\n\r\n\0\r\nQUIT\n");
	size_t seen = MIN(bytes.len, v1.len);

	if (str_equal(str_of(bytes.data, seen), str_of(v1.data, seen)))
		return seen < v1.len ? 0 : v1_parse(bytes, ret_used, ret_source);
	seen = MIN(bytes.len, v2.len);
	if (!str_equal(str_of(bytes.data, seen), str_of(v2.data, seen)))
		return -ERR_MALFORMED;
	return seen < v2.len ? 0 : v2_parse(bytes, ret_used, ret_source);
}
