/* Refreshing and ending sessions, verifying tokens, public keys. */
#include "auth/sessions.h"

#include <errno.h>

#include "api/fields.h"
#include "auth/keys.h"
#include "auth/policy.h"

int api_refresh(struct call *call, struct response *response)
{
	_cleanup_(grant_wipe) struct grant grant = {};
	struct client client = client_of(call->request);
	struct str token;
	int r;

	if (field_text(call, response, "refresh_token", true, &token))
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

	if (call->body && field_text(call, response, "refresh_token", false, &token))
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

/* The hot path: everything was done by the router. */
int api_verify(struct call *call, struct response *response)
{
	const struct identity *identity = &call->identity;
	int r;

	r = response_header(response, "X-Auth-User", str_cstr(identity->account_id));
	if (r == 0)
		r = response_header(response, "X-Auth-Session", str_cstr(identity->session_id));
	if (r == 0)
		r = response_header(response, "X-Auth-Roles", str_cstr(identity->roles));
	if (r == 0)
		r = response_header(response, "Cache-Control", STR("no-store"));
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
