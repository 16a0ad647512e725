/* Addresses and listening sockets: see listener.h. */
#include "core/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <unistd.h>

static int host_copy(struct str host, char text[static ADDRESS_TEXT_BYTES])
{
	if (!host.len || host.len >= ADDRESS_TEXT_BYTES || memchr(host.data, '\0', host.len))
		return -EINVAL;
	memcpy(text, host.data, host.len);
	text[host.len] = '\0';
	return 0;
}

static int parse_v6(const char *host, uint16_t port, struct address *address)
{
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&address->storage;

	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(port);
	address->bytes = sizeof(*in6);
	return inet_pton(AF_INET6, host, &in6->sin6_addr) == 1 ? 0 : -EINVAL;
}

static int parse_v4(const char *host, uint16_t port, struct address *address)
{
	struct sockaddr_in *in = (struct sockaddr_in *)&address->storage;

	in->sin_family = AF_INET;
	in->sin_port = htons(port);
	address->bytes = sizeof(*in);
	return inet_pton(AF_INET, host, &in->sin_addr) == 1 ? 0 : -EINVAL;
}

int address_parse(struct str text, struct address *ret_address)
{
	struct address address = {};
	char name[ADDRESS_TEXT_BYTES];
	struct str host;
	size_t colon = text.len;
	uint64_t port;
	int r;

	while (colon > 0 && text.data[colon - 1] != ':')
		colon--;
	if (!colon || str_to_u64(str_skip(text, colon), &port) < 0 || !port || port > UINT16_MAX)
		return -EINVAL;
	host = str_of(text.data, colon - 1);
	if (str_equal(host, STR("*"))) {
		r = parse_v6("::", (uint16_t)port, &address);
	} else if (host.len >= 2 && host.data[0] == '[' && host.data[host.len - 1] == ']') {
		r = host_copy(str_of(host.data + 1, host.len - 2), name);
		if (r == 0)
			r = parse_v6(name, (uint16_t)port, &address);
	} else {
		r = host_copy(host, name);
		if (r == 0)
			r = parse_v4(name, (uint16_t)port, &address);
	}
	if (r == 0)
		*ret_address = address;
	return r;
}

/* "]:80", ":80", or nothing: what may stand behind a host. */
static int port_parse(struct str text, uint16_t *ret_port)
{
	uint64_t port = 0;

	if (text.len && (text.data[0] != ':' || str_to_u64(str_skip(text, 1), &port) < 0 ||
				port > UINT16_MAX))
		return -EINVAL;
	*ret_port = (uint16_t)port;
	return 0;
}

int address_parse_host(struct str text, struct address *ret_address)
{
	struct address address = {};
	char name[ADDRESS_TEXT_BYTES];
	ptrdiff_t colon = str_index(text, ':'), bracket = str_index(text, ']');
	bool is_bracketed = text.len && text.data[0] == '[' && bracket > 0;
	bool is_v6 = is_bracketed ||
		     (colon >= 0 && str_index(str_skip(text, (size_t)colon + 1), ':') >= 0);
	struct str host = text, behind = {};
	uint16_t port;
	int r;

	if (is_bracketed) {
		host = str_of(text.data + 1, (size_t)bracket - 1);
		behind = str_skip(text, (size_t)bracket + 1);
	} else if (colon >= 0 && !is_v6) {
		host = str_of(text.data, (size_t)colon);
		behind = str_skip(text, (size_t)colon);
	}
	r = port_parse(behind, &port);
	if (r == 0)
		r = host_copy(host, name);
	if (r == 0)
		r = is_v6 ? parse_v6(name, port, &address) : parse_v4(name, port, &address);
	if (r < 0)
		return r;
	address_unmap(&address);
	*ret_address = address;
	return 0;
}

struct address address_of_v4(const void *bytes, uint16_t port)
{
	struct address address = { .bytes = sizeof(struct sockaddr_in) };
	struct sockaddr_in *in = (struct sockaddr_in *)&address.storage;

	in->sin_family = AF_INET;
	in->sin_port = htons(port);
	memcpy(&in->sin_addr, bytes, sizeof(in->sin_addr));
	return address;
}

struct address address_of_v6(const void *bytes, uint16_t port)
{
	struct address address = { .bytes = sizeof(struct sockaddr_in6) };
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&address.storage;

	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(port);
	memcpy(&in6->sin6_addr, bytes, sizeof(in6->sin6_addr));
	address_unmap(&address);
	return address;
}

