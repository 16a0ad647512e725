/* Addresses as headers write them, and networks. */
#include "support/test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/network.h"
#include "shared/macros.h"

static struct address host(const char *text)
{
	struct address address;

	assert_int_equal(address_parse_host(str_cstr(text), &address), 0);
	return address;
}

static bool is_in(const char *network, const char *address_text)
{
	struct networks networks = {};
	struct address address = host(address_text);

	assert_int_equal(networks_add(&networks, str_cstr(network)), 0);
	return networks_have(&networks, &address);
}

TEST(hosts_are_read_with_and_without_port)
{
	static const struct {
		const char *text, *host;
		unsigned port;
	} rows[] = {
		{ "192.0.2.1", "192.0.2.1", 0 },
		{ "192.0.2.1:80", "192.0.2.1", 80 },
		{ "2001:db8::1", "2001:db8::1", 0 },
		{ "::", "::", 0 },
		{ "[2001:db8::1]", "2001:db8::1", 0 },
		{ "[2001:db8::1]:65535", "2001:db8::1", 65535 },
		{ "::ffff:192.0.2.1", "192.0.2.1", 0 },
		{ "[::ffff:c000:201]:8", "192.0.2.1", 8 },
	};
	char text[ADDRESS_TEXT_BYTES];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct address address = host(rows[i].text);

		assert_string_equal(address_host(&address, text).data, rows[i].host);
		assert_int_equal(address_port(&address), rows[i].port);
	}
}

TEST(what_is_no_host_is_refused)
{
	static const char *const texts[] = { "", ":", ":80", "unknown", "_hidden", "192.0.2",
		"192.0.2.256", "192.0.2.1:", "192.0.2.1:65536", "192.0.2.1:80x", "192.0.2.1 ",
		"[192.0.2.1]", "[]", "[", "]", "[::1", "::1]", "[::1]80", "[::1]:", "[::1]:-1",
		"2001:db8::g", "::1%lo", "1:2:3:4:5:6:7:8:9",
		"0000:0000:0000:0000:0000:ffff:0000:0000:0000:0000" };
	struct address address;

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		assert_int_equal(address_parse_host(str_cstr(texts[i]), &address), -EINVAL);
}

TEST(a_network_ends_at_its_last_address)
{
	assert_true(is_in("10.0.0.0/8", "10.255.255.255"));
	assert_false(is_in("10.0.0.0/8", "11.0.0.0"));
	assert_true(is_in("192.0.2.128/25", "192.0.2.128"));
	assert_false(is_in("192.0.2.128/25", "192.0.2.127"));
	assert_true(is_in("192.0.2.7", "192.0.2.7"));
	assert_false(is_in("192.0.2.7", "192.0.2.6"));
	assert_true(is_in("0.0.0.0/0", "203.0.113.9"));
	assert_false(is_in("0.0.0.0/0", "2001:db8::1"));
	assert_true(is_in("2001:db8::/33", "2001:db8:7fff::1"));
	assert_false(is_in("2001:db8::/33", "2001:db8:8000::1"));
	assert_true(is_in("::1", "::1"));
	assert_true(is_in("10.0.0.0/8", "::ffff:10.1.2.3"));
}

TEST(what_is_no_network_is_refused)
{
	static const char *const texts[] = { "", "/", "/8", "10.0.0.0/", "10.0.0.0/33",
		"10.0.0.0/-1", "10.0.0.0/8/8", "10.0.0.1/8", "2001:db8::1/64", "::/129",
		"example.org", "10.0.0.0/0x8" };
	struct network network;

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		assert_int_equal(network_parse(str_cstr(texts[i]), &network), -EINVAL);
}

TEST(one_network_too_many_is_refused)
{
	static struct networks networks;

	for (unsigned i = 0; i < NETWORKS_MAX; i++)
		assert_int_equal(networks_add(&networks, STR("192.0.2.0/24")), 0);
	assert_int_equal(networks_add(&networks, STR("192.0.2.0/24")), -ENOBUFS);
}

TEST(no_network_has_an_address_of_another_family)
{
	struct networks networks = {};
	struct address address = {};

	assert_int_equal(networks_add(&networks, STR("::/0")), 0);
	assert_false(networks_have(&networks, &address));
}

static int add_text(struct networks *networks, const char *text, unsigned *ret_line)
{
	char path[] = "/tmp/authd-networks-XXXXXX";
	int fd = mkstemp(path), r;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	r = networks_add_file(networks, path, ret_line);
	unlink(path);
	return r;
}

TEST(a_file_has_one_network_a_line)
{
	struct networks networks = {};
	struct address address = host("2001:db8::7");
	unsigned line;

	assert_int_equal(add_text(&networks,
				 "# ours\n\n192.0.2.0/24\r\n  2001:db8::/32 # another\n::1", &line),
		0);
	assert_int_equal(networks.count, 3);
	assert_true(networks_have(&networks, &address));
}

TEST(a_bad_line_of_a_file_is_named)
{
	struct networks networks = {};
	unsigned line;

	assert_int_equal(add_text(&networks, "192.0.2.0/24\n192.0.2.0/24 ::1\n", &line), -EINVAL);
	assert_int_equal(line, 2);
	assert_int_equal(networks_add_file(&networks, "/nonexistent/networks", &line), -ENOENT);
}

TEST(a_network_is_shown_without_the_host)
{
	char text[NETWORK_TEXT_BYTES];
	struct address address = host("203.0.113.77");

	assert_string_equal(network_text(&address, text).data, "203.0.113.0/24");
	address = host("2001:db8:1:2:3:4:5:6");
	assert_string_equal(network_text(&address, text).data, "2001:db8:1::/48");
	address = host("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
	assert_string_equal(network_text(&address, text).data, "ffff:ffff:ffff::/48");
	address = host("::ffff:192.0.2.9"); /* is IPv4 */
	assert_string_equal(network_text(&address, text).data, "192.0.2.0/24");
	address.storage.ss_family = AF_UNIX;
	assert_int_equal(network_text(&address, text).len, 0);
}
