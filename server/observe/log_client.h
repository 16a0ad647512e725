/* The address of a client as records of the log have it: as much of it as the operator wants. */
#pragma once

#include <stdbool.h>

#include "core/network.h"

/* Any thread, at any time. false, as at first: networks alone. */
void log_client_show(bool is_shown);

/* "192.0.2.0", or "192.0.2.7" when it is shown; "" for none. */
struct str log_client(const struct address *peer, char text[static ADDRESS_TEXT_BYTES]);
