/* Addresses: what is one, how it is shown, and that a socket listens on it. */
#include "support/test.h"

#include <errno.h>
#include <unistd.h>

#include "core/listener.h"
#include "shared/macros.h"

static void check_shown(const char *text, const char *host, unsigned port)
{
	char shown[ADDRESS_TEXT_BYTES];
	struct address address;

	assert_int_equal(address_parse(str_cstr(text), &address), 0);
	assert_true(str_equal(address_host(&address, shown), str_cstr(host)));
	assert_int_equal(address_port(&address), port);
}

TEST(addresses_are_a_host_and_a_port)
{
	check_shown("127.0.0.1:8080", "127.0.0.1", 8080);
	check_shown("0.0.0.0:1", "0.0.0.0", 1);
	check_shown("[::1]:65535", "::1", 65535);
	check_shown("[2001:db8::1]:443", "2001:db8::1", 443);
	check_shown("*:8080", "::", 8080);
}

TEST(a_mapped_address_is_shown_as_ipv4)
{
	check_shown("[::ffff:192.0.2.7]:80", "192.0.2.7", 80);
}

TEST(what_is_no_address_is_refused)
{
	static const struct str bad[] = { STR(""), STR(":"), STR("127.0.0.1"), STR("127.0.0.1:"),
		STR("127.0.0.1:65536"), STR("127.0.0.1:x"), STR("127.0.0.1:-1"),
		STR("127.0.0.1: 80"), STR(":8080"), STR("localhost:80"), STR("127.0.0:80"),
		STR("127.0.0.1.1:80"), STR("256.0.0.1:80"), STR("::1:80"), STR("[::1:80"),
		STR("::1]:80"), STR("[]:80"), STR("[::1]80"), STR("[127.0.0.1]:80"),
		STR("[::g]:80"), STR("**:80"), STR("127.0.0.1\0x:80"), STR("[::1\0]:80"),
		STR("127.0.0.1:0"),
		STR("[1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc]:80") };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct address address = { .bytes = 77 };

		if (address_parse(bad[i], &address) != -EINVAL)
			print_message("accepted: " STR_FORMAT "\n", STR_ARGS(bad[i]));
		assert_int_equal(address_parse(bad[i], &address), -EINVAL);
		assert_int_equal(address.bytes, 77);
	}
}

TEST(an_address_of_no_family_is_shown_as_nothing)
{
	char shown[ADDRESS_TEXT_BYTES];
	struct address address = {};

	assert_int_equal(address_host(&address, shown).len, 0);
	assert_int_equal(address_port(&address), 0);
}

/* A loopback address whose port nobody uses: the kernel chooses it. */
static struct address free_address(int *ret_fd)
{
	struct address address = { .bytes = sizeof(address.storage) };
	struct sockaddr_in any = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	const int on = 1;

	*ret_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(*ret_fd >= 0);
	setsockopt(*ret_fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
	assert_int_equal(bind(*ret_fd, (struct sockaddr *)&any, sizeof(any)), 0);
	assert_int_equal(
		getsockname(*ret_fd, (struct sockaddr *)&address.storage, &address.bytes), 0);
	return address;
}

TEST(two_sockets_share_an_address)
{
	int reserved, first, second, value;
	struct address address = free_address(&reserved);
	socklen_t bytes = sizeof(value);

	assert_int_equal(listener_open(&address, 16, &first), 0);
	assert_int_equal(listener_open(&address, 16, &second), 0);
	assert_int_equal(getsockopt(first, SOL_SOCKET, SO_ACCEPTCONN, &value, &bytes), 0);
	assert_int_equal(value, 1);
	close(first);
	close(second);
	close(reserved);
}

TEST(an_address_in_use_by_another_is_an_error)
{
	struct address address;
	int reserved, fd = -7;
	const int off = 0;

	address = free_address(&reserved);
	setsockopt(reserved, SOL_SOCKET, SO_REUSEPORT, &off, sizeof(off));
	assert_int_equal(listen(reserved, 1), 0);
	assert_int_equal(listener_open(&address, 16, &fd), -EADDRINUSE);
	assert_int_equal(fd, -7);
	close(reserved);
}

TEST(an_address_that_somebody_would_share_with_us_is_taken)
{
	struct address address;
	int reserved, theirs;

	address = free_address(&reserved);
	assert_int_equal(listener_open(&address, 16, &theirs), 0);
	assert_int_equal(listener_probe(&address), -EADDRINUSE);
	close(theirs);
	close(reserved);
	assert_int_equal(listener_probe(&address), 0);
}

TEST(an_address_of_another_machine_is_an_error)
{
	struct address address;
	int fd;

	assert_int_equal(address_parse(STR("192.0.2.1:8080"), &address), 0); /* RFC 5737 */
	assert_int_equal(listener_open(&address, 16, &fd), -EADDRNOTAVAIL);
}
