/* The life of sessions: see sessions.h. */
#include "auth/sessions.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "auth/keys.h"
#include "auth/policy.h"
#include "auth/verified.h"
#include "core/core.h"
#include "core/shield.h"
#include "core/span.h"
#include "observe/log.h"
#include "observe/log_client.h"
#include "observe/metrics.h"
#include "shared/clock.h"
#include "shared/macros.h"
#include "shared/random.h"
#include "shared/secret.h"

void grant_wipe(struct grant *grant)
{
	secret_wipe(grant, sizeof(*grant));
}

/* "The same client" is the same program at the same address: enough to tell a lost answer from a
 * stolen token within seconds. */
static void fingerprint(const struct client *client, uint8_t digest[static STORE_DIGEST_BYTES])
{
	char host[ADDRESS_TEXT_BYTES], text[STORE_AGENT_BYTES_MAX + ADDRESS_TEXT_BYTES + 2];
	int n;

	(void)address_host(client->address, host);
	n = snprintf(text, sizeof(text), "%s\n" STR_FORMAT, host,
		(int)MIN(client->agent.len, STORE_AGENT_BYTES_MAX),
		client->agent.data ? client->agent.data : "");
	sha256(str_of(text, (size_t)n), digest);
}

void session_prepare(const char *account_id, const struct client *client, int64_t now_ms,
	struct session_new *ret_session, char ret_refresh[static REFRESH_TOKEN_BYTES + 1])
{
	const struct auth_policy *policy = auth_policy();
	struct session *session = &ret_session->session;
	char host[ADDRESS_TEXT_BYTES];

	*ret_session = (struct session_new){};
	(void)uuid_new(session->id);
	(void)snprintf(session->account_id, sizeof(session->account_id), "%s", account_id);
	fingerprint(client, session->client);
	(void)snprintf(session->agent, sizeof(session->agent), STR_FORMAT,
		(int)MIN(client->agent.len, STORE_AGENT_BYTES_MAX),
		client->agent.data ? client->agent.data : "");
	(void)snprintf(session->address, sizeof(session->address), "%s",
		address_host(client->address, host).data);
	session->created_ms = session->used_ms = now_ms;
	session->ends_ms = now_ms + policy->session_ms;
	session->idle_until_ms = MIN(now_ms + policy->session_idle_ms, session->ends_ms);
	refresh_token_new(ret_refresh, ret_session->refresh_hash);
}

int grant_sign(struct grant *grant, const char *session_id, int64_t now_ms)
{
	const struct auth_policy *policy = auth_policy();
	const struct account *account = &grant->account;
	struct token_claims claims = { .issued_s = now_ms / 1000,
		.expires_s = (now_ms + policy->token_ms) / 1000,
		.role_count = account->role_count };
	struct span *span;
	struct str kid;
	size_t length;
	int r;

	memcpy(claims.account_id, account->id, sizeof(claims.account_id));
	(void)snprintf(claims.session_id, sizeof(claims.session_id), "%s", session_id);
	(void)uuid_new(claims.id);
	memcpy(claims.roles, account->roles, sizeof(claims.roles));
	grant->expires_in_s = policy->token_ms / 1000;
	span = span_begin_detail("token.sign", NULL);
	if (span) {
		span_text(span, "authd.token.algorithm",
			signing_algorithm_name(
				signing_key_algorithm(keys_active(policy->tokens.keys, &kid))));
		span_label(span, "authd.key.id", kid);
	}
	r = token_sign(&policy->tokens, &claims, grant->access, &length);
	span_end(span, r);
	return r;
}

/*
 * A change and the news of it are one step each, which goes on when the client has gone: else an
 * ended session would live on in the caches.
 */
struct refresh_step {
	struct refresh_request request;
	struct refresh_result result;
};

static int refresh_step_await(void *arg)
{
	struct refresh_step *step = arg;
	int r, outcome = store_refresh_await(&step->request, &step->result);

	if (outcome != REFRESH_REUSED)
		return outcome;
	r = verified_forget_session_await(step->result.session.id);
	return r < 0 ? r : outcome;
}

