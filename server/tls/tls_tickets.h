/*
 * The keys of session tickets that were drawn at random, from one daemon to the next: packed, so
 * that they can go through a pipe. Whoever has them wipes them. Keys from files are none of this.
 */
#pragma once

#include <stddef.h>

#include "shared/str.h"

#define TLS_TICKETS_PACKED_BYTES_MAX 256

/* How many bytes they are; 0: none has been drawn yet. Any thread. */
size_t tls_tickets_pack(unsigned char packed[static TLS_TICKETS_PACKED_BYTES_MAX]);

/* Before the first session: takes them over. 0; -EBADMSG: another version of authd packed them, or
 * nobody, and new ones will be drawn. */
int tls_tickets_unpack(struct str packed);
