/* The password policy: see passwords.h. */
#include "auth/passwords.h"

#include <errno.h>

#include "auth/common.h"
#include "auth/unicode.h"
#include "shared/err.h"
#include "shared/macros.h"

static int refuse(const char *why, const char **ret_why)
{
	*ret_why = why;
	return -ERR_MALFORMED;
}

int password_normalize(struct arena *arena, struct str password, unsigned points_min,
	struct str *ret_password, const char **ret_why)
{
	struct str normal;
	int r;

	if (!str_is_utf8(password) || str_index(password, '\0') >= 0)
		return refuse("must be UTF-8 text without NUL", ret_why);
	if (str_utf8_count(password) > PASSWORD_POINTS_MAX)
		return refuse("is too long: at most 256 characters", ret_why);
	r = unicode_normalize(arena, password, &normal);
	if (r < 0)
		return r;
	if (str_utf8_count(normal) < points_min)
		return refuse("is too short", ret_why);
	if (normal.len > PASSWORD_BCRYPT_BYTES_MAX)
		return refuse("is too long: at most 72 bytes of UTF-8", ret_why);
	*ret_password = normal;
	return 0;
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
		r = unicode_fold(normal, &folded);
	if (r < 0)
		return r;
	if (common_has(buf_str(&folded)))
		return refuse("is one of those that are guessed first", ret_why);
	if (is_own_address(buf_str(&folded), str_cstr(email_key)))
		return refuse("must not be your address", ret_why);
	*ret_password = normal;
	return 0;
}
