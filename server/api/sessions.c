/* Refreshing and ending sessions, verifying tokens, public keys. */
#include "auth/sessions.h"

#include <errno.h>
#include <string.h>

#include "api/fields.h"
#include "auth/keys.h"
#include "auth/policy.h"
#include "core/network.h"
#include "shared/clock.h"

int api_refresh(struct call *call, struct response *response)
{
	_cleanup_(grant_wipe) struct grant grant = {};
	struct client client = client_of(call->request);
	struct str token;
	int r;

	if (field_text(call, response, "refresh_token", &token))
		return 0;
	switch (r = session_refresh_await(token, &client, &grant)) {
	case REFRESH_ROTATED:
		return respond_grant(response, 200, &grant);
	case REFRESH_UNKNOWN:
		return response_problem(response, PROBLEM_INVALID_TOKEN);
	case REFRESH_EXPIRED:
		return response_problem(response, PROBLEM_TOKEN_EXPIRED);
	case REFRESH_REUSED:
		return response_problem(response, PROBLEM_TOKEN_REVOKED);
	case REFRESH_SUSPENDED:
		return response_problem(response, PROBLEM_ACCOUNT_SUSPENDED);
	default:
		return r;
	}
}

/* By refresh token, else by bearer. Whatever is presented has ended afterwards: always 204. */
int api_logout(struct call *call, struct response *response)
{
	struct identity identity;
	struct str token = {};
	int r;

	if (call->body && field_text(call, response, "refresh_token", &token))
		return 0;
	if (token.len) {
		r = session_end_by_refresh_await(token);
		return r < 0 ? r : response_empty(response, 204);
	}
	r = token_identify_await(request_bearer(call->request), &identity);
	if (r < 0)
		return r;
	if (r == IDENTITY_INVALID)
		return response_problem(response, PROBLEM_INVALID_TOKEN);
	if (r == IDENTITY_VALID) {
		r = session_end_await(identity.session_id);
		if (r < 0)
			return r;
	}
	return response_empty(response, 204);
}

int api_logout_all(struct call *call, struct response *response)
{
	int r = sessions_end_await(call->identity.account_id);

	return r < 0 ? r : response_empty(response, 204);
}

struct listing {
	struct json_writer *w;
	const char *current_id;
};

static void put_session(const struct session *session, void *arg)
{
	const struct listing *listing = arg;
	char network[NETWORK_TEXT_BYTES];
	struct address address;

	json_begin_object(listing->w, NULL);
	json_put_str(listing->w, "id", str_cstr(session->id));
	put_time(listing->w, "created_at", session->created_ms);
	put_time(listing->w, "last_used_at", session->used_ms);
	if (address_parse_host(str_cstr(session->address), &address) == 0)
		json_put_str(listing->w, "address", network_text(&address, network));
	else
		json_put_null(listing->w, "address");
	json_put_str(listing->w, "user_agent", str_cstr(session->agent));
	json_put_bool(listing->w, "current", strcmp(session->id, listing->current_id) == 0);
	json_end_object(listing->w);
}

int api_sessions(struct call *call, struct response *response)
{
	struct listing listing = { response_begin(response, 200), call->identity.session_id };
	int r;

	json_begin_array(listing.w, "sessions");
	r = store_sessions_list_await(
		call->identity.account_id, clock_wall_ms(), put_session, &listing);
	if (r < 0)
		return r;
	json_end_array(listing.w);
	r = response_header(response, "Cache-Control", STR("no-store"));
	return r < 0 ? r : response_end(response);
}

int api_session_end(struct call *call, struct response *response)
{
	int r = session_end_own_await(call->identity.account_id, call->id);

	if (r < 0)
		return r;
	if (r == 0)
		return response_problem(response, PROBLEM_NOT_FOUND);
	return response_empty(response, 204);
}

/* The hot path: everything was done by the router. */
int api_verify(struct call *call, struct response *response)
{
	const struct identity *identity = &call->identity;
	int r;

	response_header_lent(response, STR("X-Auth-User"), call->request->user_id);
	r = response_header(response, "X-Auth-Session", str_cstr(identity->session_id));
	if (r == 0)
		r = response_header(response, "X-Auth-Roles", str_cstr(identity->roles));
	response_header_lent(response, STR("Cache-Control"), STR("no-store"));
	return r < 0 ? r : response_empty(response, 204);
}

int api_jwks(_unused_ struct call *call, struct response *response)
{
	int r;

	response->status = 200;
	buf_clear(&response->body);
	r = keys_jwks(auth_policy()->tokens.keys, &response->body);
	if (r < 0)
		return r;
	response_public(response);
	/* Five minutes: a verifier meets a new key well before the first token signed with it is
	 * its only one. */
	return response_header(response, "Cache-Control", STR("public, max-age=300"));
}
