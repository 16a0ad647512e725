/* Addresses in the log: see log_client.h. */
#include "observe/log_client.h"

#include <stdatomic.h>
#include <string.h>

static _Atomic bool is_shown;

void log_client_show(bool show)
{
	atomic_store_explicit(&is_shown, show, memory_order_relaxed);
}

/* Of IPv4 a /24, of IPv6 a /48: enough to tell providers apart, not people. */
static struct str masked(const struct address *peer, char text[static ADDRESS_TEXT_BYTES])
{
	uint8_t bytes[ADDRESS_BYTES];
	struct address network;

	if (!address_bytes(peer, bytes))
		return STR("");
	if (memcmp(bytes, (const uint8_t[12]){ [10] = 0xff, [11] = 0xff }, 12) == 0) {
		bytes[15] = 0;
		network = address_of_v4(bytes + 12, 0);
	} else {
		memset(bytes + 6, 0, sizeof(bytes) - 6);
		network = address_of_v6(bytes, 0);
	}
	return address_host(&network, text);
}

struct str log_client(const struct address *peer, char text[static ADDRESS_TEXT_BYTES])
{
	if (!peer || !peer->bytes)
		return STR("");
	return atomic_load_explicit(&is_shown, memory_order_relaxed) ? address_host(peer, text)
								     : masked(peer, text);
}
