/* Introspection and revocation: see introspection.h. */
#include "auth/introspection.h"

#include <stdio.h>
#include <string.h>

#include "auth/policy.h"
#include "auth/sessions.h"
#include "shared/clock.h"
#include "shared/macros.h"

static int access_await(struct str token, struct introspection *found)
{
	_cleanup_(token_unproven_wipe) struct token_unproven unproven;
	struct identity identity;
	int r = token_identify_await(token, &identity);

	if (r != IDENTITY_VALID)
		return MIN(r, 0);
	/* It is proven now; what the cache does not keep of it is read again. */
	r = token_read(&auth_policy()->tokens, token, clock_wall_ms() / 1000, &unproven);
	if (r != TOKEN_VALID)
		return MIN(r, 0);
	memcpy(found->account_id, identity.account_id, sizeof(found->account_id));
	memcpy(found->session_id, identity.session_id, sizeof(found->session_id));
	memcpy(found->roles, identity.roles, sizeof(found->roles));
	memcpy(found->token_id, unproven.claims.id, sizeof(found->token_id));
	found->issued_s = unproven.claims.issued_s;
	found->expires_s = identity.expires_s;
	return 1;
}

static int refresh_await(const uint8_t *hash, struct introspection *found)
{
	_cleanup_(account_wipe) struct account account = {};
	struct session session;
	int r = store_refresh_look_await(hash, clock_wall_ms(), &session, &account);

	if (r == 1 && account.status == ACCOUNT_SUSPENDED)
		r = 0;
	if (r == 1) {
		found->is_refresh = true;
		memcpy(found->account_id, account.id, sizeof(found->account_id));
		memcpy(found->session_id, session.id, sizeof(found->session_id));
		identity_roles_write(&account, found->roles);
		found->issued_s = session.used_ms / 1000;
		found->expires_s = MIN(session.idle_until_ms, session.ends_ms) / 1000;
	}
	return r;
}

int introspect_await(struct str token, struct introspection *ret_introspection)
{
	struct introspection found = {};
	uint8_t hash[STORE_DIGEST_BYTES];
	int r = refresh_token_hash(token, hash) == 0 ? refresh_await(hash, &found)
						     : access_await(token, &found);

	if (r == 1)
		*ret_introspection = found;
	return r;
}

int revoke_await(struct str token)
{
	uint8_t hash[STORE_DIGEST_BYTES];
	struct identity identity;
	int r;

	if (refresh_token_hash(token, hash) == 0)
		return session_end_by_refresh_await(token);
	r = token_identify_await(token, &identity);
	return r == IDENTITY_VALID ? session_end_await(identity.session_id) : MIN(r, 0);
}
