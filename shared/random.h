/*
 * Random bytes from the kernel, drawn in blocks per thread so that a request id costs no system
 * call; each byte is wiped from the block as it is handed out. And identifiers made of them.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "shared/str.h"

/* Fills memory with unpredictable bytes. Cannot fail: without the kernel's generator we abort. */
void random_bytes(void *memory, size_t bytes);

uint64_t random_u64(void);

/* A UUIDv7 (RFC 9562 section 5.7) in its text form: 36 characters and the terminator. */
#define UUID_BYTES 37
struct str uuid_new(char text[static UUID_BYTES]);

/* Has s the form of a UUID (any version, lower-case hex)? */
bool uuid_is_valid(struct str s);
