/* Filling a response: see response.h. How it goes onto the wire is wire.c. */
#include "http/response.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "shared/macros.h"
#include "shared/secret.h"

void response_init(struct response *response, const struct request *request)
{
	if (!response->body.max)
		response->body = buf_init(RESPONSE_BODY_BYTES_MAX);
	response->status = 0;
	response->problem = PROBLEM_NONE;
	response->header_count = 0;
	response->content_type = STR("application/json");
	response->request = request;
	response->is_public = false;
	response->closes = false;
}

void response_reset(struct response *response)
{
	secret_wipe(response->body.data, response->body.len);
	buf_clear(&response->body);
	response_init(response, response->request);
}

void response_deinit(struct response *response)
{
	buf_wipe(&response->body);
}

/* No CR, LF or NUL, nor any other control character. Eight bytes at a time: the top bit of one is
 * set when it was below ' ' (Anderson, "Bit Twiddling Hacks": hasless). */
static bool is_field_value(struct str value)
{
	const uint64_t ones = UINT64_C(0x0101010101010101);
	bool is_bad = false;
	uint64_t word;

	for (; value.len >= sizeof(word); value = str_skip(value, sizeof(word))) {
		memcpy(&word, value.data, sizeof(word));
		is_bad |= ((word - ones * ' ') & ~word & ones * 0x80) != 0;
	}
	for (size_t i = 0; i < value.len; i++)
		is_bad |= (unsigned char)value.data[i] < ' ';
	return !is_bad;
}

void response_header_lent(struct response *response, struct str name, struct str value)
{
	assert(response->header_count < RESPONSE_HEADERS_MAX);
	assert(is_field_value(value));
	response->headers[response->header_count++] = (struct http_header){ name, value };
}

int response_header(struct response *response, const char *name, struct str value)
{
	struct str copy = arena_str(response->request->arena, value);

	if (!copy.data)
		return -ENOMEM;
	response_header_lent(response, str_cstr(name), copy);
	return 0;
}

int response_header_u64(struct response *response, const char *name, uint64_t value)
{
	char text[24];
	int n = snprintf(text, sizeof(text), "%llu", (unsigned long long)value);

	return response_header(response, name, str_of(text, (size_t)n));
}

int response_empty(struct response *response, unsigned status)
{
	response->status = status;
	buf_clear(&response->body);
	return 0;
}

struct json_writer *response_begin_plain(struct response *response, unsigned status)
{
	response->status = status;
	buf_clear(&response->body);
	response->writer = json_writer_init(&response->body);
	json_begin_object(&response->writer, NULL);
	return &response->writer;
}

struct json_writer *response_begin(struct response *response, unsigned status)
{
	struct json_writer *w = response_begin_plain(response, status);

	json_put_bool(w, "success", true);
	json_begin_object(w, "data");
	return w;
}

int response_end(struct response *response)
{
	while (response->writer.depth > 0)
		json_end_object(&response->writer);
	return json_writer_finish(&response->writer);
}

int response_body(struct response *response, unsigned status, struct str type, struct str body)
{
	response->status = status;
	response->content_type = type;
	buf_clear(&response->body);
	return buf_append(&response->body, body);
}

static int problem_write(struct response *response, const struct problem_row *row,
	const char *field, const char *why)
{
	struct json_writer *w = response_begin_plain(response, row->status);

	json_put_bool(w, "success", false);
	json_put_str(w, "error", str_cstr(row->code));
	json_put_str(w, "message", str_cstr(row->message));
	if (field) {
		json_begin_object(w, "fields");
		json_put_str(w, field, str_cstr(why));
		json_end_object(w);
	}
	json_put_str(w, "request_id", response->request->id);
	return response_end(response);
}

static int problem_say(
	struct response *response, enum problem problem, const char *field, const char *why)
{
	const struct problem_row *row = problem_row(problem);

	assert(row->status >= 400);
	response->content_type = STR("application/json");
	response->header_count = 0;
	response->is_public = false;
	response->problem = problem;
	secret_wipe(response->body.data, response->body.len);
	/* Only memory can fail here: then the status alone is the answer. */
	if (problem_write(response, row, field, why) < 0)
		buf_clear(&response->body);
	response_header_lent(response, STR("Cache-Control"), STR("no-store"));
	if (row->status == 401)
		response_header_lent(response, STR("WWW-Authenticate"),
			problem == PROBLEM_INVALID_CREDENTIALS
				? STR("Bearer")
				: STR("Bearer error=\"invalid_token\""));
	return 0;
}

int response_problem(struct response *response, enum problem problem)
{
	if (problem_row(problem)->status == 503)
		return response_unavailable(response, problem, 1);
	return problem_say(response, problem, NULL, NULL);
}

int response_unavailable(struct response *response, enum problem problem, unsigned retry_s)
{
	assert(problem_row(problem)->status == 503);
	(void)problem_say(response, problem, NULL, NULL);
	/* Without memory it is left out: the status says enough. */
	(void)response_header_u64(response, "Retry-After", retry_s);
	return 0;
}

int response_invalid(struct response *response, const char *field, const char *why)
{
	return problem_say(response, PROBLEM_VALIDATION_FAILED, field, why);
}
