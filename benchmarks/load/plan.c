/* Reads a plan: see plan.h. How a request looks is in request.c. */
#include "load/plan.h"

#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "shared/clock.h"
#include "shared/err.h"
#include "shared/json.h"

#define FILE_BYTES_MAX (512u << 20) /* a million lines with tokens */
#define ARENA_CHUNK (1u << 16)
#define ARENA_BYTES_MAX (2u * FILE_BYTES_MAX)
#define SECONDS_MAX 86400.0
#define RATE_MAX 1e6
#define CONNECTIONS_MAX 65536u

static int wrong(const char *format, ...) _printf_(1, 2);

static int wrong(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)fputs("load: ", stderr);
	(void)vfprintf(stderr, format, args);
	(void)fputc('\n', stderr);
	va_end(args);
	return -EINVAL;
}

/* --- members of an object, each with its default and bounds --- */

static int number_get(
	const struct json *object, const char *key, double otherwise, double max, double *ret_value)
{
	double value = otherwise;
	int r = json_get_double(json_member(object, key), &value);

	if (r == -EINVAL || !(value >= 0 && value <= max))
		return wrong("\"%s\" is a number from 0 to %.0f", key, max);
	*ret_value = value;
	return 0;
}

static int count_get(const struct json *object, const char *key, unsigned otherwise, unsigned max,
	unsigned *ret_value)
{
	double value = 0;
	int r = number_get(object, key, otherwise, max, &value);

	if (r < 0)
		return r;
	if (value != floor(value))
		return wrong("\"%s\" is a whole number", key);
	*ret_value = (unsigned)value;
	return 0;
}

static int seconds_get(
	const struct json *object, const char *key, double otherwise, uint64_t *ret_ns)
{
	double seconds = 0;
	int r = number_get(object, key, otherwise, SECONDS_MAX, &seconds);

	if (r == 0)
		*ret_ns = (uint64_t)(seconds * (double)NS_PER_S);
	return r;
}

static int text_get(const struct json *object, const char *key, struct str *value)
{
	if (json_get_str(json_member(object, key), value) == -EINVAL)
		return wrong("\"%s\" is a text", key);
	return 0;
}

static int flag_get(const struct json *object, const char *key, bool *value)
{
	if (json_get_bool(json_member(object, key), value) == -EINVAL)
		return wrong("\"%s\" is true or false", key);
	return 0;
}

/* The index of a word in a list that ends with NULL; the first one is the default. */
static int word_get(
	const struct json *object, const char *key, const char *const words[], int *ret_index)
{
	struct str text = str_cstr(words[0]);
	int r = text_get(object, key, &text);

	if (r < 0)
		return r;
	for (int i = 0; words[i]; i++)
		if (str_equal(text, str_cstr(words[i]))) {
			*ret_index = i;
			return 0;
		}
	return wrong("\"%s\": \"" STR_FORMAT "\" is not known", key, STR_ARGS(text));
}

/* --- files --- */

static int file_read(struct arena *arena, const char *path, struct str *ret_text)
{
	FILE *file = fopen(path, "re");
	long size = -1;
	char *data = NULL;

	if (!file)
		return wrong("%s: %s", path, strerror(errno));
	if (fseek(file, 0, SEEK_END) == 0)
		size = ftell(file);
	rewind(file);
	if (size >= 0 && size <= (long)FILE_BYTES_MAX)
		data = arena_alloc(arena, (size_t)size + 1);
	if (!data || fread(data, 1, (size_t)size, file) != (size_t)size) {
		(void)fclose(file);
		return wrong("%s: cannot be read as a whole", path);
	}
	(void)fclose(file);
	*ret_text = str_of(data, (size_t)size);
	return 0;
}