int session_refresh_await(struct str refresh, const struct client *client, struct grant *ret_grant)
{
	const struct auth_policy *policy = auth_policy();
	struct refresh_step step = { .request = { .now_ms = clock_wall_ms(),
					     .idle_ms = policy->session_idle_ms,
					     .grace_ms = policy->grace_ms } };
	char address[ADDRESS_TEXT_BYTES];
	int r, outcome;

	if (refresh_token_hash(refresh, step.request.hash) < 0)
		return REFRESH_UNKNOWN;
	refresh_token_new(ret_grant->refresh, step.request.new_hash);
	fingerprint(client, step.request.client);
	outcome = shield_await(core_current()->fibers, refresh_step_await, &step, sizeof(step));
	if (outcome == REFRESH_REUSED)
		log_event(LOG_LEVEL_WARN, "session.refresh_reused",
			STR("an old refresh token came again; its session was ended"),
			LOG_TEXT("session.id", str_cstr(step.result.session.id)),
			LOG_TEXT("client.address", log_client(client->address, address)));
	if (outcome != REFRESH_ROTATED)
		return outcome;
	ret_grant->account = step.result.account;
	r = grant_sign(ret_grant, step.result.session.id, step.request.now_ms);
	if (r < 0)
		return r;
	metric_grant(GRANT_REFRESH);
	return outcome;
}

static int end_step_await(void *session_id)
{
	int r = store_session_end_await(session_id);

	if (r >= 0)
		r = verified_forget_session_await(session_id);
	return MIN(r, 0);
}

static int end_by_refresh_step_await(void *hash)
{
	char id[STORE_ID_BYTES_MAX + 1];
	int r = store_session_end_by_refresh_await(hash, id);

	if (r == 1)
		r = verified_forget_session_await(id);
	return MIN(r, 0);
}

static int end_all_step_await(void *account_id)
{
	int r = store_sessions_end_await(account_id);

	if (r >= 0)
		r = verified_forget_account_await(account_id);
	return MIN(r, 0);
}

static int end_shielded_await(int (*step_await)(void *id), const char *id)
{
	char copy[STORE_ID_BYTES_MAX + 1];

	(void)snprintf(copy, sizeof(copy), "%s", id);
	return shield_await(core_current()->fibers, step_await, copy, sizeof(copy));
}

int session_end_await(const char *session_id)
{
	return end_shielded_await(end_step_await, session_id);
}

int session_end_own_await(const char *account_id, const char *session_id)
{
	_cleanup_(account_wipe) struct account account = {};
	struct session session;
	int r = store_session_find_await(session_id, clock_wall_ms(), &session, &account);

	if (r <= 0)
		return r;
	if (strcmp(session.account_id, account_id) != 0) /* for ever: owners do not change */
		return 0;
	r = session_end_await(session_id);
	return r < 0 ? r : 1;
}

int session_end_by_refresh_await(struct str refresh)
{
	uint8_t hash[STORE_DIGEST_BYTES];

	if (refresh_token_hash(refresh, hash) < 0)
		return 0; /* never was one of ours */
	return shield_await(core_current()->fibers, end_by_refresh_step_await, hash, sizeof(hash));
}

/* Who logs in all the time could keep it busy; but logins are dear, and this is not. */
static int end_everybody_step_await(void *arg)
{
	uint64_t *count = arg;
	int r;

	do {
		r = store_sessions_end_some_await();
		*count += (uint64_t)MAX(r, 0);
	} while (r == STORE_ENDED_MAX);
	verified_forget_all(); /* a part of them may have ended when it has failed */
	return MIN(r, 0);
}

int sessions_end_all_await(uint64_t *ret_count)
{
	uint64_t count = 0;
	int r = shield_await(
		core_current()->fibers, end_everybody_step_await, &count, sizeof(count));

	if (r == 0)
		*ret_count = count;
	return r;
}

int sessions_end_await(const char *account_id)
{
	return end_shielded_await(end_all_step_await, account_id);
}
