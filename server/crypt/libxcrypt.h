/*
 * libxcrypt: every format of crypt(5), one hash at a time on the calling thread, for as long as it
 * takes. The only user of crypt.h. What may be hashed at all is decided in password_job.c.
 */
#pragma once

#include "crypt/bcrypt.h"
#include "crypt/password.h"

/*
 * The hash of a password by a setting, or by a hash that begins with one. 0; -EINVAL (libxcrypt
 * cannot read the setting or take the password), -ENOMEM.
 */
int libxcrypt_hash(
	const char *password, const char *setting, char ret_hash[static PASSWORD_HASH_BYTES]);

/* A bcrypt setting ($2b$) of that cost with a random salt. 0, -EINVAL (no such cost). */
int libxcrypt_setting(unsigned cost, char ret_setting[static BCRYPT_SETTING_CHARS + 1]);
