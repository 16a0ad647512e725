/* The cache of users: see users.h. */
#include "auth/users.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "cache/lookup.h"
#include "core/core.h"
#include "crypt/signing.h"
#include "shared/macros.h"

/* The cached value: also that there is nobody of that id. */
struct user {
	struct account account;
	bool is_known;
};

static _Thread_local struct lookup *own;

int users_start(const struct lookup_options *options)
{
	struct lookup_options mine = *options;

	mine.cache.name = "users";
	mine.cache.value_bytes = sizeof(struct user);
	return lookup_new(&mine, &own);
}

void users_stop(void)
{
	lookup_free(TAKE(own));
}

struct lookup *users_lookup(void)
{
	return own;
}

/* Ids may be longer than a key (adopted ones) and share beginnings (UUIDs of one moment). */
static void key_of(const char *account_id, uint8_t key[static CACHE_KEY_BYTES])
{
	static_assert(SHA256_BYTES == CACHE_KEY_BYTES, "digests are the cache's keys");
	sha256(str_cstr(account_id), key);
}

/* What may be kept in memory for minutes: a new field of accounts is left out until named here. */
static void public_part(const struct account *from, struct account *to)
{
	memcpy(to->id, from->id, sizeof(to->id));
	memcpy(to->email, from->email, sizeof(to->email));
	memcpy(to->name, from->name, sizeof(to->name));
	memcpy(to->roles, from->roles, sizeof(to->roles));
	to->role_count = from->role_count;
	to->status = from->status;
	to->is_email_verified = from->is_email_verified;
	to->created_ms = from->created_ms;
	to->updated_ms = from->updated_ms;
	to->last_login_ms = from->last_login_ms;
}

static int load_await(void *account_id, struct lookup_found *found)
{
	_cleanup_(account_wipe) struct account account = {};
	struct user *user = found->value;
	int r = store_account_get_await(account_id, &account);

	if (r < 0)
		return r;
	user->is_known = r == 1;
	found->is_negative = r == 0;
	if (r == 1)
		public_part(&account, &user->account);
	return 0;
}

int user_get_await(const char *account_id, struct account *ret_account)
{
	uint8_t key[CACHE_KEY_BYTES];
	struct user user;
	int r;

	key_of(account_id, key);
	r = lookup_await(own, key, load_await, (void *)account_id, &user);
	if (r < 0)
		return r;
	if (user.is_known)
		*ret_account = user.account;
	return user.is_known;
}

void users_forget_here(const char *account_id)
{
	uint8_t key[CACHE_KEY_BYTES];

	key_of(account_id, key);
	lookup_forget(own, key);
}

static void forget(_unused_ struct core *core, const void *account_id)
{
	users_forget_here(account_id);
}

int user_forget_await(const char *account_id)
{
	int r = core_broadcast_await(forget, account_id, strlen(account_id) + 1);

	if (r == -ENOMEM) /* it reached this core only */
		lookup_distrust_all();
	return r == -ENOMEM ? 0 : r;
}
