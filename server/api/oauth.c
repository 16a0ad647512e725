/*
 * Introspection (RFC 7662) and revocation (RFC 7009) of tokens, for clients that [oauth]
 * clients_file names. Their answers have the shapes of those documents. Next: auth/introspection.h.
 */
#include "api/oauth.h"

#include <errno.h>

#include "auth/clients.h"
#include "auth/introspection.h"
#include "auth/policy.h"
#include "http/basic.h"
#include "shared/err.h"

static int refuse(
	struct response *response, unsigned status, struct str error, struct str description)
{
	struct json_writer *w = response_begin_plain(response, status);
	int r;

	json_put_str(w, "error", error);
	json_put_str(w, "error_description", description);
	r = response_header(response, "Cache-Control", STR("no-store"));
	return r < 0 ? r : response_end(response);
}

/* The same answer whatever is wrong: an unknown id, a wrong secret, no credentials at all. */
static int refuse_client(struct response *response)
{
	int r = refuse(response, 401, STR("invalid_client"),
		STR("client credentials are missing or wrong"));

	return r < 0 ? r
		     : response_header(response, "WWW-Authenticate", STR("Basic realm=\"authd\""));
}

static int refuse_request(struct response *response, struct str why)
{
	return refuse(response, 400, STR("invalid_request"), why);
}

/* --- who asks --- */

/* Clients should encode id and secret as in a form (RFC 6749 section 2.3.1), and many do not. */
static bool is_client(struct arena *arena, struct str id, struct str secret)
{
	struct str id_decoded, secret_decoded;

	if (client_check(id, secret))
		return true;
	return urlencoded_decode(arena, id, &id_decoded) == 0 &&
	       urlencoded_decode(arena, secret, &secret_decoded) == 0 &&
	       client_check(id_decoded, secret_decoded);
}

/* 1 after a refusal. */
static int refused(int r)
{
	return r < 0 ? r : 1;
}

int client_admit(struct call *call, struct response *response)
{
	const struct request *request = call->request;
	struct urlencoded *form;
	struct str id, secret;
	int r = request_basic(request, &id, &secret);

	if (r == -ENOMEM)
		return r;
	if (r < 0 || !is_client(request->arena, id, secret))
		return refused(refuse_client(response));
	if (!request_has_type(request, STR("application/x-www-form-urlencoded")))
		return refused(refuse_request(
			response, STR("the body must be application/x-www-form-urlencoded")));
	form = arena_new(request->arena, struct urlencoded);
	if (!form)
		return -ENOMEM;
	r = urlencoded_parse(request->arena, request->body, form);
	if (r == -ERR_MALFORMED)
		return refused(refuse_request(
			response, STR("the form is malformed, or a name comes twice")));
	if (r < 0)
		return r;
	call->form = form;
	return 0;
}

/* --- the endpoints --- */

/* token_type_hint is a hint, and our tokens need none. */
static struct str token_of(const struct call *call)
{
	return urlencoded_value(call->form, STR("token"));
}

static void put_roles(struct json_writer *w, struct str roles)
{
	struct str role;

	json_begin_array(w, "roles");
	while (roles.len && str_split(&roles, ',', &role))
		json_put_str(w, NULL, role);
	json_end_array(w);
}

static void put_active(struct json_writer *w, const struct introspection *found)
{
	const struct token_policy *tokens = &auth_policy()->tokens;

	json_put_bool(w, "active", true);
	json_put_str(w, "token_type", found->is_refresh ? STR("refresh_token") : STR("Bearer"));
	json_put_str(w, "sub", str_cstr(found->account_id));
	json_put_str(w, "sid", str_cstr(found->session_id));
	if (found->token_id[0])
		json_put_str(w, "jti", str_cstr(found->token_id));
	json_put_str(w, "iss", tokens->issuer);
	json_put_str(w, "aud", tokens->audience);
	json_put_i64(w, "iat", found->issued_s);
	json_put_i64(w, "exp", found->expires_s);
	put_roles(w, str_cstr(found->roles));
}

int api_introspect(struct call *call, struct response *response)
{
	struct str token = token_of(call);
	struct introspection found;
	struct json_writer *w;
	int active, r;

	if (!token.len)
		return refuse_request(response, STR("token is missing"));
	active = introspect_await(token, &found);
	if (active < 0)
		return active;
	w = response_begin_plain(response, 200);
	/* Nothing more of one that is not (RFC 7662 section 2.2): not why, not whose. */
	if (active)
		put_active(w, &found);
	else
		json_put_bool(w, "active", false);
	r = response_header(response, "Cache-Control", STR("no-store"));
	return r < 0 ? r : response_end(response);
}

int api_revoke(struct call *call, struct response *response)
{
	struct str token = token_of(call);
	int r;

	if (!token.len)
		return refuse_request(response, STR("token is missing"));
	r = revoke_await(token);
	/* Also for a token that never was one: it is worthless, as was wished. */
	return r < 0 ? r : response_empty(response, 200);
}
