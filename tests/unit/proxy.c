/* The PROXY protocol: what is understood, and that everything else is refused at once. */
#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>

#include "http/proxy.h"
#include "shared/err.h"
#include "shared/macros.h"

static const char signature[] = "\r\n\r\n\0\r\nQUIT\n";
#define SIGNATURE_BYTES (sizeof(signature) - 1)
#define V1_BYTES_MAX 107

static struct {
	struct address source;
	size_t used;
} t;

static int parse(struct str bytes)
{
	t.used = SIZE_MAX;
	t.source = address_of_v4((const unsigned char[]){ 10, 0, 0, 1 }, 80); /* the balancer's */
	return proxy_parse(bytes, &t.used, &t.source);
}

static void assert_source(const char *host, unsigned port)
{
	char text[ADDRESS_TEXT_BYTES];

	assert_string_equal(address_host(&t.source, text).data, host);
	assert_int_equal(address_port(&t.source), port);
}

/* Every part of a header asks for more, the whole is taken, and what follows is left. */
static void assert_taken_at_its_end(struct str header)
{
	char more[PROXY_BYTES_MAX + 1];

	for (size_t i = 0; i < header.len; i++)
		assert_int_equal(parse(str_of(header.data, i)), 0);
	assert_int_equal(parse(header), 1);
	assert_int_equal(t.used, header.len);
	memcpy(more, header.data, header.len);
	more[header.len] = 'G';
	assert_int_equal(parse(str_of(more, header.len + 1)), 1);
	assert_int_equal(t.used, header.len);
}

/* A version 2 header: command, family, a body of `bytes` bytes. */
static struct str v2(unsigned char command, unsigned char family, const char *body, size_t bytes)
{
	static char text[PROXY_BYTES_MAX + 64];

	memset(text, 0, sizeof(text));
	memcpy(text, signature, SIGNATURE_BYTES);
	text[12] = (char)command;
	text[13] = (char)family;
	text[14] = (char)(bytes >> 8);
	text[15] = (char)bytes;
	memcpy(text + 16, body, bytes < 40 ? bytes : 40);
	return str_of(text, 16 + bytes);
}

static const char v4_body[40] = "\xc0\0\2\1\xc0\0\2\2\xdc\x04\x01\xbb";
static const char v6_body[40] = "\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1"
				"\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\2"
				"\xff\xff\x01\xbb";

TEST(a_version_1_header_names_its_source)
{
	assert_taken_at_its_end(STR("PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n"));
	assert_source("192.0.2.1", 56324);
	assert_taken_at_its_end(STR("PROXY TCP6 2001:db8::1 2001:db8::2 0 65535\r\n"));
	assert_source("2001:db8::1", 0);
	assert_taken_at_its_end(STR("PROXY TCP6 ::ffff:192.0.2.9 ::ffff:192.0.2.2 7 8\r\n"));
	assert_source("192.0.2.9", 7);
}

TEST(an_unknown_source_is_nobody)
{
	assert_taken_at_its_end(STR("PROXY UNKNOWN\r\n"));
	assert_int_equal(t.source.bytes, 0);
	assert_taken_at_its_end(STR("PROXY UNKNOWN ffff::1 ffff::2 1 2 and more\r\n"));
	assert_int_equal(t.source.bytes, 0);
}

TEST(a_malformed_version_1_header_is_refused)
{
	static const char *const texts[] = {
		"GET / HTTP/1.1\r\n",
		"PROXX",
		"proxy TCP4 192.0.2.1 192.0.2.2 1 2\r\n",
		"PROXY \r\n",
		"PROXY TCP4\r\n",
		"PROXY TCP5 192.0.2.1 192.0.2.2 1 2\r\n",
		"PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n",
		"PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3\r\n",
		"PROXY TCP4 192.0.2.1 192.0.2.2 1 2 \r\n",
		"PROXY TCP4  192.0.2.1 192.0.2.2 1 2\r\n",
		"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n",
		"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\r\n",
		"PROXY TCP4 192.0.2.256 192.0.2.2 1 2\r\n",
		"PROXY TCP4 192.0.2.1 192.0.2 1 2\r\n",
		"PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n",
		"PROXY TCP6 192.0.2.1 192.0.2.2 1 2\r\n",
		"PROXY TCP4 192.0.2.1 192.0.2.2 65536 2\r\n",
		"PROXY TCP4 192.0.2.1 192.0.2.2 1 00002\r\n",
		"PROXY TCP4 192.0.2.1 192.0.2.2 -1 2\r\n",
		"PROXY UNKNOWNS\r\n",
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		assert_int_equal(parse(str_cstr(texts[i])), -ERR_MALFORMED);
		assert_source("10.0.0.1", 80);
	}
}