void address_unmap(struct address *address)
{
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&address->storage;
	uint8_t v4[4];

	if (address->storage.ss_family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr))
		return;
	memcpy(v4, &in6->sin6_addr.s6_addr[12], sizeof(v4));
	*address = address_of_v4(v4, ntohs(in6->sin6_port));
}

bool address_bytes(const struct address *address, uint8_t ret_bytes[static ADDRESS_BYTES])
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&address->storage;
	const struct sockaddr_in *in = (const struct sockaddr_in *)&address->storage;

	if (address->storage.ss_family == AF_INET6) {
		memcpy(ret_bytes, &in6->sin6_addr, ADDRESS_BYTES);
		return true;
	}
	if (address->storage.ss_family != AF_INET)
		return false;
	memcpy(ret_bytes, mapped, sizeof(mapped));
	memcpy(ret_bytes + sizeof(mapped), &in->sin_addr, 4);
	return true;
}

struct str address_host(const struct address *address, char text[static ADDRESS_TEXT_BYTES])
{
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&address->storage;
	const struct sockaddr_in *in = (const struct sockaddr_in *)&address->storage;

	text[0] = '\0';
	if (address->storage.ss_family == AF_INET)
		inet_ntop(AF_INET, &in->sin_addr, text, ADDRESS_TEXT_BYTES);
	else if (address->storage.ss_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr))
		inet_ntop(AF_INET, &in6->sin6_addr.s6_addr[12], text, ADDRESS_TEXT_BYTES);
	else if (address->storage.ss_family == AF_INET6)
		inet_ntop(AF_INET6, &in6->sin6_addr, text, ADDRESS_TEXT_BYTES);
	return str_cstr(text);
}

unsigned address_port(const struct address *address)
{
	if (address->storage.ss_family == AF_INET6)
		return ntohs(((const struct sockaddr_in6 *)&address->storage)->sin6_port);
	if (address->storage.ss_family == AF_INET)
		return ntohs(((const struct sockaddr_in *)&address->storage)->sin_port);
	return 0;
}

bool address_equal(const struct address *a, const struct address *b)
{
	uint8_t a_bytes[ADDRESS_BYTES], b_bytes[ADDRESS_BYTES];

	return a->storage.ss_family == b->storage.ss_family && address_port(a) == address_port(b) &&
	       address_bytes(a, a_bytes) && address_bytes(b, b_bytes) &&
	       memcmp(a_bytes, b_bytes, ADDRESS_BYTES) == 0;
}

int listener_address(int fd, struct address *ret_address)
{
	struct address address = { .bytes = sizeof(address.storage) };
	int is_listening = 0, protocol = 0;
	socklen_t bytes = sizeof(int);

	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &is_listening, &bytes) < 0 ||
		getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &bytes) < 0 || !is_listening ||
		protocol != IPPROTO_TCP ||
		getsockname(fd, (struct sockaddr *)&address.storage, &address.bytes) < 0)
		return -EINVAL;
	*ret_address = address;
	return 0;
}

static int socket_prepare(int fd, const struct address *address, int backlog)
{
	const int on = 1, off = 0;

	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
		setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) < 0 ||
		/* Accepted sockets inherit it: a response is one send and never waits for more. */
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0)
		return -errno;
	if (address->storage.ss_family == AF_INET6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	if (bind(fd, (const struct sockaddr *)&address->storage, address->bytes) < 0)
		return -errno;
	if (listen(fd, backlog) < 0)
		return -errno;
	return 0;
}

int listener_probe(const struct address *address)
{
	const int on = 1, off = 0;
	int fd = socket(address->storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int r = 0;

	if (fd < 0)
		return -errno;
	/* Connections of a daemon before us may still linger; without SO_REUSEPORT only those
	 * who listen are in the way. */
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (address->storage.ss_family == AF_INET6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	if (bind(fd, (const struct sockaddr *)&address->storage, address->bytes) < 0)
		r = -errno;
	close(fd);
	return r;
}

int listener_open(const struct address *address, int backlog, int *ret_fd)
{
	int fd, r;

	fd = socket(address->storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	r = socket_prepare(fd, address, backlog);
	if (r < 0) {
		close(fd);
		return r;
	}
	*ret_fd = fd;
	return 0;
}
