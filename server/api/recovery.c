/* Changing, forgetting and resetting passwords; verifying addresses. */
#include "auth/recovery.h"

#include <errno.h>

#include "api/fields.h"
#include "api/limited.h"
#include "auth/emails.h"
#include "auth/passwords.h"
#include "auth/policy.h"
#include "shared/err.h"

/* A new password for an account: 0, 1 after a 422 that names the field, or an error. */
static int field_new_password(struct call *call, struct response *response,
	const struct account *account, struct str *ret_password)
{
	struct str password;
	const char *why;
	int r;

	if (field_text(call, response, "new_password", &password))
		return 1;
	r = password_choose(call->request->arena, password, auth_policy()->password_points_min,
		account->email_key, ret_password, &why);
	if (r != -ERR_MALFORMED)
		return r;
	response_invalid(response, "new_password", why);
	return 1;
}

int api_password_change(struct call *call, struct response *response)
{
	_cleanup_(account_wipe) struct account account = {};
	struct client client = client_of(call->request);
	struct str current, wanted;
	int64_t retry_ms = 0;
	const char *why;
	int r;

	if (field_text(call, response, "current_password", &current))
		return 0;
	r = account_of_identity_await(&call->identity, &account);
	if (r == 0)
		return response_problem(response, PROBLEM_TOKEN_REVOKED);
	if (r > 0)
		r = field_new_password(call, response, &account, &wanted);
	if (r != 0)
		return MIN(r, 0);
	r = password_normalize(call->request->arena, current, 0, &current, &why);
	if (r == -ERR_MALFORMED)
		return response_problem(response, PROBLEM_INVALID_CREDENTIALS);
	if (r < 0)
		return r;
	if (limited_by_account(account.email_key, response))
		return 0;
	r = password_change_await(&call->identity, &account, current, wanted, &client, &retry_ms);
	if (r == CREDENTIALS_LOCKED)
		return respond_locked(response, retry_ms);
	if (r == CREDENTIALS_WRONG)
		return response_problem(response, PROBLEM_INVALID_CREDENTIALS);
	return r < 0 ? r : response_empty(response, 204);
}

/* 202 for every address, of whatever form: what could not be registered gets no mail either. */
static int respond_asked(enum mail_kind kind, struct call *call, struct response *response)
{
	char key[EMAIL_BYTES_MAX + 1];
	struct str email;
	int r;

	if (field_text(call, response, "email", &email))
		return 0;
	r = email_fold(email, key, &email);
	if (r == 0)
		r = mail_ask_await(kind, key);
	if (r < 0 && r != -ERR_MALFORMED)
		return r;
	return response_empty(response, 202);
}

int api_password_forgot(struct call *call, struct response *response)
{
	return respond_asked(MAIL_RESET, call, response);
}

int api_email_resend(struct call *call, struct response *response)
{
	return respond_asked(MAIL_VERIFY, call, response);
}

/* Looked up before the password is hashed: a guessed token costs no hash. */
int api_password_reset(struct call *call, struct response *response)
{
	_cleanup_(account_wipe) struct account account = {};
	struct str token, wanted;
	int r;

	if (field_text(call, response, "token", &token))
		return 0;
	r = ticket_account_await(token, TICKET_RESET, &account);
	if (r == 0)
		return response_problem(response, PROBLEM_INVALID_TOKEN);
	if (r > 0)
		r = field_new_password(call, response, &account, &wanted);
	if (r != 0)
		return MIN(r, 0);
	r = password_reset_await(token, wanted);
	if (r == 0)
		return response_problem(response, PROBLEM_INVALID_TOKEN);
	return r < 0 ? r : response_empty(response, 204);
}

int api_email_verify(struct call *call, struct response *response)
{
	struct str token;
	int r;

	if (field_text(call, response, "token", &token))
		return 0;
	r = email_verify_await(token);
	if (r == 0)
		return response_problem(response, PROBLEM_INVALID_TOKEN);
	return r < 0 ? r : response_empty(response, 204);
}
