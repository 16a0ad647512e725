/*
 * Which passwords are accepted (NIST SP 800-63B-4 section 3.1.1.2): any Unicode of some length that
 * is not what everybody tries first, no composition rules. How they are hashed is crypt/password.h.
 */
#pragma once

#include "crypt/password.h"
#include "shared/arena.h"
#include "shared/buf.h"
#include "shared/str.h"

#define PASSWORD_POINTS_MAX 256 /* code points */
/* In bytes: PASSWORD_BCRYPT_BYTES_MAX of crypt/password.h; longer ones are refused, never cut. */

/*
 * The password in Unicode NFC, in the arena, so that one typed on another keyboard is the same
 * bytes. 0 when acceptable. Otherwise -ERR_MALFORMED and a sentence for the person in *ret_why
 * (static). -ENOMEM. points_min: the configured minimum in code points.
 */
int password_normalize(struct arena *arena, struct str password, unsigned points_min,
	struct str *ret_password, const char **ret_why);

/*
 * The same for a password that somebody chooses: neither common (common.h) nor the own address, or
 * the part of it before the @, in any case. email_key: folded.
 */
int password_choose(struct arena *arena, struct str password, unsigned points_min,
	const char *email_key, struct str *ret_password, const char **ret_why);
