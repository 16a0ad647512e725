/*
 * THE table of routes, and its handlers. A handler reads the request, asks auth/ and fills the
 * response; 0, or an error that the router turns into a problem. Handlers run on fibers.
 */
#pragma once

#include "api/paths.h"
#include "auth/verified.h"
#include "guard/limits.h"
#include "http/request.h"
#include "http/response.h"

enum route_auth { AUTH_NONE, AUTH_BEARER };

/* A request with what the router found out about it. */
struct call {
	const struct request *request;
	struct identity identity;       /* for AUTH_BEARER */
	const struct json *body;        /* for routes with a body; an object */
	char id[PATH_ID_BYTES_MAX + 1]; /* for paths with {id} */
};

struct route {
	enum http_method method; /* GET serves HEAD too */
	bool is_under_base;      /* [http] base comes before the path */
	const char *path;        /* with {id} for any id: see paths.h */
	int (*handle)(struct call *call, struct response *response);
	enum route_auth auth;
	enum limit limit;      /* of the client's address; probes of health have none */
	bool is_costly;        /* hashes a password: guard/admission.h decides who may */
	size_t body_bytes_max; /* 0: none is read; else a JSON object is required */
	bool is_body_optional;
	const char *help;
};

extern const struct route routes[];
extern const size_t routes_count;

/* accounts.c */
int api_register(struct call *call, struct response *response);
int api_login(struct call *call, struct response *response);
int api_me(struct call *call, struct response *response);
int api_me_change(struct call *call, struct response *response);
/* recovery.c */
int api_password_change(struct call *call, struct response *response);
int api_password_forgot(struct call *call, struct response *response);
int api_password_reset(struct call *call, struct response *response);
int api_email_verify(struct call *call, struct response *response);
int api_email_resend(struct call *call, struct response *response);
/* sessions.c */
int api_refresh(struct call *call, struct response *response);
int api_logout(struct call *call, struct response *response);
int api_logout_all(struct call *call, struct response *response);
int api_sessions(struct call *call, struct response *response);
int api_session_end(struct call *call, struct response *response);
int api_verify(struct call *call, struct response *response);
int api_jwks(struct call *call, struct response *response);
/* health.c */
int api_health(struct call *call, struct response *response);
int api_health_live(struct call *call, struct response *response);
int api_health_ready(struct call *call, struct response *response);
