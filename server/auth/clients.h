/*
 * Programs that may ask about tokens of others (introspection, revocation): an id and a secret
 * each, from a file. Only digests of the secrets are kept.
 */
#pragma once

#include <stdbool.h>

#include "shared/str.h"

#define CLIENTS_MAX 64 /* resource servers, not users */
#define CLIENT_ID_BYTES_MAX 64
/* Secrets are digested by SHA-256 and no slower hash, so they must be drawn, not thought up: 16
 * characters of base64 have 96 bits. */
#define CLIENT_SECRET_BYTES_MIN 16

/*
 * Reads the file; "" is none. A line is "ID SECRET" or "ID sha256:HEX", # begins a comment. Before
 * the cores start. 0, or negative: a sentence in *ret_why, and its line in *ret_line unless that is
 * 0.
 */
int clients_load(const char *path, unsigned *ret_line, const char **ret_why);
void clients_unload(void); /* wipes */

/* Is this one's secret? Takes the same time whatever is wrong. */
bool client_check(struct str id, struct str secret);
