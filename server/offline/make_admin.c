/* Appointing an administrator: see make_admin.h. */
#include "offline/make_admin.h"

#include <errno.h>
#include <stdio.h>

#include "auth/administer.h"
#include "auth/emails.h"
#include "shared/clock.h"
#include "shared/err.h"
#include "start/fail.h"

int make_admin(const char *email)
{
	char key[EMAIL_BYTES_MAX + 1];
	struct str folded;
	int r = email_fold(str_cstr(email), key, &folded);

	if (r < 0)
		return fail(email, r, r == -ERR_MALFORMED ? "is not an email address" : NULL);
	r = store_role_grant(key, ADMIN_ROLE, clock_wall_ms());
	if (r < 0)
		return fail(email, r, r == -ENOSPC ? "has as many roles as fit" : NULL);
	if (r == 0)
		return fail(email, -ENOENT, "nobody has this address: register first");
	(void)printf("%s is an administrator now; log in again to be one\n", email);
	return 0;
}