static int lines_read(struct arena *arena, const char *path, struct stream_plan *stream)
{
	struct str text, rest, line, *lines;
	size_t count = 0;
	int r = file_read(arena, path, &text);

	if (r < 0)
		return r;
	for (rest = text; str_split(&rest, '\n', &line);)
		count += line.len > 0;
	if (count == 0 || count > LINES_MAX)
		return wrong("%s: has %zu lines, not 1 to %d", path, count, LINES_MAX);
	lines = arena_alloc(arena, count * sizeof(*lines));
	if (!lines)
		return -ENOMEM;
	stream->lines = lines;
	for (rest = text; str_split(&rest, '\n', &line);)
		if (line.len)
			lines[stream->line_count++] = line;
	return 0;
}

/* --- a stream --- */

static int head_make(struct arena *arena, const struct json *object, const char *target,
	struct stream_plan *stream)
{
	struct str method = STR("GET"), path = STR("/"), field;
	const struct json *item;
	struct str head;
	int r = text_get(object, "method", &method);

	if (r == 0)
		r = text_get(object, "path", &path);
	if (r < 0)
		return r;
	stream->is_head = str_equal(method, STR("HEAD"));
	head = arena_printf(arena, STR_FORMAT " " STR_FORMAT " HTTP/1.1\r\nHost: %s\r\n%s",
		STR_ARGS(method), STR_ARGS(path), target,
		stream->is_reusing ? "" : "Connection: close\r\n");
	item = json_first(json_member(object, "headers"));
	for (; item && head.data; item = json_next(item)) {
		if (json_get_str(item, &field) < 0 || str_index(field, '\n') >= 0)
			return wrong("\"headers\" are texts of one line");
		head = arena_printf(
			arena, STR_FORMAT STR_FORMAT "\r\n", STR_ARGS(head), STR_ARGS(field));
	}
	stream->head = head;
	return head.data ? 0 : -ENOMEM;
}

static int renewal_read(struct arena *arena, struct str key, struct stream_plan *stream)
{
	if (!key.len)
		return 0;
	stream->renewal = arena_printf(arena, "\"" STR_FORMAT "\":\"", STR_ARGS(key));
	stream->is_exclusive = true;
	return stream->renewal.data ? 0 : -ENOMEM;
}

static int request_read(struct arena *arena, const struct json *object, const char *target,
	struct stream_plan *stream)
{
	struct str lines = {}, renew = {};
	double numbers = 0;
	int r = head_make(arena, object, target, stream);

	if (r == 0)
		r = text_get(object, "body", &stream->body);
	if (r == 0)
		r = number_get(object, "numbers", 0, 1e15, &numbers);
	if (r == 0)
		r = text_get(object, "lines", &lines);
	if (r == 0)
		r = text_get(object, "renew", &renew);
	if (r == 0)
		r = renewal_read(arena, renew, stream);
	if (r < 0)
		return r;
	stream->has_body = stream->body.data;
	stream->numbers = (uint64_t)numbers;
	stream->lines_path = lines;
	return lines.len ? lines_read(arena, lines.data, stream) : 0;
}

static int stream_read(struct arena *arena, const struct json *object, const char *target,
	struct stream_plan *stream)
{
	static const char *const kinds[] = { "open", "closed", "slow", NULL };
	static const char *const arrivals[] = { "poisson", "constant", NULL };
	struct str name = STR("requests");
	int kind, arrival, r = text_get(object, "name", &name);

