/* The text of one request, made of a stream's template: see plan.h. */
#include "load/plan.h"

#include <errno.h>

struct values {
	uint64_t number;
	struct str line;
};

/* Appends text with {n} and {line} replaced; other braces stay, because JSON is full of them. */
static int expand(struct str text, const struct values *values, struct buf *out)
{
	while (text.len) {
		ptrdiff_t brace = str_index(text, '{');
		size_t plain = brace < 0 ? text.len : (size_t)brace;
		int r = buf_append(out, str_of(text.data, plain));

		text = str_skip(text, plain);
		if (r == 0 && str_starts(text, STR("{n}"))) {
			r = buf_printf(out, "%llu", (unsigned long long)values->number);
			text = str_skip(text, 3);
		} else if (r == 0 && str_starts(text, STR("{line}"))) {
			r = buf_append(out, values->line);
			text = str_skip(text, 6);
		} else if (r == 0 && text.len) {
			r = buf_append_char(out, '{');
			text = str_skip(text, 1);
		}
		if (r < 0)
			return r;
	}
	return 0;
}

struct str request_line(const struct stream_plan *stream, uint64_t number)
{
	return stream->line_count ? stream->lines[number % stream->line_count] : (struct str){};
}

int request_render(
	const struct stream_plan *stream, uint64_t number, struct str line, struct buf *out)
{
	_cleanup_(buf_deinit) struct buf body = buf_init(REQUEST_BYTES_MAX);
	struct values values = { .number = stream->numbers ? number % stream->numbers : number,
		.line = line };
	int r;

	r = expand(stream->head, &values, out);
	if (r == 0 && stream->has_body) {
		r = expand(stream->body, &values, &body);
		if (r == 0)
			r = buf_printf(out, "Content-Length: %zu\r\n", body.len);
	}
	if (r == 0)
		r = buf_append(out, STR("\r\n"));
	return r == 0 ? buf_append(out, buf_str(&body)) : r;
}
