/* Changes of accounts by administrators: see administer.h. */
#include "auth/administer.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "auth/policy.h"
#include "auth/users.h"
#include "core/core.h"
#include "core/shield.h"
#include "crypt/password.h"
#include "shared/clock.h"
#include "shared/macros.h"
#include "shared/random.h"
#include "shared/secret.h"

/* No hash is equal to it, so no password is right. */
#define HASH_OF_NOTHING "!"

/* --- roles --- */

static bool is_role_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c && strchr("-_.:", c));
}

bool role_is_valid(struct str role)
{
	if (!role.len || role.len > STORE_ROLE_BYTES_MAX)
		return false;
	for (size_t i = 0; i < role.len; i++)
		if (!is_role_char(role.data[i]))
			return false;
	return true;
}

bool account_has_role(const struct account *account, const char *role)
{
	for (unsigned i = 0; i < account->role_count; i++)
		if (strcmp(account->roles[i], role) == 0)
			return true;
	return false;
}

/* --- making --- */

int account_add_await(const struct registration *registration, const struct account *values,
	struct account *ret_account)
{
	struct account *account = ret_account;
	int forgotten, r = 0;

	*account = *values;
	account->created_ms = account->updated_ms = clock_wall_ms();
	registration_apply(registration, account);
	(void)snprintf(account->hash, sizeof(account->hash), HASH_OF_NOTHING);
	if (registration->password.len)
		r = password_hash_await(
			registration->password, auth_policy()->hash_cost, account->hash);
	if (r == 0)
		r = store_account_create_await(account, NULL);
	secret_wipe(account->hash, sizeof(account->hash));
	if (r != 1)
		return r;
	/* An id is never used twice, but somebody may have asked for an adopted one. */
	forgotten = user_forget_await(account->id);
	return forgotten < 0 ? forgotten : r;
}

/* --- changing: the store and the news of it are one step --- */

struct change_step {
	char id[STORE_ID_BYTES_MAX + 1];
	unsigned fields;
	struct account account; /* in and out */
};
static_assert(sizeof(struct change_step) <= SHIELD_ARG_BYTES_MAX, "a step fits a shield");

static int change_step_await(void *arg)
{
	struct change_step *step = arg;
	const struct account_change change = { .id = step->id,
		.fields = step->fields,
		.values = &step->account,
		.now_ms = clock_wall_ms() };
	int forgotten, r = store_account_change_await(&change, &step->account);

	secret_wipe(step->account.hash, sizeof(step->account.hash));
	if (r != CHANGE_DONE)
		return r;
	forgotten = verified_forget_account_await(step->id);
	return forgotten < 0 ? forgotten : r;
}

static void change_step_wipe(struct change_step *step)
{
	secret_wipe(step, sizeof(*step));
}

int account_change_await(
	const char *id, unsigned fields, const struct account *values, struct account *ret_account)
{
	_cleanup_(change_step_wipe) struct change_step step = { .fields = fields,
		.account = *values };
	int r;

	assert(!(fields & ACCOUNT_FIELD_PASSWORD));
	(void)snprintf(step.id, sizeof(step.id), "%s", id);
	r = shield_await(core_current()->fibers, change_step_await, &step, sizeof(step));
	if (r == CHANGE_DONE)
		*ret_account = step.account;
	return r;
}

int account_status_set_await(
	const char *id, enum account_status status, struct account *ret_account)
{
	const struct account values = { .status = status };
	int r = account_change_await(id, ACCOUNT_FIELD_STATUS, &values, ret_account);

	return r < 0 ? r : r == CHANGE_DONE;
}

int account_password_set_await(const char *id, struct str password)
{
	_cleanup_(change_step_wipe) struct change_step step = { .fields = ACCOUNT_FIELD_PASSWORD };
	int r = password_hash_await(password, auth_policy()->hash_cost, step.account.hash);

	if (r < 0)
		return r;
	(void)snprintf(step.id, sizeof(step.id), "%s", id);
	r = shield_await(core_current()->fibers, change_step_await, &step, sizeof(step));
	return r < 0 ? r : r == CHANGE_DONE;
}

/* --- ending --- */

static int delete_step_await(void *id)
{
	int forgotten, r = store_account_delete_await(id);

	if (r <= 0)
		return r;
	forgotten = verified_forget_account_await(id);
	return forgotten < 0 ? forgotten : r;
}

int account_delete_await(const char *id)
{
	char copy[STORE_ID_BYTES_MAX + 1];

	(void)snprintf(copy, sizeof(copy), "%s", id);
	return shield_await(core_current()->fibers, delete_step_await, copy, sizeof(copy));
}

int account_revoke_await(const char *id)
{
	struct account account;
	int r = user_get_await(id, &account);

	if (r <= 0)
		return r;
	r = sessions_end_await(id);
	return r < 0 ? r : 1;
}
