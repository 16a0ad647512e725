/* libxcrypt: see libxcrypt.h. */
#include "crypt/libxcrypt.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <crypt.h>

#include "shared/macros.h"
#include "shared/random.h"
#include "shared/secret.h"

static_assert(PASSWORD_HASH_BYTES >= CRYPT_OUTPUT_SIZE, "every format must fit");

/* Its work space has 32 KiB and holds what the password was made into. */
static void data_free(struct crypt_data **data)
{
	if (*data)
		secret_wipe(*data, sizeof(**data));
	free(*data);
}

int libxcrypt_hash(
	const char *password, const char *setting, char ret_hash[static PASSWORD_HASH_BYTES])
{
	_cleanup_(data_free) struct crypt_data *data = calloc(1, sizeof(*data));
	const char *made;

	if (!data)
		return -ENOMEM;
	errno = 0;
	made = crypt_rn(password, setting, data, sizeof(*data));
	if (!made)
		return errno == ENOMEM ? -ENOMEM : -EINVAL;
	memcpy(ret_hash, made, strlen(made) + 1);
	return 0;
}

int libxcrypt_setting(unsigned cost, char ret_setting[static BCRYPT_SETTING_CHARS + 1])
{
	char salt[BCRYPT_SALT_BYTES], setting[CRYPT_GENSALT_OUTPUT_SIZE];

	random_bytes(salt, sizeof(salt));
	if (!crypt_gensalt_rn("$2b$", cost, salt, sizeof(salt), setting, sizeof(setting)) ||
		strlen(setting) != BCRYPT_SETTING_CHARS)
		return -EINVAL;
	memcpy(ret_setting, setting, BCRYPT_SETTING_CHARS + 1);
	return 0;
}
