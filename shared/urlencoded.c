/* Fields of URLs and forms: see urlencoded.h. */
#include "shared/urlencoded.h"

#include <errno.h>

#include "shared/err.h"
#include "shared/macros.h"

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = ascii_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Takes one byte, escaped or not, off the front: 0..255, or -1. */
static int byte_take(struct str *text)
{
	char c = text->data[0];
	int high, low;

	if (c != '%') {
		*text = str_of(text->data + 1, text->len - 1);
		return c == '+' ? ' ' : (unsigned char)c;
	}
	if (text->len < 3)
		return -1;
	high = hex_value(text->data[1]);
	low = hex_value(text->data[2]);
	*text = str_of(text->data + 3, text->len - 3);
	return high < 0 || low < 0 ? -1 : high * 16 + low;
}

int urlencoded_decode(struct arena *arena, struct str text, struct str *ret_decoded)
{
	/* One more, so that "" is not NULL. */
	char *decoded = arena_alloc(arena, text.len + 1);
	size_t len = 0;

	if (!decoded)
		return -ENOMEM;
	while (text.len) {
		int byte = byte_take(&text);

		if (byte < ' ' || byte == 0x7f)
			return -ERR_MALFORMED;
		decoded[len++] = (char)byte;
	}
	if (!str_is_utf8(str_of(decoded, len)))
		return -ERR_MALFORMED;
	*ret_decoded = str_of(decoded, len);
	return 0;
}

static int field_parse(struct arena *arena, struct str text, struct urlencoded_field *ret_field)
{
	ptrdiff_t equals = str_index(text, '=');
	size_t name_len = equals < 0 ? text.len : (size_t)equals;
	int r = urlencoded_decode(arena, str_of(text.data, name_len), &ret_field->name);

	if (r == 0 && !ret_field->name.len)
		r = -ERR_MALFORMED;
	if (r < 0)
		return r;
	return urlencoded_decode(arena, str_skip(text, name_len + 1), &ret_field->value);
}

int urlencoded_parse(struct arena *arena, struct str text, struct urlencoded *ret_fields)
{
	struct urlencoded fields = {};

	/* By hand: str_split() has nothing behind a last separator, where we have an empty field.
	 */
	while (text.len || fields.count) {
		ptrdiff_t end = str_index(text, '&');
		struct urlencoded_field field;
		int r;

		if (fields.count == URLENCODED_FIELDS_MAX)
			return -ERR_MALFORMED;
		r = field_parse(arena, end < 0 ? text : str_of(text.data, (size_t)end), &field);
		if (r < 0)
			return r;
		if (urlencoded_value(&fields, field.name).data)
			return -ERR_MALFORMED;
		fields.fields[fields.count++] = field;
		if (end < 0)
			break;
		text = str_skip(text, (size_t)end + 1);
	}
	*ret_fields = fields;
	return 0;
}

struct str urlencoded_value(const struct urlencoded *fields, struct str name)
{
	for (unsigned i = 0; i < fields->count; i++)
		if (str_equal(fields->fields[i].name, name))
			return fields->fields[i].value;
	return (struct str){};
}
