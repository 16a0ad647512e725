/* The table of routes: see routes.h. */
#include "api/routes.h"

#include "shared/macros.h"

/* An address, a password and a name, all escaped, fit several times. */
#define SMALL 8192

/* clang-format off */
const struct route routes[] = {
	/* method, under base, path, handler, auth, limit, costly, body, optional, what it does */
	{ METHOD_GET,   true,  "/verify",                api_verify,       AUTH_BEARER, LIMIT_VERIFY,   false, 0,     false, "Is this access token good? For auth_request and forward-auth" },
	{ METHOD_POST,  true,  "/register",              api_register,     AUTH_NONE,   LIMIT_REGISTER, true,  SMALL, false, "Make an account and log in" },
	{ METHOD_POST,  true,  "/login",                 api_login,        AUTH_NONE,   LIMIT_LOGIN,    true,  SMALL, false, "Exchange credentials for a session" },
	{ METHOD_POST,  true,  "/refresh",               api_refresh,      AUTH_NONE,   LIMIT_REFRESH,  false, SMALL, false, "Exchange a refresh token for a fresh pair" },
	{ METHOD_POST,  true,  "/logout",                api_logout,       AUTH_NONE,   LIMIT_OTHER,    false, SMALL, true,  "End a session" },
	{ METHOD_POST,  true,  "/logout-all",            api_logout_all,   AUTH_BEARER, LIMIT_OTHER,    false, SMALL, true,  "End every session of the account" },
	{ METHOD_GET,   true,  "/sessions",              api_sessions,     AUTH_BEARER, LIMIT_OTHER,    false, 0,     false, "The sessions of this account, the latest used first" },
	{ METHOD_DELETE, true, "/sessions/{id}",         api_session_end,  AUTH_BEARER, LIMIT_OTHER,    false, 0,     false, "End one of one's own sessions" },
	{ METHOD_GET,   true,  "/me",                    api_me,           AUTH_BEARER, LIMIT_OTHER,    false, 0,     false, "The account of this token" },
	{ METHOD_PATCH, true,  "/me",                    api_me_change,    AUTH_BEARER, LIMIT_OTHER,    false, SMALL, false, "Change the name" },
	{ METHOD_POST,  true,  "/password/change",       api_password_change, AUTH_BEARER, LIMIT_LOGIN, true,  SMALL, false, "Replace the password; the account's other sessions end" },
	{ METHOD_POST,  true,  "/password/forgot",       api_password_forgot, AUTH_NONE, LIMIT_MAIL,    false, SMALL, false, "Mail a token for a new password, if somebody has this address" },
	{ METHOD_POST,  true,  "/password/reset",        api_password_reset, AUTH_NONE, LIMIT_LOGIN,    true,  SMALL, false, "Replace the password by such a token, once; every session of the account ends" },
	{ METHOD_POST,  true,  "/email/verify",          api_email_verify, AUTH_NONE,   LIMIT_LOGIN,    false, SMALL, false, "Verify the address by the token that was mailed there" },
	{ METHOD_POST,  true,  "/email/resend",          api_email_resend, AUTH_NONE,   LIMIT_MAIL,     false, SMALL, false, "Mail that token again, if somebody has this address" },
	{ METHOD_GET,   false, "/health",                api_health,       AUTH_NONE,   LIMIT_NONE,     false, 0,     false, "How the service is, for people and dashboards" },
	{ METHOD_GET,   false, "/health/live",           api_health_live,  AUTH_NONE,   LIMIT_NONE,     false, 0,     false, "200 while the process answers" },
	{ METHOD_GET,   false, "/health/ready",          api_health_ready, AUTH_NONE,   LIMIT_NONE,     false, 0,     false, "200 while it should get traffic" },
	{ METHOD_GET,   false, "/.well-known/jwks.json", api_jwks,         AUTH_NONE,   LIMIT_OTHER,    false, 0,     false, "Public keys that tokens are signed with (RFC 7517)" },
};
/* clang-format on */
const size_t routes_count = ARRAY_SIZE(routes);
