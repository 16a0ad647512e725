/* What handlers ask of a request: see request.h. */
#include "http/request.h"

#include <assert.h>
#include <errno.h>

#include "shared/err.h"
#include "shared/macros.h"

const char *http_method_name(enum http_method method)
{
	static const char *const names[] = { "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE",
		"OPTIONS", "OTHER" };

	assert(method < ARRAY_SIZE(names));
	return names[method];
}

struct str request_header(const struct request *request, struct str name)
{
	for (unsigned i = 0; i < request->header_count; i++) {
		const struct http_header *header = &request->headers[i];

		/* Lengths alone tell most names apart. */
		if (header->name.len == name.len && str_equal_nocase(header->name, name))
			return header->value;
	}
	return (struct str){};
}

struct str request_bearer(const struct request *request)
{
	struct str value = request_header(request, STR("Authorization"));
	const struct str scheme = STR("Bearer ");

	if (value.len <= scheme.len || !str_equal_nocase(str_of(value.data, scheme.len), scheme))
		return (struct str){};
	return str_trim(str_skip(value, scheme.len));
}

/* Adds the cookies of one field to what was found: false when there is a second one. */
static bool cookie_search(struct str value, struct str name, struct str *found)
{
	struct str pair;

	while (str_split(&value, ';', &pair)) {
		ptrdiff_t equals;

		pair = str_trim(pair);
		equals = str_index(pair, '=');
		if (equals < 0 || !str_equal(str_of(pair.data, (size_t)equals), name))
			continue;
		if (found->data)
			return false;
		*found = str_of(pair.data + equals + 1, pair.len - (size_t)equals - 1);
	}
	return true;
}

struct str request_cookie(const struct request *request, struct str name)
{
	struct str found = {};

	for (unsigned i = 0; i < request->header_count; i++)
		if (str_equal_nocase(request->headers[i].name, STR("Cookie")) &&
			!cookie_search(request->headers[i].value, name, &found))
			return (struct str){};
	return found;
}

bool request_has_type(const struct request *request, struct str media_type)
{
	struct str rest = request_header(request, STR("Content-Type")), type;

	return str_split(&rest, ';', &type) && str_equal_nocase(str_trim(type), media_type);
}

enum problem request_json(const struct request *request, const struct json **ret_object)
{
	const struct json *root;
	int r;

	if (!request_has_type(request, STR("application/json")))
		return PROBLEM_UNSUPPORTED_MEDIA_TYPE;
	r = json_parse(request->arena, request->body, &json_limits_body, &root);
	if (r == -ERR_MALFORMED || (r == 0 && !json_is_object(root)))
		return PROBLEM_MALFORMED_JSON;
	if (r < 0)
		return PROBLEM_BODY_TOO_LARGE;
	*ret_object = root;
	return PROBLEM_NONE;
}
