/* The password policy: see passwords.h. */
#include "auth/passwords.h"

#include <errno.h>
#include <stdlib.h>

#include <unicase.h>
#include <uninorm.h>

#include "auth/common.h"
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

int password_fold(struct str password, struct buf *out)
{
	uint8_t *folded;
	size_t length;
	int r;

	if (!str_is_utf8(password))
		return -ERR_MALFORMED;
	folded = u8_casefold(
		(const uint8_t *)password.data, password.len, NULL, UNINORM_NFC, NULL, &length);
	if (!folded)
		return -ENOMEM;
	r = buf_append(out, str_of((const char *)folded, length));
	secret_wipe(folded, length);
	free(folded);
	return r;
}

/* Both are what everybody who knows the address tries next. */
static bool is_own_address(struct str folded, struct str email_key)
{
	ptrdiff_t at = str_index(email_key, '@');

	return str_equal(folded, email_key) ||
	       (at > 0 && str_equal(folded, str_of(email_key.data, (size_t)at)));
}

int password_choose(struct arena *arena, struct str password, unsigned points_min,
	const char *email_key, struct str *ret_password, const char **ret_why)
{
	/* Folding makes UTF-8 at most three times as long too. */
	_cleanup_(buf_wipe) struct buf folded = buf_init(3 * PASSWORD_BCRYPT_BYTES_MAX);
	struct str normal;
	int r;

	r = password_normalize(arena, password, points_min, &normal, ret_why);
	if (r == 0)
		r = password_fold(normal, &folded);
	if (r < 0)
		return r;
	if (common_has(buf_str(&folded)))
		return refuse("is one of those that are guessed first", ret_why);
	if (is_own_address(buf_str(&folded), str_cstr(email_key)))
		return refuse("must not be your address", ret_why);
	*ret_password = normal;
	return 0;
}
