/* Who the client is behind proxies: what is believed and what is not. */
#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>

#include "http/forwarded.h"

static struct http_trust trust(enum http_forwarded forwarded)
{
	struct http_trust trust = { .forwarded = forwarded };

	assert_int_equal(networks_add(&trust.proxies, STR("10.0.0.0/8")), 0);
	assert_int_equal(networks_add(&trust.proxies, STR("fd00::/8")), 0);
	return trust;
}

static const char *walk_lines(
	enum http_forwarded forwarded, const char *peer, const char *first, const char *second)
{
	static char text[ADDRESS_TEXT_BYTES];
	struct http_trust believed = trust(forwarded);
	struct str name = forwarded == HTTP_FORWARDED ? STR("forwarded") : STR("x-forwarded-for");
	struct http_header headers[] = { { STR("Host"), STR("10.9.9.9") },
		{ name, str_cstr(first) }, { name, str_cstr(second) } };
	struct request request = { .headers = headers, .header_count = second ? 3 : 2 };
	struct address client;

	assert_int_equal(address_parse_host(str_cstr(peer), &client), 0);
	forwarded_client(&request, &believed, &client);
	return address_host(&client, text).data;
}

static const char *walk_x(const char *peer, const char *value)
{
	return walk_lines(HTTP_X_FORWARDED_FOR, peer, value, NULL);
}

static const char *walk_rfc(const char *peer, const char *value)
{
	return walk_lines(HTTP_FORWARDED, peer, value, NULL);
}

TEST(a_stranger_is_not_believed)
{
	assert_string_equal(walk_x("192.0.2.1", "203.0.113.1"), "192.0.2.1");
	assert_string_equal(walk_rfc("192.0.2.1", "for=203.0.113.1"), "192.0.2.1");
}

TEST(a_trusted_proxy_names_its_client)
{
	assert_string_equal(walk_x("10.0.0.1", "203.0.113.1"), "203.0.113.1");
	assert_string_equal(walk_x("fd00::1", "2001:db8::7"), "2001:db8::7");
	assert_string_equal(walk_rfc("10.0.0.1", "for=203.0.113.1"), "203.0.113.1");
}

TEST(the_walk_goes_from_the_right_and_ends_at_the_first_stranger)
{
	assert_string_equal(
		walk_x("10.0.0.1", "1.1.1.1, 203.0.113.1, 10.0.0.3,10.0.0.2"), "203.0.113.1");
	assert_string_equal(
		walk_rfc("10.0.0.1", "for=1.1.1.1, for=203.0.113.1;by=10.0.0.2, for=10.0.0.2"),
		"203.0.113.1");
}

TEST(several_lines_are_one_list)
{
	assert_string_equal(
		walk_lines(HTTP_X_FORWARDED_FOR, "10.0.0.1", "1.1.1.1, 203.0.113.1", "10.0.0.2"),
		"203.0.113.1");
	assert_string_equal(walk_lines(HTTP_X_FORWARDED_FOR, "10.0.0.1", "1.1.1.1", "203.0.113.1"),
		"203.0.113.1");
	assert_string_equal(
		walk_lines(HTTP_X_FORWARDED_FOR, "10.0.0.1", "203.0.113.1", " , "), "203.0.113.1");
}

TEST(when_all_are_trusted_the_first_stands_for_the_client)
{
	assert_string_equal(walk_x("10.0.0.1", "10.0.0.3, 10.0.0.2"), "10.0.0.3");
	assert_string_equal(walk_x("10.0.0.1", ""), "10.0.0.1");
}

TEST(what_cannot_be_read_ends_the_walk)
{
	static const char *const bad[] = { "unknown", "_hidden", "203.0.113.1 203.0.113.2",
		"203.0.113.256", "\"203.0.113.1\"", "203.0.113.1:port", "[2001:db8::1", "x",
		"203.0.113.1;" };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		char text[128];

		snprintf(text, sizeof(text), "1.1.1.1, %s, 10.0.0.2", bad[i]);
		assert_string_equal(walk_x("10.0.0.1", text), "10.0.0.2");
	}
}

