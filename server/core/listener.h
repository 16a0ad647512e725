/* Listening TCP sockets: one per core and address, spread by the kernel (SO_REUSEPORT). */
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include "shared/str.h"

struct address {
	struct sockaddr_storage storage;
	socklen_t bytes;
};

/* "127.0.0.1:8080", "[::1]:8080", "*:8080" (every address, IPv6 and IPv4). 0 or
 * -EINVAL; port 0 is refused, because each core would get another one. */
int address_parse(struct str text, struct address *ret_address);

/* Without the port; IPv4-mapped IPv6 is shown as IPv4. */
#define ADDRESS_TEXT_BYTES INET6_ADDRSTRLEN
struct str address_host(const struct address *address, char text[static ADDRESS_TEXT_BYTES]);
unsigned address_port(const struct address *address);

/* A bound, listening, close-on-exec socket with SO_REUSEPORT and TCP_NODELAY; -errno. */
int listener_open(const struct address *address, int backlog, int *ret_fd);
