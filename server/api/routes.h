/*
 * THE table of routes, and its handlers. A handler reads the request, asks auth/ and fills the
 * response; 0, or an error that the router turns into a problem. Handlers run on fibers.
 */
#pragma once

#include <assert.h>

#include "api/paths.h"
#include "auth/verified.h"
#include "guard/limits.h"
#include "http/request.h"
#include "http/response.h"
#include "shared/urlencoded.h"

enum route_auth {
	AUTH_NONE,
	AUTH_BEARER,
	AUTH_BEARER_OR_COOKIE, /* [token] cookie, when there is no Authorization */
	AUTH_ADMIN,            /* a bearer with the role of administrators */
	AUTH_CLIENT,           /* a program, by HTTP Basic: its body is a form (oauth.h) */
	AUTH_OPTIONAL,         /* the handler looks at the bearer when it needs one */
};

enum field_type {
	FIELD_TEXT,
	FIELD_PASSWORD, /* a text that [password] min is for: a new one */
	FIELD_TEXTS,
	FIELD_NUMBER,
	FIELD_BOOL
};

enum field_need {
	FIELD_OPTIONAL, /* may be missing, or null */
	FIELD_REQUIRED,
	FIELD_NULLABLE, /* must be there, but null is a value */
};

/* A member of a body: what field_text() checks and the documentation says. */
struct field {
	const char *name;
	enum field_type type;
	enum field_need need;
	unsigned points_max; /* longer texts are refused; 0: the body's limit alone */
	const char *format;  /* for the documentation: "email", "password", or NULL */
	const char *help;
};

/* What an answer carries; openapi.c has a row for each. */
enum shape {
	SHAPE_NONE,
	SHAPE_VERIFIED, /* no body, fields X-Auth-* */
	SHAPE_GRANT,
	SHAPE_USER,
	SHAPE_SESSIONS,
	SHAPE_USERS,
	SHAPE_INTROSPECTION,
	SHAPE_OAUTH_ERROR,
	SHAPE_HEALTH,
	SHAPE_PROBE,
	SHAPE_JWKS,
	SHAPE_OPENAPI,
	SHAPE_PAGE,
	SHAPES
};

struct answer {
	unsigned short status; /* 0: the table of answers ends */
	enum shape shape;
	const char *when; /* a sentence, for an answer that is not the usual one */
};
#define ROUTE_ANSWERS_MAX 3

/* Problems as a set. */
typedef uint64_t problem_set;
#define PROBLEM_BIT(name) (UINT64_C(1) << PROBLEM_##name)
static_assert(PROBLEMS <= 64, "a set is one word");

/* A request with what the router found out about it. */
struct call {
	const struct request *request;
	struct identity identity;       /* for AUTH_BEARER and AUTH_ADMIN */
	const struct json *body;        /* for routes with a body; an object */
	const struct urlencoded *form;  /* for AUTH_CLIENT */
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
	/* What makes the documentation, and is checked while requests are served: openapi.h. */
	const struct field *fields; /* of the body; one without a name ends them */
	const struct field *query;  /* likewise, of the target */
	struct answer answers[ROUTE_ANSWERS_MAX];
	problem_set problems; /* that its handler says; route_problems() has all */
};

extern const struct route routes[];
extern const size_t routes_count;

/* With those that the columns of the row bring: every problem that a client can meet there. */
problem_set route_problems(const struct route *route);

/* Is this what the row says? */
bool route_has_answer(const struct route *route, const struct response *response);

/* The row of a field of the body; NULL: there is none of that name. */
const struct field *route_field(const struct route *route, const char *name);

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
/* admin_list.c */
int api_admin_users(struct call *call, struct response *response);
/* admin_users.c */
int api_admin_create(struct call *call, struct response *response);
int api_admin_user(struct call *call, struct response *response);
int api_admin_change(struct call *call, struct response *response);
int api_admin_delete(struct call *call, struct response *response);
int api_admin_suspend(struct call *call, struct response *response);
int api_admin_activate(struct call *call, struct response *response);
int api_admin_revoke(struct call *call, struct response *response);
int api_admin_reset(struct call *call, struct response *response);
/* oauth.c */
int api_introspect(struct call *call, struct response *response);
int api_revoke(struct call *call, struct response *response);
/* health.c */
int api_health(struct call *call, struct response *response);
int api_health_live(struct call *call, struct response *response);
int api_health_ready(struct call *call, struct response *response);
/* documents.c */
int api_openapi(struct call *call, struct response *response);
int api_docs(struct call *call, struct response *response);
