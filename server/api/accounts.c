/* Registering, logging in, and one's own account. */
#include "auth/accounts.h"

#include <errno.h>

#include "api/fields.h"
#include "api/limited.h"
#include "auth/emails.h"
#include "auth/passwords.h"
#include "auth/policy.h"
#include "auth/users.h"
#include "observe/metrics.h"
#include "shared/err.h"

int api_register(struct call *call, struct response *response)
{
	_cleanup_(grant_wipe) struct grant grant = {};
	struct client client = client_of(call->request);
	struct registration registration = {};
	struct str email, password;
	char key[EMAIL_BYTES_MAX + 1];
	const char *why;
	int r;

	if (field_text(call, response, "email", &email) ||
		field_text(call, response, "password", &password) ||
		field_name(call, response, &registration.name))
		return 0;
	r = email_fold(email, key, &registration.email);
	if (r == -ERR_MALFORMED)
		return response_invalid(response, "email", "is not an email address");
	if (r < 0)
		return r;
	r = password_choose(call->request->arena, password, auth_policy()->password_points_min, key,
		&registration.password, &why);
	if (r == -ERR_MALFORMED)
		return response_invalid(response, "password", why);
	if (r < 0)
		return r;
	registration.email_key = key;
	registration.is_hiding_existing = auth_policy()->is_hiding_existing;
	registration.is_requiring_verified = auth_policy()->is_requiring_verified;
	r = account_register_await(&registration, &client, &grant);
	if (r < 0)
		return r;
	if (registration.is_hiding_existing)
		return response_empty(response, 202);
	if (r == 0)
		return response_problem(response, PROBLEM_EMAIL_TAKEN);
	if (registration.is_requiring_verified)
		return response_empty(response, 202);
	return respond_grant(response, 201, &grant);
}

int api_login(struct call *call, struct response *response)
{
	_cleanup_(grant_wipe) struct grant grant = {};
	struct client client = client_of(call->request);
	struct str email, password;
	char key[EMAIL_BYTES_MAX + 1];
	int64_t retry_ms = 0;
	const char *why;
	int r;

	if (field_text(call, response, "email", &email) ||
		field_text(call, response, "password", &password))
		return 0;
	/* What could never have been registered is wrong, and its form is no secret. */
	r = email_fold(email, key, &email);
	if (r == 0)
		r = password_normalize(call->request->arena, password, 0, &password, &why);
	if (r == -ERR_MALFORMED)
		return response_problem(response, PROBLEM_INVALID_CREDENTIALS);
	if (r < 0)
		return r;
	if (limited_by_account(key, response)) {
		metric_login(LOGIN_RESULT_LIMITED);
		return 0;
	}
	switch (r = account_login_await(key, password, &client, &grant, &retry_ms)) {
	case CREDENTIALS_ACCEPTED:
		return respond_grant(response, 200, &grant);
	case CREDENTIALS_WRONG:
		return response_problem(response, PROBLEM_INVALID_CREDENTIALS);
	case CREDENTIALS_LOCKED:
		return respond_locked(response, retry_ms);
	case CREDENTIALS_SUSPENDED:
		return response_problem(response, PROBLEM_ACCOUNT_SUSPENDED);
	case CREDENTIALS_UNVERIFIED:
		return response_problem(response, PROBLEM_EMAIL_NOT_VERIFIED);
	default:
		return r;
	}
}

static int respond_user(struct response *response, const struct account *account)
{
	struct json_writer *w = response_begin(response, 200);
	int r;

	put_user(w, account);
	r = response_header(response, "Cache-Control", STR("no-store"));
	return r < 0 ? r : response_end(response);
}

int api_me(struct call *call, struct response *response)
{
	struct account account;
	int r = user_get_await(call->identity.account_id, &account);

	if (r < 0)
		return r;
	if (r == 0)
		return response_problem(response, PROBLEM_TOKEN_REVOKED);
	return respond_user(response, &account);
}

int api_me_change(struct call *call, struct response *response)
{
	struct account account;
	struct str wanted;
	int r;

	if (field_name(call, response, &wanted))
		return 0;
	r = account_rename_await(call->identity.account_id, wanted, &account);
	if (r < 0)
		return r;
	if (r == 0)
		return response_problem(response, PROBLEM_TOKEN_REVOKED);
	return respond_user(response, &account);
}
