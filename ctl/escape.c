/* See escape.h. */
#include "ctl/escape.h"

#include <stdbool.h>

static unsigned char byte_at(struct str text, size_t i)
{
	return i < text.len ? (unsigned char)text.data[i] : 0;
}

/* How many bytes at i must not reach a terminal; 0: the byte is harmless. */
static unsigned dangerous(struct str text, size_t i, unsigned flags)
{
	unsigned char first = byte_at(text, i), second = byte_at(text, i + 1),
		      third = byte_at(text, i + 2);

	if ((flags & ESCAPE_KEEP_LINES) && (first == '\n' || first == '\t'))
		return 0;
	if (first < ' ' || first == 0x7f)
		return 1;
	if (first == 0xc2 && second >= 0x80 && second < 0xa0)
		return 2; /* C1 */
	if (first == 0xd8 && second == 0x9c)
		return 2; /* U+061C */
	if (first == 0xc2 && second == 0xad)
		return 2; /* U+00AD, seen only where a line breaks */
	if (first == 0xef && second == 0xbb && third == 0xbf)
		return 3; /* U+FEFF */
	if (first == 0xf3 && second == 0xa0 && (third == 0x80 || third == 0x81))
		return 4; /* U+E0000..7F: text that is never seen */
	if (first != 0xe2)
		return 0;
	/* U+200B..F, U+2028..E, U+2060..9 */
	if (second == 0x80 &&
		((third >= 0x8b && third <= 0x8f) || (third >= 0xa8 && third <= 0xae)))
		return 3;
	return second == 0x81 && third >= 0xa0 && third <= 0xa9 ? 3 : 0;
}

void escape_print(FILE *out, struct str text, unsigned flags)
{
	for (size_t i = 0; i < text.len; i++) {
		unsigned bytes = dangerous(text, i, flags);

		if (!bytes)
			(void)fputc(text.data[i], out);
		for (unsigned j = 0; j < bytes; j++)
			(void)fprintf(out, "\\x%02x", byte_at(text, i + j));
		i += bytes ? bytes - 1 : 0;
	}
}
