/* The response reader: see answer.h. */
#include "load/answer.h"

#include <stdlib.h>

#include "shared/err.h"
#include "shared/macros.h"

void answer_init(struct answer *answer, bool is_to_head)
{
	*answer = (struct answer){ .is_to_head = is_to_head };
}

/* --- lines --- */

static int status_line(struct answer *answer, struct str line)
{
	uint64_t status;

	if (!str_starts(line, STR("HTTP/1.")) || line.len < 12 || line.data[8] != ' ' ||
		str_to_u64(str_of(line.data + 9, 3), &status) < 0 || status < 100)
		return -ERR_MALFORMED;
	answer->status = (unsigned)status;
	answer->is_closing = line.data[7] == '0';
	answer->state = ANSWER_FIELDS;
	return 0;
}

static int field(struct answer *answer, struct str line)
{
	ptrdiff_t colon = str_index(line, ':');
	struct str name, value;

	if (colon <= 0)
		return -ERR_MALFORMED;
	name = str_of(line.data, (size_t)colon);
	value = str_trim(str_skip(line, (size_t)colon + 1));
	if (str_equal_nocase(name, STR("content-length"))) {
		answer->has_length = true;
		return str_to_u64(value, &answer->left) < 0 ? -ERR_MALFORMED : 0;
	}
	if (str_equal_nocase(name, STR("transfer-encoding")))
		answer->is_chunked = str_equal_nocase(value, STR("chunked"));
	else if (str_equal_nocase(name, STR("connection")) && str_equal_nocase(value, STR("close")))
		answer->is_closing = true;
	return 0;
}

/* 1 when the response ends with its head. */
static int head_end(struct answer *answer)
{
	if (answer->status < 200) { /* interim: the final one follows */
		answer_init(answer, answer->is_to_head);
		return 0;
	}
	if (answer->is_to_head || answer->status == 204 || answer->status == 304)
		return 1;
	if (answer->is_chunked) {
		answer->state = ANSWER_CHUNK_SIZE;
		return 0;
	}
	if (answer->has_length) {
		answer->state = ANSWER_BODY;
		return answer->left == 0;
	}
	answer->state = ANSWER_TO_CLOSE;
	answer->is_closing = true;
	return 0;
}

static int chunk_size(struct answer *answer, struct str line)
{
	char text[17] = {}, *end;
	size_t digits = 0;

	while (digits < line.len && digits < sizeof(text) - 1 && line.data[digits] != ';') {
		text[digits] = line.data[digits];
		digits++;
	}
	answer->left = strtoull(text, &end, 16);
	if (!digits || *end)
		return -ERR_MALFORMED;
	answer->state = answer->left ? ANSWER_CHUNK : ANSWER_TRAILER;
	return 0;
}

/* A whole line without its end. As answer_feed(). */
static int line_end(struct answer *answer, struct str line)
{
	switch (answer->state) {
	case ANSWER_STATUS:
		return status_line(answer, line);
	case ANSWER_FIELDS:
		return line.len ? field(answer, line) : head_end(answer);
	case ANSWER_CHUNK_SIZE:
		return chunk_size(answer, line);
	case ANSWER_CHUNK_END:
		answer->state = ANSWER_CHUNK_SIZE;
		return line.len ? -ERR_MALFORMED : 0;
	default:
		return line.len == 0; /* the trailer ends with an empty line */
	}
}

static int line_feed(struct answer *answer, struct str bytes, size_t *ret_taken)
{
	ptrdiff_t newline = str_index(bytes, '\n');
	size_t taken = newline < 0 ? bytes.len : (size_t)newline;
	size_t kept = MIN(taken, ANSWER_LINE_BYTES - answer->line_len);
	struct str line;

	memcpy(answer->line + answer->line_len, bytes.data, kept);
	answer->line_len += (unsigned)kept;
	*ret_taken = taken + (newline >= 0);
	/* Long before it could wrap around: a piece is what one receive brings. */
	answer->head_bytes += (unsigned)*ret_taken;
	if (answer->head_bytes > ANSWER_HEAD_BYTES_MAX)
		return -ERR_MALFORMED;
	if (newline < 0)
		return 0;
	line = str_of(answer->line, answer->line_len);
	if (line.len && line.data[line.len - 1] == '\r')
		line.len--;
	answer->line_len = 0;
	return line_end(answer, line);
}

/* --- everything --- */

/* 1 when the last byte of the body was taken. */
static int body_feed(struct answer *answer, struct str bytes, size_t *ret_taken)
{
	*ret_taken = (size_t)MIN((uint64_t)bytes.len, answer->left);
	answer->left -= *ret_taken;
	if (answer->left)
		return 0;
	if (answer->state == ANSWER_BODY)
		return 1;
	answer->state = ANSWER_CHUNK_END;
	answer->head_bytes = 0; /* the maximum is for lines between data, not for all of them */
	return 0;
}

int answer_feed(struct answer *answer, struct str bytes, size_t *ret_used)
{
	size_t used = 0, taken;
	int r = 0;

	while (r == 0 && used < bytes.len) {
		struct str rest = str_skip(bytes, used);

		if (answer->state == ANSWER_TO_CLOSE)
			taken = rest.len;
		else if (answer->state == ANSWER_BODY || answer->state == ANSWER_CHUNK)
			r = body_feed(answer, rest, &taken);
		else
			r = line_feed(answer, rest, &taken);
		used += taken;
	}
	*ret_used = used;
	return r;
}

int answer_end(const struct answer *answer)
{
	return answer->state == ANSWER_TO_CLOSE;
}
