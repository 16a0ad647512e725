/*
 * Accounts for administrators: making, changing, ending; lists are admin_list.c. An administrator
 * cannot take its own rights (suspend or delete itself, or give up the role): whoever removes an
 * administrator is one, and stays one. Next: auth/administer.h.
 */
#include "auth/administer.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "api/fields.h"
#include "auth/emails.h"
#include "auth/passwords.h"
#include "auth/policy.h"
#include "auth/recovery.h"
#include "auth/users.h"
#include "observe/log.h"
#include "shared/err.h"
#include "shared/macros.h"

/* Who did what to whom: for the operator's log. */
static void tell(const struct call *call, const char *event, const char *id)
{
	log_event(LOG_LEVEL_INFO, event, STR("an administrator changed an account"),
		LOG_TEXT("user.id", str_cstr(call->identity.account_id)),
		LOG_TEXT("user.target.id", str_cstr(id)),
		LOG_TEXT("request.id", call->request->id));
}

static bool is_self(const struct call *call)
{
	return strcmp(call->id, call->identity.account_id) == 0;
}

static int respond_account(
	struct response *response, unsigned status, const struct account *account)
{
	struct json_writer *w = response_begin(response, status);
	int r;

	put_user(w, account);
	r = response_header(response, "Cache-Control", STR("no-store"));
	return r < 0 ? r : response_end(response);
}

/* What functions say that give 1, 0 for nobody, or an error. */
static int respond_done(struct response *response, int done)
{
	if (done < 0)
		return done;
	if (done == 0)
		return response_problem(response, PROBLEM_NOT_FOUND);
	return response_empty(response, 204);
}

/* --- members of bodies --- */

/* All functions below: 0, or 1 after a 422, or an error. */

static int roles_read(struct call *call, struct response *response, struct account *values)
{
	const struct json *roles = json_member(call->body, "roles");
	struct account read = {};
	struct str role;

	if (!json_is_array(roles))
		return response_invalid(response, "roles", "must be a list of texts"), 1;
	for (const struct json *item = json_first(roles); item; item = json_next(item)) {
		if (json_get_str(item, &role) < 0 || !role_is_valid(role))
			return response_invalid(response, "roles",
				       "must be texts of 1 to 32 letters, digits, - _ . :"),
			       1;
		if (read.role_count == STORE_ROLES_MAX)
			return response_invalid(response, "roles", "are too many: at most 16"), 1;
		memcpy(read.roles[read.role_count], role.data, role.len);
		if (account_has_role(&read, read.roles[read.role_count]))
			return response_invalid(response, "roles", "has one twice"), 1;
		read.role_count++;
	}
	memcpy(values->roles, read.roles, sizeof(values->roles));
	values->role_count = read.role_count;
	return 0;
}

static int verified_read(struct call *call, struct response *response, struct account *values)
{
	if (json_get_bool(json_member(call->body, "email_verified"), &values->is_email_verified) <
		0)
		return response_invalid(response, "email_verified", "must be true or false"), 1;
	return 0;
}

static int name_read(struct call *call, struct response *response, struct account *values)
{
	struct str name;

	if (field_name(call, response, &name))
		return 1;
	(void)snprintf(values->name, sizeof(values->name), STR_FORMAT, STR_ARGS(name));
	return 0;
}

static int address_read(struct call *call, struct response *response, struct account *values)
{
	struct str email;
	int r;

	if (field_text(call, response, "email", &email))
		return 1;
	r = email_fold(email, values->email_key, &email);
	if (r == -ERR_MALFORMED)
		return response_invalid(response, "email", "is not an email address"), 1;
	if (r < 0)
		return r;
	(void)snprintf(values->email, sizeof(values->email), STR_FORMAT, STR_ARGS(email));
	return 0;
}

static const struct member {
	const char *name;
	unsigned field;
	int (*read)(struct call *call, struct response *response, struct account *values);
} members[] = {
	{ "email", ACCOUNT_FIELD_EMAIL, address_read },
	{ "name", ACCOUNT_FIELD_NAME, name_read },
	{ "roles", ACCOUNT_FIELD_ROLES, roles_read },
	{ "email_verified", ACCOUNT_FIELD_VERIFIED, verified_read },
};

static const struct member *member_find(struct str name)
{
	for (size_t i = 0; i < ARRAY_SIZE(members); i++)
		if (str_equal(name, str_cstr(members[i].name)))
			return &members[i];
	return NULL;
}

/* What is not understood is refused: whoever misspells "roles" must not be told that all is well.
 * also: one more name that may be there. */
static int members_read(struct call *call, struct response *response, struct str also,
	struct account *values, unsigned *ret_fields)
{
	unsigned fields = 0;

	for (const struct json *item = json_first(call->body); item; item = json_next(item)) {
		const struct member *member = member_find(json_key(item));
		struct str name;
		int r;

		if (!member && str_equal(json_key(item), also))
			continue;
		if (!member) {
			name = arena_str(call->request->arena, json_key(item));
			return response_invalid(response, name.data ? name.data : "body",
				       "is not known here"),
			       1;
		}
		/* null is as if it were not there, but a name may be taken away. */
		if (member->field != ACCOUNT_FIELD_NAME && json_is_null(item))
			continue;
		r = member->read(call, response, values);
		if (r != 0)
			return r;
		fields |= member->field;
	}
	*ret_fields = fields;
	return 0;
}