TEST(a_version_1_header_without_end_is_refused_at_its_longest)
{
	char text[V1_BYTES_MAX + 1];

	memset(text, 'x', sizeof(text));
	memcpy(text, "PROXY UNKNOWN ", 14);
	assert_int_equal(parse(str_of(text, V1_BYTES_MAX - 1)), 0);
	assert_int_equal(parse(str_of(text, V1_BYTES_MAX)), -ERR_MALFORMED);
	memcpy(text + V1_BYTES_MAX - 2, "\r\n", 2);
	assert_int_equal(parse(str_of(text, V1_BYTES_MAX)), 1);
	memcpy(text + V1_BYTES_MAX - 2, "x\r\n", 3);
	assert_int_equal(parse(str_of(text, V1_BYTES_MAX + 1)), -ERR_MALFORMED);
}

TEST(a_version_2_header_names_its_source)
{
	assert_taken_at_its_end(v2(0x21, 0x11, v4_body, 12));
	assert_source("192.0.2.1", 56324);
	assert_taken_at_its_end(v2(0x21, 0x21, v6_body, 36));
	assert_source("2001:db8::1", 65535);
}

TEST(extensions_are_skipped)
{
	assert_taken_at_its_end(v2(0x21, 0x11, v4_body, 300));
	assert_source("192.0.2.1", 56324);
}

TEST(a_balancer_that_speaks_for_itself_leaves_the_peer_alone)
{
	static const unsigned char families[] = { 0x00, 0x11, 0x21, 0x77 };

	for (size_t i = 0; i < sizeof(families); i++) {
		assert_taken_at_its_end(v2(0x20, families[i], v4_body, 12));
		assert_source("10.0.0.1", 80);
	}
	assert_taken_at_its_end(v2(0x20, 0x00, "", 0));
}

TEST(unspecified_unix_and_datagram_sources_are_nobody)
{
	static const unsigned char families[] = { 0x00, 0x12, 0x22, 0x31, 0x32 };

	for (size_t i = 0; i < sizeof(families); i++) {
		assert_int_equal(parse(v2(0x21, families[i], v4_body, 216)), 1);
		assert_int_equal(t.source.bytes, 0);
	}
}

TEST(a_malformed_version_2_header_is_refused)
{
	char text[16];

	assert_int_equal(parse(v2(0x22, 0x11, v4_body, 12)), -ERR_MALFORMED);
	assert_int_equal(parse(v2(0x11, 0x11, v4_body, 12)), -ERR_MALFORMED);
	assert_int_equal(parse(v2(0x21, 0x13, v4_body, 12)), -ERR_MALFORMED);
	assert_int_equal(parse(v2(0x21, 0x41, v4_body, 12)), -ERR_MALFORMED);
	assert_int_equal(parse(v2(0x21, 0x11, v4_body, 11)), -ERR_MALFORMED);
	assert_int_equal(parse(v2(0x21, 0x21, v6_body, 35)), -ERR_MALFORMED);
	assert_int_equal(parse(v2(0x21, 0x31, v4_body, 215)), -ERR_MALFORMED);
	memcpy(text, signature, SIGNATURE_BYTES);
	text[11]++;
	assert_int_equal(parse(str_of(text, SIGNATURE_BYTES)), -ERR_MALFORMED);
}

TEST(a_version_2_header_above_the_longest_is_refused_before_it_has_come)
{
	struct str header = v2(0x21, 0x11, v4_body, PROXY_BYTES_MAX - 16);

	assert_int_equal(parse(header), 1);
	header = v2(0x21, 0x11, v4_body, PROXY_BYTES_MAX - 15);
	assert_int_equal(parse(str_of(header.data, 16)), -ERR_MALFORMED);
}
