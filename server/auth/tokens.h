/*
 * Access tokens (JWT, RFC 9068) and refresh tokens. An access token is checked here against its
 * signature and its own words only; whether its session still lives is known in auth/sessions.h and
 * auth/verified.h. The rules of RFC 8725 are kept: the key decides the algorithm, never the header.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "crypt/signing.h"
#include "shared/str.h"

struct keys;

#define TOKEN_BYTES_MAX 4096
#define TOKEN_ID_BYTES_MAX 64 /* account ids may be adopted from elsewhere; ours are UUIDs */
#define TOKEN_ROLES_MAX 16    /* tokens travel with every request */
#define TOKEN_ROLE_BYTES_MAX 32
#define TOKEN_CLOCK_SKEW_S 60    /* how far in the future iat may lie; exp has no grace */
#define TOKEN_TEXT_BYTES_MAX 256 /* issuer, audience */

/* Owned copies with terminators: outlives the token's text. */
struct token_claims {
	char account_id[TOKEN_ID_BYTES_MAX + 1]; /* sub */
	char session_id[TOKEN_ID_BYTES_MAX + 1]; /* sid */
	char id[TOKEN_ID_BYTES_MAX + 1];         /* jti */
	int64_t issued_s, expires_s;             /* iat, exp: seconds since the epoch */
	unsigned role_count;
	char roles[TOKEN_ROLES_MAX][TOKEN_ROLE_BYTES_MAX + 1];
};

enum token_outcome { TOKEN_VALID, TOKEN_INVALID, TOKEN_EXPIRED };

/* Whose tokens: immutable, shared by all threads. */
struct token_policy {
	const struct keys *keys;
	struct str issuer;   /* iss, compared exactly; at most TOKEN_TEXT_BYTES_MAX */
	struct str audience; /* aud */
};

/*
 * Signs the claims with the active key; the text gets a terminator. 0; -EINVAL: claims that
 * token_verify() would refuse (empty ids, exp before iat); -ENOBUFS: longer than TOKEN_BYTES_MAX;
 * -ENOMEM, -EIO.
 */
int token_sign(const struct token_policy *policy, const struct token_claims *claims,
	char ret_token[static TOKEN_BYTES_MAX + 1], size_t *ret_len);

/*
 * Checks everything. An outcome, or -ENOMEM, -EIO. *ret_claims is written for TOKEN_VALID only.
 * Expired means that an otherwise acceptable token is past its time; its signature is not checked,
 * so that junk costs no signature.
 */
int token_verify(const struct token_policy *policy, struct str token, int64_t now_s,
	struct token_claims *ret_claims);

/*
 * The same in two steps, for a caller that rations signatures: token_read() checks all but the
 * signature, and token_prove() that one. Nothing in here is true before it is proven; secret.
 */
struct token_unproven {
	struct token_claims claims;
	const struct signing_key *key; /* of the policy's keys */
	struct str signed_text;        /* of the token that was read */
	unsigned char signature[SIGNATURE_BYTES_MAX];
	size_t signature_len;
};

/* An outcome, TOKEN_VALID meaning "so far", or -ENOMEM. */
int token_read(const struct token_policy *policy, struct str token, int64_t now_s,
	struct token_unproven *ret_unproven);
/* TOKEN_VALID, TOKEN_INVALID, -ENOMEM, -EIO. */
int token_prove(const struct token_unproven *unproven);
/* Does proving it take a tenth of a millisecond (asymmetric) and not a microsecond? */
bool token_is_dear(const struct token_unproven *unproven);
void token_unproven_wipe(struct token_unproven *unproven);

/* A refresh token: 256 random bits as base64url, and the SHA-256 under which it is stored. */
#define REFRESH_TOKEN_BYTES 43
void refresh_token_new(
	char ret_text[static REFRESH_TOKEN_BYTES + 1], unsigned char ret_hash[static SHA256_BYTES]);

/* The hash of a token that a client presents. 0; -EINVAL when it cannot be one of ours. */
int refresh_token_hash(struct str text, unsigned char ret_hash[static SHA256_BYTES]);
