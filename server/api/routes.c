/* The table of routes: see routes.h. */
#include "api/routes.h"

#include <string.h>

#include "auth/emails.h"
#include "auth/passwords.h"
#include "shared/macros.h"
#include "store/store.h"

/* An address, a password and a name, all escaped, fit several times. */
#define SMALL 8192

/* Problems, short enough for the table. */
#define P1(a) PROBLEM_BIT(a)
#define P2(a, b) (P1(a) | P1(b))
#define P3(a, b, c) (P2(a, b) | P1(c))

/* clang-format off */
#define EMAIL         { "email",         FIELD_TEXT, FIELD_REQUIRED, EMAIL_BYTES_MAX,      "email",    "The address; case and spaces around it do not matter" }
#define ADDRESS       { "email",         FIELD_TEXT, FIELD_REQUIRED, EMAIL_BYTES_MAX,      NULL,       "The address; what is none gets the same answer" }
#define PASSWORD(name, type) { name,     type,       FIELD_REQUIRED, PASSWORD_POINTS_MAX,  "password", "Any Unicode, at most 72 bytes of UTF-8" }
#define MAILED        { "token",         FIELD_TEXT, FIELD_REQUIRED, 0,                    NULL,       "As it was mailed" }
#define REFRESH(need) { "refresh_token", FIELD_TEXT, need,  0,                    NULL,       "Of the session" }
#define NAME(need)    { "name",          FIELD_TEXT, need,  STORE_NAME_BYTES_MAX, NULL,       "For display: at most 256 bytes of UTF-8, no control characters" }

static const struct field register_fields[] = { EMAIL, PASSWORD("password", FIELD_PASSWORD), NAME(FIELD_OPTIONAL), {} };
static const struct field login_fields[] = { EMAIL, PASSWORD("password", FIELD_TEXT), {} };
static const struct field refresh_fields[] = { REFRESH(FIELD_REQUIRED), {} };
static const struct field logout_fields[] = { REFRESH(FIELD_OPTIONAL), {} };
static const struct field change_fields[] = { PASSWORD("current_password", FIELD_TEXT), PASSWORD("new_password", FIELD_PASSWORD), {} };
static const struct field reset_fields[] = { MAILED, PASSWORD("new_password", FIELD_PASSWORD), {} };
static const struct field mailed_fields[] = { MAILED, {} };
static const struct field address_fields[] = { ADDRESS, {} };
#define ROLES         { "roles",          FIELD_TEXTS, FIELD_OPTIONAL, 0, NULL, "At most 16, of 1 to 32 letters, digits, - _ . :, none twice" }
#define VERIFIED      { "email_verified", FIELD_BOOL,  FIELD_OPTIONAL, 0, NULL, "Whether the address is proven; another one is not unless this says so" }
#define OPTIONAL_PASSWORD(name) { name,   FIELD_PASSWORD, FIELD_OPTIONAL, PASSWORD_POINTS_MAX, "password", "Any Unicode, at most 72 bytes of UTF-8" }
static const struct field admin_create_fields[] = { EMAIL, OPTIONAL_PASSWORD("password"), NAME(FIELD_OPTIONAL), ROLES, VERIFIED, {} };
static const struct field admin_change_fields[] = { { "email", FIELD_TEXT, FIELD_OPTIONAL, EMAIL_BYTES_MAX, "email", "Another address" }, NAME(FIELD_OPTIONAL), ROLES, VERIFIED, {} };
static const struct field admin_reset_fields[] = { OPTIONAL_PASSWORD("new_password"), {} };
static const struct field token_fields[] = {
	{ "token", FIELD_TEXT, FIELD_REQUIRED, 0, NULL, "An access token or a refresh token" },
	{ "token_type_hint", FIELD_TEXT, FIELD_OPTIONAL, 0, NULL, "Not needed: tokens are told apart by their form" }, {} };
static const struct field users_query[] = {
	{ "limit", FIELD_NUMBER, FIELD_OPTIONAL, 0, NULL, "How many at most: 1 to 100, 20 unless told" },
	{ "cursor", FIELD_TEXT, FIELD_OPTIONAL, 0, NULL, "next_cursor of the page before" },
	{ "email", FIELD_TEXT, FIELD_OPTIONAL, EMAIL_BYTES_MAX, "email", "The account of this address alone" },
	{ "status", FIELD_TEXT, FIELD_OPTIONAL, 0, NULL, "active or suspended" }, {} };
