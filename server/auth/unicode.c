/* Unicode by libunistring: see unicode.h. What passes through may be a password. */
#include "auth/unicode.h"

#include <errno.h>
#include <stdlib.h>

#include <unicase.h>
#include <uninorm.h>

#include "shared/err.h"
#include "shared/secret.h"

#define NFC_GROWTH 3 /* as UTF-8 (Unicode UAX #15 section 12) */

int unicode_normalize(struct arena *arena, struct str text, struct str *ret_normal)
{
	size_t length = NFC_GROWTH * text.len + 1; /* nothing needs a place too */
	uint8_t *normal, *place = arena_alloc(arena, length);

	if (!place)
		return -ENOMEM;
	normal = u8_normalize(UNINORM_NFC, (const uint8_t *)text.data, text.len, place, &length);
	if (normal != place) {
		free(normal); /* not ours: it had no memory, or wanted more than there ever is */
		return -ENOMEM;
	}
	*ret_normal = str_of((const char *)normal, length);
	return 0;
}

int unicode_fold(struct str text, struct buf *out)
{
	uint8_t *folded;
	size_t length;
	int r;

	if (!str_is_utf8(text))
		return -ERR_MALFORMED;
	folded =
		u8_casefold((const uint8_t *)text.data, text.len, NULL, UNINORM_NFC, NULL, &length);
	if (!folded)
		return -ENOMEM;
	r = buf_append(out, str_of((const char *)folded, length));
	secret_wipe(folded, length);
	free(folded);
	return r;
}
