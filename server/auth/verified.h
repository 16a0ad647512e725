/*
 * Who presents an access token? The hot path: a token that was checked before is found in a cache
 * of this core by its SHA-256. What ends a session is told to every core here, before the client is
 * answered, so that no cache remembers it.
 */
#pragma once

#include <stdint.h>

#include "auth/tokens.h"
#include "shared/macros.h"
#include "store/store.h"

struct lookup;
struct lookup_options;

#define IDENTITY_ROLES_BYTES (TOKEN_ROLES_MAX * (TOKEN_ROLE_BYTES_MAX + 1))

/* Uncached tokens whose signature is checked in one pass of a core's loop: about a millisecond with
 * ES256, a little more with EdDSA. One that stands in line behind VERIFIED_WAITING_MAX others would
 * wait some thirty milliseconds: it is refused, and the other half of the fibers stays free. */
#define VERIFIED_SIGNATURES_PER_TURN 8
#define VERIFIED_WAITING_MAX 256

struct identity {
	char account_id[TOKEN_ID_BYTES_MAX + 1];
	char session_id[TOKEN_ID_BYTES_MAX + 1];
	char roles[IDENTITY_ROLES_BYTES]; /* of the account as it is now; with commas between */
	int64_t expires_s;
};

enum identity_outcome {
	IDENTITY_VALID,
	IDENTITY_INVALID,
	IDENTITY_EXPIRED,
	IDENTITY_REVOKED, /* its session has ended */
	IDENTITY_SUSPENDED,
};

/* The roles of an account as an identity has them. */
void identity_roles_write(const struct account *account, char roles[static IDENTITY_ROLES_BYTES]);
bool identity_has_role(const struct identity *identity, struct str role);

/* An outcome, or an error of the store; -ERR_OVERLOADED also when too many unknown tokens wait. */
int token_identify_await(struct str token, struct identity *ret_identity);

/*
 * Makes every core forget the tokens of a session, or what is known of an account: its tokens and
 * its user. To be called after the store has changed and before the client is answered. As
 * core_broadcast_await(), but for want of memory everything is forgotten instead of nothing.
 */
int verified_forget_session_await(const char *session_id);
int verified_forget_account_await(const char *account_id);

/* The same of all tokens and users; any thread, waits for nobody. */
void verified_forget_all(void);

/* --- for caches.c, on each core's thread --- */

/* options without what is the cache's own. 0 or -ENOMEM. */
int verified_start(const struct lookup_options *options);
void verified_stop(void);
void verified_forget_here(const char *id); /* of a session or an account */
struct lookup *verified_lookup(void);