static const struct field me_fields[] = { NAME(FIELD_NULLABLE), {} };

const struct route routes[] = {
	/* method, under base, path, handler, auth, limit, costly, body, optional, what it does */
	{ METHOD_GET,   true,  "/verify",                api_verify,       AUTH_BEARER_OR_COOKIE, LIMIT_VERIFY,   false, 0,     false, "Is this access token good? For auth_request and forward-auth",
		.answers = { { 204, SHAPE_VERIFIED, NULL } } },
	{ METHOD_POST,  true,  "/register",              api_register,     AUTH_NONE,   LIMIT_REGISTER, true,  SMALL, false, "Make an account and log in",
		.fields = register_fields, .answers = { { 201, SHAPE_GRANT, NULL }, { 202, SHAPE_NONE, "With [accounts] hide_existing or require_verified: a mail says more" } },
		.problems = P1(EMAIL_TAKEN) },
	{ METHOD_POST,  true,  "/login",                 api_login,        AUTH_NONE,   LIMIT_LOGIN,    true,  SMALL, false, "Exchange credentials for a session",
		.fields = login_fields, .answers = { { 200, SHAPE_GRANT, NULL } },
		.problems = P2(INVALID_CREDENTIALS, TOO_MANY_ATTEMPTS) | P2(ACCOUNT_SUSPENDED, EMAIL_NOT_VERIFIED) },
	{ METHOD_POST,  true,  "/refresh",               api_refresh,      AUTH_NONE,   LIMIT_REFRESH,  false, SMALL, false, "Exchange a refresh token for a fresh pair",
		.fields = refresh_fields, .answers = { { 200, SHAPE_GRANT, NULL } },
		.problems = P2(INVALID_TOKEN, TOKEN_EXPIRED) | P2(TOKEN_REVOKED, ACCOUNT_SUSPENDED) },
	{ METHOD_POST,  true,  "/logout",                api_logout,       AUTH_OPTIONAL, LIMIT_OTHER,    false, SMALL, true,  "End a session",
		.fields = logout_fields, .answers = { { 204, SHAPE_NONE, NULL } },
		.problems = P1(INVALID_TOKEN) },
	{ METHOD_POST,  true,  "/logout-all",            api_logout_all,   AUTH_BEARER, LIMIT_OTHER,    false, SMALL, true,  "End every session of the account",
		.answers = { { 204, SHAPE_NONE, NULL } } },
	{ METHOD_GET,   true,  "/sessions",              api_sessions,     AUTH_BEARER, LIMIT_OTHER,    false, 0,     false, "The sessions of this account, the latest used first",
		.answers = { { 200, SHAPE_SESSIONS, NULL } } },
	{ METHOD_DELETE, true, "/sessions/{id}",         api_session_end,  AUTH_BEARER, LIMIT_OTHER,    false, 0,     false, "End one of one's own sessions",
		.answers = { { 204, SHAPE_NONE, NULL } }, .problems = P1(NOT_FOUND) },
	{ METHOD_GET,   true,  "/me",                    api_me,           AUTH_BEARER, LIMIT_OTHER,    false, 0,     false, "The account of this token",
		.answers = { { 200, SHAPE_USER, NULL } } },
	{ METHOD_PATCH, true,  "/me",                    api_me_change,    AUTH_BEARER, LIMIT_OTHER,    false, SMALL, false, "Change the name",
		.fields = me_fields, .answers = { { 200, SHAPE_USER, NULL } } },
	{ METHOD_POST,  true,  "/password/change",       api_password_change, AUTH_BEARER, LIMIT_LOGIN, true,  SMALL, false, "Replace the password; the account's other sessions end",
		.fields = change_fields, .answers = { { 204, SHAPE_NONE, NULL } },
		.problems = P2(INVALID_CREDENTIALS, TOO_MANY_ATTEMPTS) },
	{ METHOD_POST,  true,  "/password/forgot",       api_password_forgot, AUTH_NONE, LIMIT_MAIL,    false, SMALL, false, "Mail a token for a new password, if somebody has this address",
		.fields = address_fields, .answers = { { 202, SHAPE_NONE, "Whether or not somebody has this address" } } },
	{ METHOD_POST,  true,  "/password/reset",        api_password_reset, AUTH_NONE, LIMIT_LOGIN,    true,  SMALL, false, "Replace the password by such a token, once; every session of the account ends",
		.fields = reset_fields, .answers = { { 204, SHAPE_NONE, NULL } }, .problems = P1(INVALID_TOKEN) },
	{ METHOD_POST,  true,  "/email/verify",          api_email_verify, AUTH_NONE,   LIMIT_LOGIN,    false, SMALL, false, "Verify the address by the token that was mailed there",
		.fields = mailed_fields, .answers = { { 204, SHAPE_NONE, NULL } }, .problems = P1(INVALID_TOKEN) },
	{ METHOD_POST,  true,  "/email/resend",          api_email_resend, AUTH_NONE,   LIMIT_MAIL,     false, SMALL, false, "Mail that token again, if somebody has this address",
		.fields = address_fields, .answers = { { 202, SHAPE_NONE, "Whether or not somebody has this address" } } },
	{ METHOD_GET, false, "/v1/admin/users", api_admin_users, AUTH_ADMIN, LIMIT_OTHER, false, 0, false, "Accounts by id, a page at a time",
		.query = users_query, .answers = { { 200, SHAPE_USERS, NULL } }, .problems = P1(VALIDATION_FAILED) },
	{ METHOD_POST, false, "/v1/admin/users", api_admin_create, AUTH_ADMIN, LIMIT_OTHER, true, SMALL, false, "Make an account; without a password its owner sets one first",
		.fields = admin_create_fields, .answers = { { 201, SHAPE_USER, NULL } }, .problems = P1(EMAIL_TAKEN) },
	{ METHOD_GET, false, "/v1/admin/users/{id}", api_admin_user, AUTH_ADMIN, LIMIT_OTHER, false, 0, false, "One account",
		.answers = { { 200, SHAPE_USER, NULL } }, .problems = P1(NOT_FOUND) },
	{ METHOD_PATCH, false, "/v1/admin/users/{id}", api_admin_change, AUTH_ADMIN, LIMIT_OTHER, false, SMALL, false, "Change what is named; not the own role of administrators",
		.fields = admin_change_fields, .answers = { { 200, SHAPE_USER, NULL } }, .problems = P2(NOT_FOUND, EMAIL_TAKEN) },
	{ METHOD_DELETE, false, "/v1/admin/users/{id}", api_admin_delete, AUTH_ADMIN, LIMIT_OTHER, false, 0, false, "Remove an account and its sessions; not one's own",
		.answers = { { 204, SHAPE_NONE, NULL } }, .problems = P1(NOT_FOUND) },
	{ METHOD_POST, false, "/v1/admin/users/{id}/suspend", api_admin_suspend, AUTH_ADMIN, LIMIT_OTHER, false, SMALL, true, "Refuse an account from now on; not one's own",
		.answers = { { 200, SHAPE_USER, NULL } }, .problems = P1(NOT_FOUND) },
	{ METHOD_POST, false, "/v1/admin/users/{id}/activate", api_admin_activate, AUTH_ADMIN, LIMIT_OTHER, false, SMALL, true, "Serve a suspended account again, its sessions too",
		.answers = { { 200, SHAPE_USER, NULL } }, .problems = P1(NOT_FOUND) },
	{ METHOD_POST, false, "/v1/admin/users/{id}/revoke-sessions", api_admin_revoke, AUTH_ADMIN, LIMIT_OTHER, false, SMALL, true, "End every session of an account",
		.answers = { { 204, SHAPE_NONE, NULL } }, .problems = P1(NOT_FOUND) },
	{ METHOD_POST, false, "/v1/admin/users/{id}/reset-password", api_admin_reset, AUTH_ADMIN, LIMIT_OTHER, true, SMALL, true, "Set another password, and every session ends; or without one mail its owner a token",
		.fields = admin_reset_fields, .answers = { { 204, SHAPE_NONE, NULL }, { 202, SHAPE_NONE, "Without a password: a mail is on its way" } },
		.problems = P1(NOT_FOUND) },
	{ METHOD_POST, false, "/oauth2/introspect", api_introspect, AUTH_CLIENT, LIMIT_OTHER, false, SMALL, false, "Is this token good, and whose is it? For resource servers (RFC 7662)",
		.fields = token_fields, .answers = { { 200, SHAPE_INTROSPECTION, NULL }, { 400, SHAPE_OAUTH_ERROR, NULL }, { 401, SHAPE_OAUTH_ERROR, "No known client" } } },
	{ METHOD_POST, false, "/oauth2/revoke", api_revoke, AUTH_CLIENT, LIMIT_OTHER, false, SMALL, false, "End the session of a token (RFC 7009)",
		.fields = token_fields, .answers = { { 200, SHAPE_NONE, NULL }, { 400, SHAPE_OAUTH_ERROR, NULL }, { 401, SHAPE_OAUTH_ERROR, "No known client" } } },
	{ METHOD_GET,   false, "/health",                api_health,       AUTH_NONE,   LIMIT_NONE,     false, 0,     false, "How the service is, for people and dashboards",
		.answers = { { 200, SHAPE_HEALTH, NULL } } },
	{ METHOD_GET,   false, "/health/live",           api_health_live,  AUTH_NONE,   LIMIT_NONE,     false, 0,     false, "200 while the process answers",
		.answers = { { 200, SHAPE_PROBE, NULL } } },
	{ METHOD_GET,   false, "/health/ready",          api_health_ready, AUTH_NONE,   LIMIT_NONE,     false, 0,     false, "200 while it should get traffic",
		.answers = { { 200, SHAPE_PROBE, NULL }, { 503, SHAPE_PROBE, "It starts, ends, or its store is away" } } },
	{ METHOD_GET,   false, "/.well-known/jwks.json", api_jwks,         AUTH_NONE,   LIMIT_OTHER,    false, 0,     false, "Public keys that tokens are signed with (RFC 7517)",
		.answers = { { 200, SHAPE_JWKS, NULL } } },
	{ METHOD_GET,   false, "/openapi.json",          api_openapi,      AUTH_NONE,   LIMIT_OTHER,    false, 0,     false, "This interface as OpenAPI 3.1",
		.answers = { { 200, SHAPE_OPENAPI, NULL }, { 304, SHAPE_NONE, "The client has it already: If-None-Match" } } },
	{ METHOD_GET,   false, "/docs",                  api_docs,         AUTH_NONE,   LIMIT_OTHER,    false, 0,     false, "This interface as a page for people",
		.answers = { { 200, SHAPE_PAGE, NULL }, { 304, SHAPE_NONE, "The client has it already: If-None-Match" } }, .problems = P1(NOT_FOUND) },
};
/* clang-format on */
const size_t routes_count = ARRAY_SIZE(routes);

