/*
 * What routes answer, in the OpenAPI document: shapes, problems, and the components that both are
 * made of. See openapi.h; requests are openapi.c's.
 */
#include <assert.h>
#include <stdio.h>

#include "api/openapi_parts.h"
#include "shared/macros.h"

/* What an answer carries: its media type, its schema, and whether that is in {"success","data"}. */
static const struct shape_row {
	const char *type; /* NULL: no body */
	const char *schema;
	bool is_enveloped;
	const char *help;
} shapes[SHAPES] = {
	[SHAPE_NONE] = { .help = "Done" },
	[SHAPE_VERIFIED] = { .help = "The token is good; X-Auth-User, X-Auth-Session and X-Auth-Roles "
				     "say whose it is" },
	[SHAPE_GRANT] = { "application/json", "Grant", true, "A pair of tokens" },
	[SHAPE_USER] = { "application/json", "UserOnly", true, "The account" },
	[SHAPE_SESSIONS] = { "application/json", "Sessions", true, "All of them" },
	[SHAPE_USERS] = { "application/json", "Users", true, "A page of accounts" },
	[SHAPE_INTROSPECTION] = { "application/json", "Introspection", false,
		"What the token is worth" },
	[SHAPE_OAUTH_ERROR] = { "application/json", "OAuthError", false,
		"What is wrong (RFC 6749)" },
	[SHAPE_HEALTH] = { "application/json", "Health", false, "How it is, also when degraded" },
	[SHAPE_PROBE] = { "application/json", "Probe", false, "How it is" },
	[SHAPE_JWKS] = { "application/json", "KeySet", false, "A JWK set" },
	[SHAPE_OPENAPI] = { "application/json", "OpenAPI", false, "This document" },
	[SHAPE_PAGE] = { "text/html", NULL, false, "A page" },
};

/* The codes and sentences of the problems that share a status. */
#define PROBLEMS_TEXT_BYTES 512

/* --- parts --- */

void openapi_text(struct json_writer *w, const char *key, const char *text)
{
	json_put_str(w, key, str_cstr(text));
}

void openapi_ref(struct json_writer *w, const char *kind, const char *name)
{
	char text[PROBLEMS_TEXT_BYTES + 32];

	(void)snprintf(text, sizeof(text), "#/components/%s/%s", kind, name);
	openapi_text(w, "$ref", text);
}

void openapi_begin_content(struct json_writer *w, const char *type)
{
	json_begin_object(w, "content");
	json_begin_object(w, type);
	json_begin_object(w, "schema");
}

void openapi_end_content(struct json_writer *w)
{
	json_end_object(w);
	json_end_object(w);
	json_end_object(w);
}

/* --- the usual answers --- */

static void put_header(struct json_writer *w, const char *name, const char *help)
{
	json_begin_object(w, name);
	openapi_text(w, "description", help);
	json_begin_object(w, "schema");
	openapi_text(w, "type", "string");
	json_end_object(w);
	json_end_object(w);
}

static void put_success_schema(struct json_writer *w, const struct shape_row *shape)
{
	openapi_begin_content(w, shape->type);
	if (!shape->schema) {
		openapi_text(w, "type", "string");
	} else if (!shape->is_enveloped) {
		openapi_ref(w, "schemas", shape->schema);
	} else {
		openapi_text(w, "type", "object");
		json_put_raw(w, "required", STR("[\"success\",\"data\"]"));
		json_begin_object(w, "properties");
		json_put_raw(w, "success", STR("{\"const\":true}"));
		json_begin_object(w, "data");
		openapi_ref(w, "schemas", shape->schema);
		json_end_object(w);
		json_end_object(w);
	}
	openapi_end_content(w);
}

static void put_answer(struct json_writer *w, const struct answer *answer)
{
	const struct shape_row *shape = &shapes[answer->shape];
	char status[8];

	(void)snprintf(status, sizeof(status), "%u", answer->status);
	json_begin_object(w, status);
	openapi_text(w, "description", answer->when ? answer->when : shape->help);
	if (answer->shape == SHAPE_VERIFIED) {
		json_begin_object(w, "headers");
		put_header(w, "X-Auth-User", "The account's id");
		put_header(w, "X-Auth-Session", "The session's id");
		put_header(w, "X-Auth-Roles", "Its roles, with commas between");
		json_end_object(w);
	}
	if (shape->type)
		put_success_schema(w, shape);
	json_end_object(w);
}

/* Those of a set that share a status. */
static problem_set problems_with(problem_set problems, unsigned status)
{
	problem_set same = 0;

	for (unsigned i = 0; i < PROBLEMS; i++)
		if ((problems >> i & 1) && problem_row(i)->status == status)
			same |= UINT64_C(1) << i;
	return same;
}

/* "CODE: sentence", a line for each. */
static void put_descriptions(struct json_writer *w, problem_set problems)
{
	char text[PROBLEMS_TEXT_BYTES];
	size_t at = 0;

	for (unsigned i = 0; i < PROBLEMS; i++)
		if (problems >> i & 1)
			at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%s: %s",
				at ? "\n" : "", problem_row(i)->code, problem_row(i)->message);
	assert(at < sizeof(text)); /* a few rows of our own table */
	openapi_text(w, "description", text);
}

