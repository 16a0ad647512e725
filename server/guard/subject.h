/*
 * Who a limit counts for: an address, a network or an account, as a fixed-size key. Accounts are a
 * keyed digest of their address: no email address is kept, and none can be guessed from a list.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/listener.h"

enum subject_kind {
	SUBJECT_NONE,    /* of no request */
	SUBJECT_UNKNOWN, /* no IP address: all of these share one allowance */
	SUBJECT_V4,
	SUBJECT_V4_NETWORK, /* /24 */
	SUBJECT_V6_NETWORK, /* /64: what one subscriber gets, and can take addresses from at will */
	SUBJECT_ACCOUNT,
};

struct subject {
	uint64_t key;
	uint32_t kind;
};

/* An IPv4 address; of IPv6 the /64. */
struct subject subject_of_address(const struct address *address);

/* The /24 or /64 that it is in. */
struct subject subject_of_network(const struct address *address);

/* email_key: folded. The digest's secret is this process's own. */
struct subject subject_of_account(struct str email_key);

/* "192.0.2.1", "192.0.2.0/24", "2001:db8::/64", "account:0123456789abcdef", "unknown". */
#define SUBJECT_TEXT_BYTES (INET6_ADDRSTRLEN + 8)
struct str subject_text(const struct subject *subject, char text[static SUBJECT_TEXT_BYTES]);

/*
 * What an operator names: such a text, or an address of any form, or a folded email. Writes every
 * subject that it may be, and how many; -EINVAL.
 */
#define SUBJECT_MEANINGS_MAX 2
int subject_parse(struct str text, struct subject ret_subjects[static SUBJECT_MEANINGS_MAX]);
