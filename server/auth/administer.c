/* What administrators do to accounts: see administer.h. */
#include "auth/administer.h"

#include <assert.h>
#include <stdio.h>

#include "auth/verified.h"
#include "core/core.h"
#include "core/shield.h"
#include "shared/clock.h"
#include "shared/secret.h"

struct step {
	char id[STORE_ID_BYTES_MAX + 1];
	struct account account; /* the values, then the account as it is */
};
static_assert(sizeof(struct step) <= SHIELD_ARG_BYTES_MAX, "a step can be copied");

static int status_step_await(void *arg)
{
	struct step *step = arg;
	const struct account values = { .status = step->account.status };
	const struct account_change change = { .id = step->id,
		.fields = ACCOUNT_FIELD_STATUS,
		.values = &values,
		.now_ms = clock_wall_ms() };
	int outcome = store_account_change_await(&change, &step->account);
	int r;

	if (outcome != CHANGE_DONE)
		return outcome < 0 ? outcome : 0;
	r = verified_forget_account_await(step->id);
	return r < 0 ? r : 1;
}

static int delete_step_await(void *arg)
{
	struct step *step = arg;
	int found = store_account_delete_await(step->id), r;

	if (found <= 0)
		return found;
	r = verified_forget_account_await(step->id);
	return r < 0 ? r : 1;
}

int account_status_set_await(
	const char *id, enum account_status status, struct account *ret_account)
{
	struct step step = { .account.status = status };
	int r;

	(void)snprintf(step.id, sizeof(step.id), "%s", id);
	r = shield_await(core_current()->fibers, status_step_await, &step, sizeof(step));
	if (r == 1)
		*ret_account = step.account;
	secret_wipe(&step, sizeof(step));
	return r;
}

int account_delete_await(const char *id)
{
	struct step step = {};

	(void)snprintf(step.id, sizeof(step.id), "%s", id);
	return shield_await(core_current()->fibers, delete_step_await, &step, sizeof(step));
}
