/* Writing JSON: commas, quotes and escapes; the first error sticks. See json.h. */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "shared/json.h"

struct json_writer json_writer_init(struct buf *out)
{
	return (struct json_writer){ .out = out };
}

static void put(struct json_writer *w, struct str text)
{
	if (w->error == 0)
		w->error = buf_append(w->out, text);
}

/* Length of the UTF-8 sequence at the front of s, 0 when it is none. */
static size_t sequence(struct str s)
{
	for (size_t n = 1; n <= 4 && n <= s.len; n++)
		if (str_is_utf8(str_of(s.data, n)))
			return n;
	return 0;
}

static void put_control(struct json_writer *w, unsigned char c)
{
	char text[8];
	int n = snprintf(text, sizeof(text), "\\u%04x", c);

	put(w, str_of(text, (size_t)n));
}

static void put_quoted(struct json_writer *w, struct str s)
{
	size_t from = 0;
	bool is_clean = str_is_utf8(s);

	put(w, STR("\""));
	for (size_t i = 0; i < s.len;) {
		unsigned char c = (unsigned char)s.data[i];
		size_t n = c < 0x80 || is_clean ? 1 : sequence(str_skip(s, i));

		if (n && c >= ' ' && c != '"' && c != '\\' && c != 0x7f) {
			i += n;
			continue;
		}
		put(w, str_of(s.data + from, i - from));
		if (!n)
			put(w, STR("\xef\xbf\xbd"));
		else if (c == '"' || c == '\\')
			put(w, c == '"' ? STR("\\\"") : STR("\\\\"));
		else
			put_control(w, c);
		from = ++i;
	}
	put(w, str_of(s.data + from, s.len - from));
	put(w, STR("\""));
}

/* What comes before any value: a comma, and the name inside objects. */
static void put_prefix(struct json_writer *w, const char *key)
{
	if (w->has_item[w->depth])
		put(w, STR(","));
	w->has_item[w->depth] = true;
	if (key) {
		put_quoted(w, str_cstr(key));
		put(w, STR(":"));
	}
}

static void begin(struct json_writer *w, const char *key, struct str bracket)
{
	put_prefix(w, key);
	put(w, bracket);
	assert(w->depth < JSON_WRITER_DEPTH_MAX);
	w->has_item[++w->depth] = false;
}

static void end(struct json_writer *w, struct str bracket)
{
	assert(w->depth > 0);
	w->depth--;
	put(w, bracket);
}

void json_begin_object(struct json_writer *w, const char *key)
{
	begin(w, key, STR("{"));
}

void json_end_object(struct json_writer *w)
{
	end(w, STR("}"));
}

void json_begin_array(struct json_writer *w, const char *key)
{
	begin(w, key, STR("["));
}

void json_end_array(struct json_writer *w)
{
	end(w, STR("]"));
}

void json_put_str(struct json_writer *w, const char *key, struct str value)
{
	put_prefix(w, key);
	put_quoted(w, value);
}

void json_put_i64(struct json_writer *w, const char *key, int64_t value)
{
	put_prefix(w, key);
	if (w->error == 0)
		w->error = buf_printf(w->out, "%" PRId64, value);
}

void json_put_u64(struct json_writer *w, const char *key, uint64_t value)
{
	put_prefix(w, key);
	if (w->error == 0)
		w->error = buf_printf(w->out, "%" PRIu64, value);
}

void json_put_double(struct json_writer *w, const char *key, double value)
{
	char text[40];

	if (!isfinite(value)) {
		json_put_null(w, key);
		return;
	}
	/* 17 digits always read back equal; most numbers need fewer. */
	for (int digits = 1; digits <= 17; digits++) {
		(void)snprintf(text, sizeof(text), "%.*g", digits, value);
		if (strtod(text, NULL) == value)
			break;
	}
	json_put_raw(w, key, str_cstr(text));
}

void json_put_bool(struct json_writer *w, const char *key, bool value)
{
	json_put_raw(w, key, value ? STR("true") : STR("false"));
}

void json_put_null(struct json_writer *w, const char *key)
{
	json_put_raw(w, key, STR("null"));
}

void json_put_raw(struct json_writer *w, const char *key, struct str json)
{
	put_prefix(w, key);
	put(w, json);
}

int json_writer_finish(struct json_writer *w)
{
	assert(w->depth == 0 || w->error < 0);
	return w->error;
}