/* Framing and sizes, before a route matters, and our own failures, which can always happen. */
#define EVERYWHERE                                                                                 \
	(P3(MALFORMED_REQUEST, REQUEST_TIMEOUT, BODY_TOO_LARGE) |                                  \
		P3(URI_TOO_LONG, EXPECTATION_FAILED, HEADERS_TOO_LARGE) |                          \
		P3(INTERNAL, NOT_IMPLEMENTED, VERSION_NOT_SUPPORTED) | P1(SERVICE_UNAVAILABLE))

static bool has_store(const struct route *route)
{
	return route->auth != AUTH_NONE || route->body_bytes_max;
}

problem_set route_problems(const struct route *route)
{
	problem_set problems = EVERYWHERE | route->problems;

	if (route->auth == AUTH_ADMIN)
		problems |= P1(FORBIDDEN);
	if (route->auth == AUTH_BEARER || route->auth == AUTH_BEARER_OR_COOKIE ||
		route->auth == AUTH_ADMIN)
		problems |= P2(INVALID_TOKEN, TOKEN_EXPIRED) | P2(TOKEN_REVOKED, ACCOUNT_SUSPENDED);
	if (has_store(route))
		problems |= P1(STORE_UNAVAILABLE);
	if (route->limit != LIMIT_NONE)
		problems |= P1(RATE_LIMITED);
	if (route->body_bytes_max && route->auth != AUTH_CLIENT)
		problems |= P2(MALFORMED_JSON, UNSUPPORTED_MEDIA_TYPE);
	if (route->body_bytes_max && !route->is_body_optional)
		problems |= P1(LENGTH_REQUIRED);
	if (route->fields && route->auth != AUTH_CLIENT)
		problems |= P1(VALIDATION_FAILED);
	return problems;
}

bool route_has_answer(const struct route *route, const struct response *response)
{
	if (response->problem != PROBLEM_NONE)
		return route_problems(route) >> response->problem & 1;
	for (unsigned i = 0; i < ROUTE_ANSWERS_MAX; i++)
		if (route->answers[i].status == response->status)
			return true;
	return false;
}

const struct field *route_field(const struct route *route, const char *name)
{
	for (const struct field *field = route->fields; field && field->name; field++)
		if (strcmp(field->name, name) == 0)
			return field;
	return NULL;
}
