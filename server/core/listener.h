/* Listening TCP sockets: one per core and address, spread by the kernel (SO_REUSEPORT). */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "shared/str.h"

struct address {
	struct sockaddr_storage storage;
	socklen_t bytes;
};

/* "127.0.0.1:8080", "[::1]:8080", "*:8080" (every address, IPv6 and IPv4). 0 or
 * -EINVAL; port 0 is refused, because each core would get another one. */
int address_parse(struct str text, struct address *ret_address);

/*
 * The address of another host as headers and files write it: "192.0.2.1", "192.0.2.1:80",
 * "2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:80"; without a port it is 0. 0 or -EINVAL.
 */
int address_parse_host(struct str text, struct address *ret_address);

/* From bytes in network order. IPv4-mapped IPv6 becomes IPv4. */
struct address address_of_v4(const void *bytes, uint16_t port);
struct address address_of_v6(const void *bytes, uint16_t port);

/* IPv4-mapped IPv6 becomes IPv4: what a client of a socket for both families is. */
void address_unmap(struct address *address);

/* In network order, IPv4 as IPv4-mapped IPv6; false for what is neither. */
#define ADDRESS_BYTES 16
bool address_bytes(const struct address *address, uint8_t ret_bytes[static ADDRESS_BYTES]);

/* Without the port; IPv4-mapped IPv6 is shown as IPv4. */
#define ADDRESS_TEXT_BYTES INET6_ADDRSTRLEN
struct str address_host(const struct address *address, char text[static ADDRESS_TEXT_BYTES]);
unsigned address_port(const struct address *address);

/* The same family, host and port? */
bool address_equal(const struct address *a, const struct address *b);

/* Of a listening TCP socket that somebody else has made. 0, or -EINVAL: it is none. */
int listener_address(int fd, struct address *ret_address);

/* Would somebody else's socket share the address with ours? Without asking, two daemons of one user
 * would both get their part of the clients. 0; -EADDRINUSE: yes; another -errno. */
int listener_probe(const struct address *address);

/* A bound, listening, close-on-exec socket with SO_REUSEPORT and TCP_NODELAY; -errno. */
int listener_open(const struct address *address, int backlog, int *ret_fd);
