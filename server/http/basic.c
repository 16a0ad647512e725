/* Credentials of HTTP Basic: see basic.h. */
#include "http/basic.h"

#include <errno.h>

#include "shared/base64url.h"
#include "shared/err.h"

/* The alphabet of RFC 4648 section 4 with its padding, as the unpadded one of section 5: in place.
 */
static int to_url_alphabet(char *text, size_t *len)
{
	if (*len == 0 || *len % 4 != 0)
		return -ERR_MALFORMED;
	for (unsigned i = 0; i < 2 && text[*len - 1] == '='; i++)
		--*len;
	for (size_t i = 0; i < *len; i++) {
		if (text[i] == '-' || text[i] == '_')
			return -ERR_MALFORMED;
		if (text[i] == '+')
			text[i] = '-';
		else if (text[i] == '/')
			text[i] = '_';
	}
	return 0;
}

static bool is_text(struct str text)
{
	for (size_t i = 0; i < text.len; i++)
		if ((unsigned char)text.data[i] < ' ' || text.data[i] == 0x7f)
			return false;
	return str_is_utf8(text);
}

int request_basic(const struct request *request, struct str *ret_user, struct str *ret_password)
{
	struct str value = request_header(request, STR("Authorization")), both;
	const struct str scheme = STR("Basic ");
	ptrdiff_t colon;
	char *text;
	size_t len;
	int r;

	if (value.len < scheme.len || !str_equal_nocase(str_of(value.data, scheme.len), scheme))
		return -ENOENT;
	value = str_trim(str_skip(value, scheme.len));
	/* Decoded where it stands: what is written is behind what is read. */
	text = (char *)arena_str(request->arena, value).data;
	if (!text)
		return -ENOMEM;
	len = value.len;
	r = to_url_alphabet(text, &len);
	if (r == 0)
		r = base64url_decode(str_of(text, len), text, len, &len);
	if (r < 0)
		return -ERR_MALFORMED;
	both = str_of(text, len);
	colon = str_index(both, ':');
	if (colon < 0 || !is_text(both))
		return -ERR_MALFORMED;
	*ret_user = str_of(text, (size_t)colon);
	*ret_password = str_of(text + colon + 1, len - (size_t)colon - 1);
	return 0;
}
