/* The way to https: see redirect.h. */
#include "http/redirect.h"

#include "shared/buf.h"
#include "shared/macros.h"

#define HOST_BYTES_MAX 255
#define LOCATION_BYTES_MAX (HTTP_TARGET_BYTES_MAX + HOST_BYTES_MAX + 32)

/* "a.example:80" without its port, "[::1]:80" with its brackets. "" for what is no host. */
static struct str host_of(struct str field)
{
	bool is_v6 = field.len && field.data[0] == '[';
	size_t len = 0;

	while (len < field.len && (is_v6 || field.data[len] != ':')) {
		char c = ascii_lower(field.data[len]);
		bool is_decent = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || c == '.' ||
				 (is_v6 ? c == ':' || (c == '[' && !len) || c == ']' : c == '-');

		if (!is_decent || len == HOST_BYTES_MAX)
			return STR("");
		len++;
		if (c == ']')
			break;
	}
	return str_of(field.data, len);
}

/* What may stand in a header field: the parser lets bytes of other alphabets pass. */
static bool is_printable(struct str text)
{
	for (size_t i = 0; i < text.len; i++)
		if (text.data[i] <= ' ' || text.data[i] > '~')
			return false;
	return true;
}

static int location_print(const struct request *request, unsigned port, struct buf *location)
{
	struct str host = host_of(request_header(request, STR("Host")));
	int r;

	if (!host.len || !request->path.len || request->path.data[0] != '/' ||
		!is_printable(request->path) || !is_printable(request->query))
		return -1;
	r = buf_printf(location, "https://" STR_FORMAT, STR_ARGS(host));
	if (r == 0 && port != 443)
		r = buf_printf(location, ":%u", port);
	if (r == 0)
		r = buf_append(location, request->path);
	if (r == 0 && request->query.len)
		r = buf_append_char(location, '?');
	if (r == 0 && request->query.len)
		r = buf_append(location, request->query);
	return r;
}

void redirect_respond(const struct request *request, struct response *response, unsigned port)
{
	_cleanup_(buf_deinit) struct buf location = buf_init(LOCATION_BYTES_MAX);

	if (location_print(request, port, &location) < 0 ||
		response_header(response, "Location", buf_str(&location)) < 0 ||
		response_empty(response, 308) < 0)
		response_problem(response, PROBLEM_MALFORMED_REQUEST);
}