/* A password that an administrator chooses keeps the rules for those that owners choose. */
static int password_read(struct call *call, struct response *response, const char *member,
	const char *email_key, struct str *ret_password)
{
	struct str password;
	const char *why;
	int r;

	if (field_text(call, response, member, &password))
		return 1;
	r = password_choose(call->request->arena, password, auth_policy()->password_points_min,
		email_key, ret_password, &why);
	if (r == -ERR_MALFORMED)
		return response_invalid(response, member, why), 1;
	return r;
}

/* --- making and changing --- */

int api_admin_create(struct call *call, struct response *response)
{
	struct registration registration = {};
	struct account values = {}, account;
	unsigned fields;
	int r = members_read(call, response, STR("password"), &values, &fields);

	if (r == 0 && !(fields & ACCOUNT_FIELD_EMAIL))
		return response_invalid(response, "email", "is required");
	if (r == 0 && !json_is_null(json_member(call->body, "password")))
		r = password_read(
			call, response, "password", values.email_key, &registration.password);
	if (r != 0)
		return MIN(r, 0);
	registration.email = str_cstr(values.email);
	registration.email_key = values.email_key;
	registration.name = str_cstr(values.name);
	r = account_add_await(&registration, &values, &account);
	if (r < 0)
		return r;
	if (r == 0)
		return response_problem(response, PROBLEM_EMAIL_TAKEN);
	tell(call, "admin.user_created", account.id);
	return respond_account(response, 201, &account);
}

int api_admin_user(struct call *call, struct response *response)
{
	struct account account;
	int r = user_get_await(call->id, &account);

	if (r < 0)
		return r;
	if (r == 0)
		return response_problem(response, PROBLEM_NOT_FOUND);
	return respond_account(response, 200, &account);
}

static int change_await(struct call *call, struct response *response, unsigned fields,
	const struct account *values, const char *event)
{
	struct account account;
	int r = account_change_await(call->id, fields, values, &account);

	if (r < 0)
		return r;
	if (r == CHANGE_NOBODY)
		return response_problem(response, PROBLEM_NOT_FOUND);
	if (r == CHANGE_EMAIL_TAKEN)
		return response_problem(response, PROBLEM_EMAIL_TAKEN);
	tell(call, event, call->id);
	return respond_account(response, 200, &account);
}

int api_admin_change(struct call *call, struct response *response)
{
	struct account values = {};
	unsigned fields;
	int r = members_read(call, response, (struct str){}, &values, &fields);

	if (r != 0)
		return MIN(r, 0);
	if (!fields)
		return response_invalid(response, "body", "names nothing to change");
	if (is_self(call) && fields & ACCOUNT_FIELD_ROLES && !account_has_role(&values, ADMIN_ROLE))
		return response_problem(response, PROBLEM_FORBIDDEN);
	return change_await(call, response, fields, &values, "admin.user_changed");
}

int api_admin_suspend(struct call *call, struct response *response)
{
	if (is_self(call))
		return response_problem(response, PROBLEM_FORBIDDEN);
	return change_await(call, response, ACCOUNT_FIELD_STATUS,
		&(struct account){ .status = ACCOUNT_SUSPENDED }, "admin.user_suspended");
}

int api_admin_activate(struct call *call, struct response *response)
{
	return change_await(call, response, ACCOUNT_FIELD_STATUS,
		&(struct account){ .status = ACCOUNT_ACTIVE }, "admin.user_activated");
}

/* --- ending --- */

int api_admin_delete(struct call *call, struct response *response)
{
	int r;

	if (is_self(call))
		return response_problem(response, PROBLEM_FORBIDDEN);
	r = account_delete_await(call->id);
	if (r == 1)
		tell(call, "admin.user_deleted", call->id);
	return respond_done(response, r);
}

int api_admin_revoke(struct call *call, struct response *response)
{
	int r = account_revoke_await(call->id);

	if (r == 1)
		tell(call, "admin.sessions_revoked", call->id);
	return respond_done(response, r);
}

/* A mail to its owner, who chooses: until then nothing changes. */
static int reset_by_mail_await(struct call *call, struct response *response, const char *email_key)
{
	int r;

	if (!auth_policy()->is_mailing)
		return response_invalid(response, "new_password", "is required: mails are off");
	r = *email_key ? mail_ask_await(MAIL_RESET, email_key) : 0;
	if (r < 0)
		return r;
	tell(call, "admin.password_mailed", call->id);
	return response_empty(response, 202);
}

int api_admin_reset(struct call *call, struct response *response)
{
	struct account account;
	struct str password, email;
	char key[EMAIL_BYTES_MAX + 1];
	int r = user_get_await(call->id, &account);

	if (r <= 0)
		return respond_done(response, r);
	/* The folded address is not among what is cached of a user; one of an adopted account may
	 * not be foldable, and then it is no password of anybody either. */
	if (email_fold(str_cstr(account.email), key, &email) < 0)
		key[0] = '\0';
	if (json_is_null(json_member(call->body, "new_password")))
		return reset_by_mail_await(call, response, key);
	r = password_read(call, response, "new_password", key, &password);
	if (r != 0)
		return MIN(r, 0);
	r = account_password_set_await(call->id, password);
	if (r == 1)
		tell(call, "admin.password_reset", call->id);
	return respond_done(response, r);
}
