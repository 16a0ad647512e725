/*
 * Who presents an access token? The hot path: a token that was checked before is found in a cache
 * of this core by its SHA-256. What ends a session is told to every core here, before the client is
 * answered, so that no cache remembers it.
 */
#pragma once

#include <stdint.h>

#include "auth/tokens.h"

/* 1000 by SEED.md: enough for the tokens that are active within a minute on a small site; about
 * 700 bytes each. */
#define VERIFIED_ENTRIES_MAX 1000
#define VERIFIED_MS 600000 /* SEED.md: 600 s, or the token's own end */

#define IDENTITY_ROLES_BYTES (TOKEN_ROLES_MAX * (TOKEN_ROLE_BYTES_MAX + 1))

struct identity {
	char account_id[TOKEN_ID_BYTES_MAX + 1];
	char session_id[TOKEN_ID_BYTES_MAX + 1];
	char roles[IDENTITY_ROLES_BYTES]; /* with commas between */
	int64_t expires_s;
};

enum identity_outcome {
	IDENTITY_VALID,
	IDENTITY_INVALID,
	IDENTITY_EXPIRED,
	IDENTITY_REVOKED, /* its session has ended */
	IDENTITY_SUSPENDED,
};

/* On each core's thread. 0 or -ENOMEM. */
int verified_start(void);
void verified_stop(void);

/* An outcome, or an error of the store. */
int token_identify_await(struct str token, struct identity *ret_identity);

/* Makes every core forget the tokens of a session, or of an account. As core_broadcast_await(). */
int verified_forget_session_await(const char *session_id);
int verified_forget_account_await(const char *account_id);
