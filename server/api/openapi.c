/*
 * Writing the OpenAPI document: see openapi.h. One function for each level of it, from the paths
 * down to the schema of an answer.
 */
#include "api/openapi.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "api/openapi_parts.h"
#include "shared/json.h"
#include "shared/macros.h"

static const char schemas[] = {
#include "schemas.inc"
};

/* Where a path belongs, for readers; the first row that fits. */
static const struct tag_row {
	const char *prefix; /* behind the base, for paths under it */
	bool is_under_base;
	const char *name, *help;
} tags[] = {
	{ "/v1/admin/", false, "Administration", "For bearers with the role admin" },
	{ "/verify", true, "Tokens", "Is a token good, and whose is it?" },
	{ "/password/", true, "Password and address", "Changing and proving them" },
	{ "/email/", true, "Password and address", NULL },
	{ "", true, "Accounts and sessions", "Registering, logging in and out" },
	{ "/.well-known/", false, "Tokens", NULL },
	{ "/oauth2/", false, "Tokens", NULL },
	{ "", false, "Service", "How it is, and what it can do" },
};

/* --- requests --- */

static const char *tag_of(const struct route *route)
{
	for (size_t i = 0; i < ARRAY_SIZE(tags); i++)
		if (tags[i].is_under_base == route->is_under_base &&
			str_starts(str_cstr(route->path), str_cstr(tags[i].prefix)))
			return tags[i].name;
	return NULL; /* the last row fits everything */
}

/* --- requests --- */

static void put_type(struct json_writer *w, const char *type, bool may_be_null)
{
	if (!may_be_null) {
		openapi_text(w, "type", type);
		return;
	}
	json_begin_array(w, "type");
	openapi_text(w, NULL, type);
	openapi_text(w, NULL, "null");
	json_end_array(w);
}

static void put_texts(struct json_writer *w)
{
	json_begin_object(w, "items");
	openapi_text(w, "type", "string");
	json_end_object(w);
}

static void put_field(
	struct json_writer *w, const struct field *field, const struct openapi_options *options)
{
	static const char *const types[] = { [FIELD_TEXT] = "string",
		[FIELD_PASSWORD] = "string",
		[FIELD_TEXTS] = "array",
		[FIELD_NUMBER] = "integer",
		[FIELD_BOOL] = "boolean" };

	json_begin_object(w, field->name);
	put_type(w, types[field->type], field->need != FIELD_REQUIRED);
	openapi_text(w, "description", field->help);
	if (field->type == FIELD_TEXTS)
		put_texts(w);
	if (field->format)
		openapi_text(w, "format", field->format);
	if (field->type == FIELD_PASSWORD)
		json_put_u64(w, "minLength", options->password_points_min);
	if (field->points_max)
		json_put_u64(w, "maxLength", field->points_max);
	json_end_object(w);
}

static void put_required(struct json_writer *w, const struct field *fields)
{
	json_begin_array(w, "required");
	for (const struct field *field = fields; field->name; field++)
		if (field->need != FIELD_OPTIONAL)
			openapi_text(w, NULL, field->name);
	json_end_array(w);
}

static void put_body(
	struct json_writer *w, const struct route *route, const struct openapi_options *options)
{
	json_begin_object(w, "requestBody");
	json_put_bool(w, "required", !route->is_body_optional);
	openapi_begin_content(w, route->auth == AUTH_CLIENT ? "application/x-www-form-urlencoded"
							    : "application/json");
	openapi_text(w, "type", "object");
	if (route->fields) {
		put_required(w, route->fields);
		json_begin_object(w, "properties");
		for (const struct field *field = route->fields; field->name; field++)
			put_field(w, field, options);
		json_end_object(w);
	}
	openapi_end_content(w);
	json_end_object(w);
}

static void put_id(struct json_writer *w)
{
	json_begin_object(w, NULL);
	openapi_text(w, "name", "id");
	openapi_text(w, "in", "path");
	json_put_bool(w, "required", true);
	json_begin_object(w, "schema");
	openapi_text(w, "type", "string");
	openapi_text(w, "pattern", "^[A-Za-z0-9._~-]+$"); /* paths.h */
	json_put_u64(w, "maxLength", PATH_ID_BYTES_MAX);
	json_end_object(w);
	json_end_object(w);
}

static void put_query(struct json_writer *w, const struct field *field)
{
	json_begin_object(w, NULL);
	openapi_text(w, "name", field->name);
	openapi_text(w, "in", "query");
	openapi_text(w, "description", field->help);
	json_begin_object(w, "schema");
	openapi_text(w, "type", field->type == FIELD_NUMBER ? "integer" : "string");
	if (field->format)
		openapi_text(w, "format", field->format);
	json_end_object(w);
	json_end_object(w);
}

/* {id} in a path is a parameter, and so is what a query may say. */
static void put_parameters(struct json_writer *w, const struct route *route)
{
	bool has_id = strstr(route->path, "{id}");

	if (!has_id && !route->query)
		return;
	json_begin_array(w, "parameters");
	if (has_id)
		put_id(w);
	for (const struct field *field = route->query; field && field->name; field++)
		put_query(w, field);
	json_end_array(w);
}

static void put_scheme(struct json_writer *w, const char *name)
{
	json_begin_object(w, NULL);
	if (name) {
		json_begin_array(w, name);
		json_end_array(w);
	}
	json_end_object(w);
}