	stream->name = name.data;
	stream->is_reusing = true;
	if (r < 0 || (r = flag_get(object, "reuse", &stream->is_reusing)) < 0 ||
		(r = flag_get(object, "exclusive", &stream->is_exclusive)) < 0 ||
		(r = word_get(object, "kind", kinds, &kind)) < 0 ||
		(r = word_get(object, "arrivals", arrivals, &arrival)) < 0 ||
		(r = seconds_get(object, "timeout", 30, &stream->timeout_ns)) < 0 ||
		(r = seconds_get(object, "interval", 1, &stream->interval_ns)) < 0 ||
		(r = number_get(object, "rate", 0, RATE_MAX, &stream->rate)) < 0 ||
		(r = count_get(object, "connections", 1, CONNECTIONS_MAX, &stream->connections)) <
			0 ||
		(r = count_get(object, "outstanding_max", 1000, CONNECTIONS_MAX,
			 &stream->outstanding_max)) < 0 ||
		(r = count_get(object, "bytes", 1, REQUEST_BYTES_MAX, &stream->bytes)) < 0)
		return r;
	stream->kind = (enum stream_kind)kind;
	stream->is_poisson = arrival == 0;
	if (stream->kind == STREAM_OPEN && !(stream->rate > 0))
		return wrong("\"%s\" needs a \"rate\"", stream->name);
	if (!stream->connections || !stream->outstanding_max || !stream->timeout_ns ||
		!stream->interval_ns)
		return wrong("\"%s\": a number must not be 0", stream->name);
	return request_read(arena, object, target, stream);
}

/* --- the whole --- */

/* "127.0.0.1:80" or "[::1]:80", nothing else: this program must not reach another machine. */
static int target_parse(struct str text, struct plan *plan)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)&plan->address;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&plan->address;
	ptrdiff_t colon = -1;
	char host[INET6_ADDRSTRLEN];
	uint64_t port;

	for (size_t i = 0; i < text.len; i++)
		if (text.data[i] == ':')
			colon = (ptrdiff_t)i;
	if (colon < 0 || (size_t)colon >= sizeof(host) ||
		str_to_u64(str_skip(text, (size_t)colon + 1), &port) < 0 || !port || port > 65535)
		return wrong("\"target\" is an address and a port");
	memcpy(host, text.data, (size_t)colon);
	host[colon] = '\0';
	if (inet_pton(AF_INET, host, &v4->sin_addr) == 1 &&
		ntohl(v4->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons((uint16_t)port);
		plan->address_bytes = sizeof(*v4);
		return 0;
	}
	if (!strcmp(host, "[::1]")) {
		v6->sin6_family = AF_INET6;
		v6->sin6_addr = in6addr_loopback;
		v6->sin6_port = htons((uint16_t)port);
		plan->address_bytes = sizeof(*v6);
		return 0;
	}
	return wrong("\"target\": only loopback addresses are ever sent to, not %s", host);
}

static int plan_read(const struct json *root, struct plan *plan)
{
	const struct json *item = json_first(json_member(root, "streams"));
	struct str target = {};
	unsigned seed = 0;
	int r = text_get(root, "target", &target);

	if (r < 0 || (r = target_parse(target, plan)) < 0 ||
		(r = seconds_get(root, "seconds", 10, &plan->seconds_ns)) < 0 ||
		(r = seconds_get(root, "warmup", 0, &plan->warmup_ns)) < 0 ||
		(r = count_get(root, "seed", 1, UINT32_MAX, &seed)) < 0)
		return r;
	plan->seed = seed;
	for (; item; item = json_next(item)) {
		if (plan->stream_count == STREAMS_MAX)
			return wrong("more than %d streams", STREAMS_MAX);
		r = stream_read(
			&plan->arena, item, target.data, &plan->streams[plan->stream_count++]);
		if (r < 0)
			return r;
	}
	return plan->stream_count && plan->seconds_ns ? 0 : wrong("nothing to do");
}

int plan_load(const char *path, struct plan *plan)
{
	const struct json *root;
	struct str text;
	int r;

	*plan = (struct plan){};
	arena_init(&plan->arena, ARENA_CHUNK, ARENA_BYTES_MAX);
	r = file_read(&plan->arena, path, &text);
	if (r < 0)
		return r;
	r = json_parse(&plan->arena, text, &json_limits_body, &root);
	if (r < 0)
		return wrong("%s: %s", path, err_text(r));
	return plan_read(root, plan);
}

void plan_deinit(struct plan *plan)
{
	arena_deinit(&plan->arena);
}
