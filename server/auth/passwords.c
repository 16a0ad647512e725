/* The password policy: see passwords.h. */
#include "auth/passwords.h"

#include <errno.h>

#include <uninorm.h>

#include "shared/err.h"
#include "shared/macros.h"
#include "shared/secret.h"

static int refuse(const char *why, const char **ret_why)
{
	*ret_why = why;
	return -ERR_MALFORMED;
}

int password_normalize(struct arena *arena, struct str password, unsigned points_min,
	struct str *ret_password, const char **ret_why)
{
	size_t points, length, room = 4 * PASSWORD_POINTS_MAX * 3;
	uint8_t *text;

	if (!str_is_utf8(password) || str_index(password, '\0') >= 0)
		return refuse("must be UTF-8 text without NUL", ret_why);
	if (str_utf8_count(password) > PASSWORD_POINTS_MAX)
		return refuse("is too long: at most 256 characters", ret_why);
	/* NFC makes UTF-8 at most three times as long (Unicode UAX #15 section 12). */
	text = arena_alloc(arena, room);
	if (!text)
		return -ENOMEM;
	length = room;
	if (!u8_normalize(UNINORM_NFC, (const uint8_t *)password.data, password.len, text, &length))
		return -ENOMEM;
	points = str_utf8_count(str_of((const char *)text, length));
	if (points < points_min)
		return refuse("is too short", ret_why);
	if (length > PASSWORD_BCRYPT_BYTES_MAX)
		return refuse("is too long: at most 72 bytes of UTF-8", ret_why);
	*ret_password = str_of((const char *)text, length);
	return 0;
}