/* The name of their component: "INVALID_TOKEN-TOKEN_EXPIRED". */
static void problems_name(problem_set problems, char text[static PROBLEMS_TEXT_BYTES])
{
	size_t at = 0;

	for (unsigned i = 0; i < PROBLEMS; i++)
		if (problems >> i & 1)
			at += (size_t)snprintf(text + at, PROBLEMS_TEXT_BYTES - at, "%s%s",
				at ? "-" : "", problem_row(i)->code);
	assert(at < PROBLEMS_TEXT_BYTES);
}

static void put_problems_schema(struct json_writer *w, problem_set problems)
{
	json_begin_array(w, "allOf");
	json_begin_object(w, NULL);
	openapi_ref(w, "schemas", "Error");
	json_end_object(w);
	json_begin_object(w, NULL);
	json_begin_object(w, "properties");
	json_begin_object(w, "error");
	json_begin_array(w, "enum");
	for (unsigned i = 0; i < PROBLEMS; i++)
		if (problems >> i & 1)
			openapi_text(w, NULL, problem_row(i)->code);
	json_end_array(w);
	json_end_object(w);
	json_end_object(w);
	json_end_object(w);
	json_end_array(w);
}

static void put_problem_headers(struct json_writer *w, unsigned status)
{
	if (status != 401 && status != 429 && status != 503)
		return;
	json_begin_object(w, "headers");
	if (status == 401)
		put_header(w, "WWW-Authenticate", "How to authenticate (RFC 6750)");
	else
		put_header(w, "Retry-After", "Seconds after which it is worth trying again");
	json_end_object(w);
}

/* The answer of problems that share a status, beside a shape of the route's own. */
static void put_problems(struct json_writer *w, const char *key, problem_set problems,
	unsigned status, const struct shape_row *beside)
{
	json_begin_object(w, key);
	put_descriptions(w, problems);
	put_problem_headers(w, status);
	openapi_begin_content(w, "application/json");
	if (beside) {
		json_begin_array(w, "anyOf");
		json_begin_object(w, NULL);
		openapi_ref(w, "schemas", beside->schema);
		json_end_object(w);
		json_begin_object(w, NULL);
	}
	put_problems_schema(w, problems);
	if (beside) {
		json_end_object(w);
		json_end_array(w);
	}
	openapi_end_content(w);
	json_end_object(w);
}

static const struct answer *answer_of(const struct route *route, unsigned status)
{
	for (unsigned i = 0; i < ROUTE_ANSWERS_MAX; i++)
		if (route->answers[i].status == status)
			return &route->answers[i];
	return NULL;
}

/* Visits the statuses of a route's problems: 0 to begin with, 0 at the end. The table is in the
 * order of its statuses. */
static unsigned status_after(problem_set problems, unsigned status)
{
	for (unsigned i = 0; i < PROBLEMS; i++)
		if ((problems >> i & 1) && problem_row(i)->status > status)
			return problem_row(i)->status;
	return 0;
}

static void put_route_problems(struct json_writer *w, const struct route *route)
{
	problem_set all = route_problems(route);

	for (unsigned status = status_after(all, 0); status; status = status_after(all, status)) {
		problem_set problems = problems_with(all, status);
		const struct answer *beside = answer_of(route, status);
		char key[8], name[PROBLEMS_TEXT_BYTES];

		(void)snprintf(key, sizeof(key), "%u", status);
		if (beside) {
			put_problems(w, key, problems, status, &shapes[beside->shape]);
			continue;
		}
		problems_name(problems, name);
		json_begin_object(w, key);
		openapi_ref(w, "responses", name);
		json_end_object(w);
	}
}

void openapi_answers(struct json_writer *w, const struct route *route)
{
	json_begin_object(w, "responses");
	for (unsigned i = 0; i < ROUTE_ANSWERS_MAX && route->answers[i].status; i++)
		/* Else it is put beside the problems of its status. */
		if (!problems_with(route_problems(route), route->answers[i].status))
			put_answer(w, &route->answers[i]);
	put_route_problems(w, route);
	json_end_object(w);
}

/* --- components --- */

static bool is_said_before(size_t index, problem_set problems, unsigned status)
{
	for (size_t i = 0; i < index; i++)
		if (problems_with(route_problems(&routes[i]), status) == problems)
			return true;
	return false;
}

/* What many routes answer is written once. */
void openapi_responses(struct json_writer *w)
{
	json_begin_object(w, "responses");
	for (size_t i = 0; i < routes_count; i++) {
		problem_set all = route_problems(&routes[i]);

		for (unsigned status = status_after(all, 0); status;
			status = status_after(all, status)) {
			problem_set problems = problems_with(all, status);
			char name[PROBLEMS_TEXT_BYTES];

			if (is_said_before(i, problems, status))
				continue;
			problems_name(problems, name);
			put_problems(w, name, problems, status, NULL);
		}
	}
	json_end_object(w);
}
