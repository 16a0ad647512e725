/* Cursors of lists: see cursors.h. */
#include "api/cursors.h"

#include <string.h>

#include "shared/err.h"

#define VERSION '1' /* of what is inside: cursors of an older authd are refused, not misread */

struct str cursor_write(const char *id, char text[static CURSOR_BYTES])
{
	char bytes[1 + STORE_ID_BYTES_MAX] = { VERSION };
	size_t len = strlen(id);

	memcpy(bytes + 1, id, len);
	return str_of(text, base64url_encode(bytes, 1 + len, text));
}

int cursor_read(struct str text, char ret_id[static STORE_ID_BYTES_MAX + 1])
{
	char bytes[1 + STORE_ID_BYTES_MAX];
	struct str id;
	size_t len;

	if (base64url_decode(text, bytes, sizeof(bytes), &len) < 0 || len < 2 ||
		bytes[0] != VERSION)
		return -ERR_MALFORMED;
	id = str_of(bytes + 1, len - 1);
	if (str_index(id, '\0') >= 0 || !str_is_utf8(id))
		return -ERR_MALFORMED;
	memcpy(ret_id, id.data, id.len);
	ret_id[id.len] = '\0';
	return 0;
}