static void put_security(
	struct json_writer *w, const struct route *route, const struct openapi_options *options)
{
	json_begin_array(w, "security");
	if (route->auth == AUTH_OPTIONAL)
		put_scheme(w, NULL);
	if (route->auth == AUTH_CLIENT)
		put_scheme(w, "basic");
	else if (route->auth != AUTH_NONE)
		put_scheme(w, "bearer");
	if (route->auth == AUTH_BEARER_OR_COOKIE && options->cookie.len)
		put_scheme(w, "cookie");
	json_end_array(w);
}

/* --- the whole --- */

/* "post_password_change": unique, and stable while the route is. */
static void put_operation_id(struct json_writer *w, const struct route *route)
{
	char text[96];
	int n = snprintf(text, sizeof(text), "%s%s", http_method_name(route->method), route->path);

	assert(n > 0 && (size_t)n < sizeof(text));
	for (char *c = text; *c; c++) {
		*c = ascii_lower(*c);
		if (!(*c >= 'a' && *c <= 'z') && !(*c >= '0' && *c <= '9'))
			*c = '_';
	}
	openapi_text(w, "operationId", text);
}

static void put_operation(
	struct json_writer *w, const struct route *route, const struct openapi_options *options)
{
	char method[8];
	size_t n = 0;

	for (const char *c = http_method_name(route->method); *c && n < sizeof(method) - 1; c++)
		method[n++] = ascii_lower(*c);
	method[n] = '\0';
	json_begin_object(w, method);
	put_operation_id(w, route);
	openapi_text(w, "summary", route->help);
	json_begin_array(w, "tags");
	openapi_text(w, NULL, tag_of(route));
	json_end_array(w);
	put_security(w, route, options);
	put_parameters(w, route);
	if (route->body_bytes_max)
		put_body(w, route, options);
	openapi_answers(w, route);
	json_end_object(w);
}

static bool is_same_path(const struct route *a, const struct route *b)
{
	return a->is_under_base == b->is_under_base && strcmp(a->path, b->path) == 0;
}

static bool is_first_of_path(size_t index)
{
	for (size_t i = 0; i < index; i++)
		if (is_same_path(&routes[i], &routes[index]))
			return false;
	return true;
}

/* Members are by path first, so the rows of a path are gathered at its first one. */
static int put_paths(struct json_writer *w, const struct openapi_options *options)
{
	_cleanup_(buf_deinit) struct buf path =
		buf_init(512); /* the base and a path of the table */

	json_begin_object(w, "paths");
	for (size_t i = 0; i < routes_count; i++) {
		int r;

		if (!is_first_of_path(i))
			continue;
		buf_clear(&path);
		r = buf_printf(&path, STR_FORMAT "%s",
			STR_ARGS(routes[i].is_under_base ? options->base : STR("")),
			routes[i].path);
		if (r == 0)
			r = buf_append_char(&path, '\0');
		if (r < 0)
			return r;
		json_begin_object(w, path.data);
		for (size_t j = i; j < routes_count; j++)
			if (is_same_path(&routes[i], &routes[j]))
				put_operation(w, &routes[j], options);
		json_end_object(w);
	}
	json_end_object(w);
	return 0;
}

static void put_schemes(struct json_writer *w, const struct openapi_options *options)
{
	json_begin_object(w, "securitySchemes");
	json_put_raw(w, "bearer",
		STR("{\"type\":\"http\",\"scheme\":\"bearer\",\"bearerFormat\":\"JWT\"}"));
	json_put_raw(w, "basic", STR("{\"type\":\"http\",\"scheme\":\"basic\"}"));
	if (options->cookie.len) {
		json_begin_object(w, "cookie");
		openapi_text(w, "type", "apiKey");
		openapi_text(w, "in", "cookie");
		json_put_str(w, "name", options->cookie);
		json_end_object(w);
	}
	json_end_object(w);
}

static void put_components(struct json_writer *w, const struct openapi_options *options)
{
	json_begin_object(w, "components");
	json_put_raw(w, "schemas", str_of(schemas, sizeof(schemas)));
	openapi_responses(w);
	put_schemes(w, options);
	json_end_object(w);
}

static void put_info(struct json_writer *w)
{
	json_begin_object(w, "info");
	openapi_text(w, "title", "authd");
	openapi_text(w, "version", AUTHD_VERSION);
	openapi_text(w, "description",
		"Accounts, sessions and tokens. Bodies are JSON in UTF-8. Every answer has X-Request-Id; "
		"a request may bring its own. What is asked too often is answered 429 with Retry-After, "
		"and RateLimit fields tell before it comes to that. GET serves HEAD too.");
	json_put_raw(w, "license", STR("{\"name\":\"Apache-2.0\",\"identifier\":\"Apache-2.0\"}"));
	json_end_object(w);
	json_begin_array(w, "tags");
	for (size_t i = 0; i < ARRAY_SIZE(tags); i++) {
		if (!tags[i].help) /* said by another row */
			continue;
		json_begin_object(w, NULL);
		openapi_text(w, "name", tags[i].name);
		openapi_text(w, "description", tags[i].help);
		json_end_object(w);
	}
	json_end_array(w);
}

int openapi_write(const struct openapi_options *options, struct buf *document)
{
	struct json_writer w = json_writer_init(document);
	int r;

	json_begin_object(&w, NULL);
	openapi_text(&w, "openapi", "3.1.0");
	put_info(&w);
	r = put_paths(&w, options);
	if (r < 0)
		return r;
	put_components(&w, options);
	json_end_object(&w);
	return json_writer_finish(&w);
}
