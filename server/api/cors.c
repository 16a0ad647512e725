/* Cross-origin requests: see cors.h. */
#include "api/cors.h"

#include <string.h>

#include "shared/macros.h"

/* What a page may send beside what it always may, and read beside what it always may. */
#define REQUEST_FIELDS "Authorization, Content-Type, X-Request-Id"
#define RESPONSE_FIELDS                                                                            \
	"ETag, RateLimit, RateLimit-Policy, Retry-After, WWW-Authenticate, X-Auth-Roles, "         \
	"X-Auth-Session, X-Auth-User, X-Request-Id"
/* For how long a browser remembers a preflight: longer would keep a changed list from it. */
#define PREFLIGHT_MAX_AGE_S "600"

static struct {
	const struct config_list *origins;
	bool has_credentials;
} cors;

void cors_init(const struct config_list *origins, bool has_credentials)
{
	cors.origins = origins;
	cors.has_credentials = has_credentials;
}

/* --- origins --- */

static bool has_only(struct str text, const char *allowed)
{
	for (size_t i = 0; i < text.len; i++)
		if (!strchr(allowed, text.data[i]) || !text.data[i])
			return false;
	return text.len > 0;
}

/* [::1]:8080 and app.example:8080 */
static bool is_authority(struct str text, struct str default_port)
{
	const char *host_bytes = "abcdefghijklmnopqrstuvwxyz0123456789-.";
	struct str host = text, port = {};
	ptrdiff_t end =
		text.len && text.data[0] == '[' ? str_index(text, ']') + 1 : str_index(text, ':');

	if (end == 0)
		return false; /* nothing before the port, or a bracket that does not close */
	if (end > 0 && (size_t)end < text.len) {
		host = str_of(text.data, (size_t)end);
		if (text.data[end] != ':')
			return false;
		port = str_skip(text, (size_t)end + 1);
		if (!has_only(port, "0123456789") || port.len > 5 || port.data[0] == '0' ||
			str_equal(port, default_port))
			return false;
	}
	if (host.len && host.data[0] == '[')
		return has_only(host, "[]:.0123456789abcdef");
	return has_only(host, host_bytes);
}

bool cors_is_origin(struct str text)
{
	const struct str plain = STR("http://"), secure = STR("https://");

	if (str_starts(text, plain))
		return is_authority(str_skip(text, plain.len), STR("80"));
	if (str_starts(text, secure))
		return is_authority(str_skip(text, secure.len), STR("443"));
	return false;
}

static bool is_on(void)
{
	return cors.origins && cors.origins->count;
}

/* The listed origin that the request comes from; .data is NULL when it comes from none. */
static struct str origin_of(const struct request *request)
{
	struct str origin = request_header(request, STR("Origin"));

	for (unsigned i = 0; origin.data && i < cors.origins->count; i++)
		if (str_equal(origin, str_cstr(cors.origins->items[i])))
			return origin;
	return (struct str){};
}

/* --- answers --- */

bool cors_is_preflight(const struct request *request)
{
	return is_on() && request->method == METHOD_OPTIONS &&
	       request_header(request, STR("Access-Control-Request-Method")).data &&
	       origin_of(request).data;
}

/* Without memory a field is left out, and the browser refuses: never the other way round. */
void cors_allow(struct response *response, struct str methods)
{
	(void)response_header(response, "Access-Control-Allow-Methods", methods);
	(void)response_header(response, "Access-Control-Allow-Headers", STR(REQUEST_FIELDS));
	(void)response_header(response, "Access-Control-Max-Age", STR(PREFLIGHT_MAX_AGE_S));
}

void cors_finish(const struct request *request, struct response *response)
{
	struct str origin;

	if (!is_on())
		return;
	/* Also when there is no Origin: a cache must not give this answer to one that has it. */
	(void)response_header(response, "Vary", STR("Origin"));
	origin = origin_of(request);
	if (!origin.data)
		return;
	(void)response_header(response, "Access-Control-Allow-Origin", origin);
	if (cors.has_credentials)
		(void)response_header(response, "Access-Control-Allow-Credentials", STR("true"));
	if (request->method != METHOD_OPTIONS)
		(void)response_header(
			response, "Access-Control-Expose-Headers", STR(RESPONSE_FIELDS));
}
