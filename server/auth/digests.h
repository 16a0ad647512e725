/*
 * SHA-256 of access tokens, remembered: a token that comes again within a moment, which most do, is
 * compared instead of hashed (30 ns instead of 250). Only a function without secrets of its own is
 * remembered here: whether a token is good is verified.h's business. Of one core.
 */
#pragma once

#include <stdint.h>

#include "crypt/signing.h"
#include "shared/macros.h"
#include "shared/str.h"

/* A token has one place. Of as many tokens as places two of three share theirs and push each other
 * out; of a quarter as many one of five. 2 MB of a core at most, page by page as they are used. */
#define DIGESTS_MAX 2048
/* Ours are about 450 bytes with a few roles; longer ones are hashed each time. */
#define DIGEST_TOKEN_BYTES_MAX 984

struct digests;

struct digests *digests_new(void);          /* NULL: no memory */
void digests_free(struct digests *digests); /* wipes; accepts NULL */

void digests_get(
	struct digests *digests, struct str token, uint8_t ret_digest[static SHA256_BYTES]);