TEST(only_the_field_that_our_proxies_write_is_believed)
{
	struct http_trust believed = trust(HTTP_X_FORWARDED_FOR);
	struct http_header headers[] = { { STR("Forwarded"), STR("for=1.1.1.1") } };
	struct request request = { .headers = headers, .header_count = 1 };
	char text[ADDRESS_TEXT_BYTES];
	struct address client;

	assert_int_equal(address_parse_host(STR("10.0.0.1"), &client), 0);
	forwarded_client(&request, &believed, &client);
	assert_string_equal(address_host(&client, text).data, "10.0.0.1");
}

TEST(rfc_7239_values_are_read)
{
	static const struct {
		const char *value, *client;
	} rows[] = {
		{ "FOR=203.0.113.1", "203.0.113.1" },
		{ "for=203.0.113.1;proto=https;by=10.0.0.1", "203.0.113.1" },
		{ "proto=https;for=203.0.113.1", "203.0.113.1" },
		{ "proto=https; for=203.0.113.1 ; by=x", "203.0.113.1" },
		{ "host=\"a;b,c\";for=203.0.113.1", "203.0.113.1" },
		{ "host=\"a\\\";for=1.1.1.1\";for=203.0.113.1", "203.0.113.1" },
		{ "for=\"203.0.113.1:8080\"", "203.0.113.1" },
		{ "for=\"[2001:db8::1]\"", "2001:db8::1" },
		{ "For=\"[2001:db8::1]:4711\"", "2001:db8::1" },
		{ "for=\"\\2\\03.0.113.1\"", "203.0.113.1" },
		{ ";for=203.0.113.1;", "203.0.113.1" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_string_equal(walk_rfc("10.0.0.1", rows[i].value), rows[i].client);
}

TEST(malformed_rfc_7239_values_end_the_walk)
{
	static const char *const bad[] = { "for", "for=", "for=\"", "for=\"\"", "for=\"\\\"",
		"for=\"203.0.113.1", "for=\"203.0.113.1\\\"", "by=203.0.113.1", "203.0.113.1",
		"for=203.0.113.1;for=203.0.113.2", "for=203.0.113.1;x", "for=unknown",
		"for=\"_gazonk\"", "for =203.0.113.1",
		"for=\"00000000000000000000000000000000000000000000000000000000000000000\"" };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		char text[128];

		snprintf(text, sizeof(text), "for=1.1.1.1, %s, for=10.0.0.2", bad[i]);
		assert_string_equal(walk_rfc("10.0.0.1", text), "10.0.0.2");
	}
}

TEST(an_unfinished_quote_of_the_client_does_not_swallow_what_the_proxy_says)
{
	assert_string_equal(walk_rfc("10.0.0.1", "for=\"1.1.1.1, for=203.0.113.1"), "203.0.113.1");
	assert_string_equal(
		walk_rfc("10.0.0.1", "for=\"1.1.1.1, for=\"[2001:db8::1]\""), "2001:db8::1");
	assert_string_equal(
		walk_rfc("10.0.0.1", "for=1.1.1.1\\, for=\"203.0.113.1\""), "203.0.113.1");
}

TEST(a_chain_of_proxies_is_cut)
{
	char text[(FORWARDED_HOPS_MAX + 1) * 16] = "203.0.113.1";

	for (unsigned i = 1; i < FORWARDED_HOPS_MAX; i++)
		strncat(text, ",10.0.0.2", sizeof(text) - strlen(text) - 1);
	assert_string_equal(walk_x("10.0.0.1", text), "203.0.113.1");
	strncat(text, ",10.0.0.2", sizeof(text) - strlen(text) - 1);
	assert_string_equal(walk_x("10.0.0.1", text), "10.0.0.2");
}
