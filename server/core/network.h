/*
 * Networks in CIDR form, and whether an address is in one. IPv4 is kept as IPv4-mapped IPv6, so
 * both families are compared in the same way and a mapped address is its IPv4 address; ::/0 is all.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/listener.h"

/* The published lists of large content delivery networks have about twenty. */
#define NETWORKS_MAX 256

struct network {
	uint8_t bytes[ADDRESS_BYTES];
	uint8_t bits; /* of ADDRESS_BYTES * 8 */
};

struct networks {
	unsigned count;
	struct network items[NETWORKS_MAX];
};

/*
 * "10.0.0.0/8", "2001:db8::/32"; an address alone is a network of one. 0, -EINVAL: also when bits
 * behind the prefix are set, which is a slip more often than meant.
 */
int network_parse(struct str text, struct network *ret_network);

/* Adds one network: 0, -EINVAL, -ENOBUFS (NETWORKS_MAX). */
int networks_add(struct networks *networks, struct str text);

/*
 * Adds all of a file: one a line, # begins a comment. 0, -EINVAL or -ENOBUFS and *ret_line says
 * where, or why it cannot be read.
 */
int networks_add_file(struct networks *networks, const char *path, unsigned *ret_line);

/* The network that an address is in, as it is shown where the whole would tell too much of its
 * owner: "192.0.2.0/24", "2001:db8::/48"; "" for what is no IP address. */
#define NETWORK_TEXT_BYTES (ADDRESS_TEXT_BYTES + 3)
struct str network_text(const struct address *address, char text[static NETWORK_TEXT_BYTES]);

/* Of no network: also what is no IP address. */
bool networks_have(const struct networks *networks, const struct address *address);
