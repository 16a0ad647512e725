/* What a token is worth to whoever got it from a client, and making it worthless: for RFC 7662 and
 * RFC 7009. Both kinds of token are told apart by their form. */
#pragma once

#include "auth/verified.h"

struct introspection {
	bool is_refresh;
	char account_id[STORE_ID_BYTES_MAX + 1];
	char session_id[STORE_ID_BYTES_MAX + 1];
	char roles[IDENTITY_ROLES_BYTES];      /* with commas between */
	char token_id[TOKEN_ID_BYTES_MAX + 1]; /* jti; "" for refresh tokens */
	int64_t issued_s; /* of a refresh token: when its session was used last */
	int64_t expires_s;
};

/* 1 when the token is good now; 0 when not, for whatever reason; or an error. Nothing changes: a
 * refresh token stays as good as it was. */
int introspect_await(struct str token, struct introspection *ret_introspection);

/* Ends the session that a token belongs to, everywhere. 0 also when there is none. */
int revoke_await(struct str token);
