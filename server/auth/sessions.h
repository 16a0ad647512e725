/*
 * Sessions: what a login gives, how it is refreshed and how it ends. A session lives in the store;
 * its access tokens are only as good as it is (verified.h).
 */
#pragma once

#include "auth/tokens.h"
#include "core/listener.h"
#include "store/store.h"

/* Who asks, as far as the wire tells. */
struct client {
	struct str agent; /* User-Agent, "" when none */
	const struct address *address;
};

/* What a client takes home; secret. */
struct grant {
	struct account account;
	char access[TOKEN_BYTES_MAX + 1];
	char refresh[REFRESH_TOKEN_BYTES + 1];
	int64_t expires_in_s;
};

void grant_wipe(struct grant *grant);

/* A session for an account, not in the store yet, and the refresh token that belongs to it. */
void session_prepare(const char *account_id, const struct client *client, int64_t now_ms,
	struct session_new *ret_session, char ret_refresh[static REFRESH_TOKEN_BYTES + 1]);

/* Signs the access token of a session. As token_sign(). */
int grant_sign(struct grant *grant, const char *session_id, int64_t now_ms);

/* A fresh pair for a refresh token: enum refresh_outcome, or an error of the store. */
int session_refresh_await(struct str refresh, const struct client *client, struct grant *ret_grant);

/* Ends a session everywhere before it returns; ending what is not there is fine. 0 or an error. */
int session_end_await(const char *session_id);
/* The same for one that must be this account's: 1, or 0 when it has none of that id. */
int session_end_own_await(const char *account_id, const char *session_id);
int session_end_by_refresh_await(struct str refresh);
int sessions_end_await(const char *account_id);
/* Those of everybody, some at a time, and how many; -ETIMEDOUT: it goes on for SHIELD_EXTRA_MS. */
int sessions_end_all_await(uint64_t *ret_count);
