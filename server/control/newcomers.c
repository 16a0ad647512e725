/*
 * user create and user reset-password: what comes with a password. It is wiped with the request and
 * with the errand that carries it to a fiber; audit and log say "(secret)" in its place. The rules
 * are those for passwords that owners choose.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "auth/administer.h"
#include "auth/passwords.h"
#include "auth/policy.h"
#include "auth/recovery.h"
#include "control/handlers.h"
#include "control/people.h"
#include "shared/err.h"
#include "shared/macros.h"
#include "shared/secret.h"

/* Code points of at most four bytes; what is longer is refused before it is copied. */
#define PASSWORD_BYTES_MAX ((size_t)4 * PASSWORD_POINTS_MAX)
/* For the normalised password: a few kilobytes of room and of result. */
#define ARENA_CHUNK 4096
#define ARENA_BYTES_MAX 65536

/* --- the password --- */

struct typed_password {
	char text[PASSWORD_BYTES_MAX + 1]; /* "" none */
	const char *why;                   /* static; not NULL: it was not accepted */
};

/* False: the request has failed. */
static bool password_read(
	struct control_request *request, const char *instead, struct typed_password *typed)
{
	struct str password = request_text(request, "password");

	if (request_has(request, "password") == request_has(request, instead))
		request_fail_argument(
			request, "password", "either a password or --%s, not both", instead);
	else if (password.len > PASSWORD_BYTES_MAX)
		request_fail_argument(request, "password",
			"the password is too long: at most %d characters", PASSWORD_POINTS_MAX);
	else
		(void)snprintf(typed->text, sizeof(typed->text), STR_FORMAT, STR_ARGS(password));
	return request->failure.outcome == OUTCOME_OK;
}

/* On a fiber: 0; -ERR_MALFORMED and typed->why; -ENOMEM. */
static int password_accept(struct arena *arena, struct typed_password *typed, const char *email_key,
	struct str *ret_password)
{
	return password_choose(arena, str_cstr(typed->text), auth_policy()->password_points_min,
		email_key, ret_password, &typed->why);
}

/* Has the request failed for its password, or for the store? */
static bool has_failed(
	struct control_request *request, int result, const struct typed_password *typed)
{
	if (result == -ERR_MALFORMED && typed->why)
		request_fail_argument(request, "password", "the password %s", typed->why);
	else if (result < 0)
		people_failed(request, result);
	return result < 0;
}

/* --- user create --- */

struct user_create {
	struct typed_password password;
	struct account wanted, account;
	bool is_dry_run;
	int result; /* 1; 0: the address is taken */
};

static bool email_read(struct control_request *request, struct account *wanted)
{
	struct str email;

	if (email_fold(request_text(request, "email"), wanted->email_key, &email) < 0) {
		request_fail_argument(request, "email", "this is not an email address");
		return false;
	}
	(void)snprintf(wanted->email, sizeof(wanted->email), STR_FORMAT, STR_ARGS(email));
	return true;
}

static bool name_read(struct control_request *request, struct account *wanted)
{
	struct str name = str_trim(request_text(request, "name"));
	bool is_good = name.len <= STORE_NAME_BYTES_MAX;

	for (size_t i = 0; i < name.len; i++)
		is_good &= (unsigned char)name.data[i] >= ' ' && name.data[i] != 0x7f;
	if (is_good)
		(void)snprintf(wanted->name, sizeof(wanted->name), STR_FORMAT, STR_ARGS(name));
	else
		request_fail_argument(request, "name",
			"at most %d bytes without control characters", STORE_NAME_BYTES_MAX);
	return is_good;
}

static bool role_add(struct account *wanted, struct str role)
{
	char *place = wanted->roles[wanted->role_count];

	if (!role_is_valid(role) || wanted->role_count == STORE_ROLES_MAX)
		return false;
	(void)snprintf(place, sizeof(wanted->roles[0]), STR_FORMAT, STR_ARGS(role));
	if (account_has_role(wanted, place))
		return false;
	wanted->role_count++;
	return true;
}

static bool roles_read(struct control_request *request, struct account *wanted)
{
	struct str rest = request_text(request, "roles"), role;

	while (rest.len && str_split(&rest, ',', &role))
		if (!role_add(wanted, str_trim(role))) {
			request_fail_argument(request, "roles",
				"up to %d different ones of 1 to %d letters, digits, - _ . :",
				STORE_ROLES_MAX, STORE_ROLE_BYTES_MAX);
			return false;
		}
	return true;
}

static int user_create_run_await(struct user_create *create, struct arena *arena)
{
	struct account *wanted = &create->wanted;
	struct registration registration = { .email = str_cstr(wanted->email),
		.email_key = wanted->email_key,
		.name = str_cstr(wanted->name) };
	int r = 0;

	if (create->password.text[0])
		r = password_accept(
			arena, &create->password, wanted->email_key, &registration.password);
	if (r < 0)
		return r;
	if (!create->is_dry_run)
		return account_add_await(&registration, wanted, &create->account);
	r = store_account_find_await(wanted->email_key, &create->account);
	create->account = *wanted;
	return r < 0 ? r : !r;
}

static void user_create_await(void *data)
{
	struct user_create *create = data;
	struct arena arena;

	arena_init(&arena, ARENA_CHUNK, ARENA_BYTES_MAX);
	create->result = user_create_run_await(create, &arena);
	arena_deinit(&arena);
}

void user_create_begin(struct control_request *request)
{
	struct user_create create = { .is_dry_run = request->is_dry_run };

	create.wanted.is_email_verified = request_has(request, "verified");
	if (password_read(request, "no-password", &create.password) &&
		email_read(request, &create.wanted) && name_read(request, &create.wanted) &&
		roles_read(request, &create.wanted))
		request_errand(request, user_create_await, &create, sizeof(create));
	secret_wipe(&create, sizeof(create));
}

void handle_user_create(struct control_request *request)
{
	const struct user_create *create = errand_data(request->errand);

	if (has_failed(request, create->result, &create->password))
		return;
	if (create->result == 0) {
		request_fail(request, OUTCOME_CONFLICT, "authctl user show",
			"somebody has the address '%s' already", create->wanted.email);
		return;
	}
	user_row(request, &create->account);
	if (request_has(request, "no-password"))
		request_notice(request, "next: authctl user reset-password %s --mail",
			create->wanted.email);
}

/* --- user reset-password --- */

struct user_reset {
	struct typed_password password;
	struct whom whom;
	struct account account;
	bool is_mail, is_dry_run;
	int result; /* 1; 0: nobody */
};

/* A ticket for its owner: until it is used nothing changes. */
static int reset_mail_await(const struct user_reset *reset, const char *email_key)
{
	int r;

	if (!*email_key || !auth_policy()->is_mailing)
		return -EOPNOTSUPP;
	r = reset->is_dry_run ? 0 : mail_ask_await(MAIL_RESET, email_key);
	return r < 0 ? r : 1;
}

static int user_reset_run_await(struct user_reset *reset, struct arena *arena)
{
	int r = whom_find_await(&reset->whom, &reset->account);
	char key[EMAIL_BYTES_MAX + 1];
	struct str password, email;

	if (r <= 0)
		return r;
	/* That of an adopted account may not be foldable. */
	if (email_fold(str_cstr(reset->account.email), key, &email) < 0)
		key[0] = '\0';
	if (reset->is_mail)
		return reset_mail_await(reset, key);
	r = password_accept(arena, &reset->password, key, &password);
	if (r < 0)
		return r;
	return reset->is_dry_run ? 1 : account_password_set_await(reset->account.id, password);
}

static void user_reset_await(void *data)
{
	struct user_reset *reset = data;
	struct arena arena;

	arena_init(&arena, ARENA_CHUNK, ARENA_BYTES_MAX);
	reset->result = user_reset_run_await(reset, &arena);
	arena_deinit(&arena);
}

void user_reset_begin(struct control_request *request)
{
	struct user_reset reset = { .is_dry_run = request->is_dry_run,
		.is_mail = request_has(request, "mail") };

	if (password_read(request, "mail", &reset.password) &&
		whom_read(request, "user", &reset.whom))
		request_errand(request, user_reset_await, &reset, sizeof(reset));
	secret_wipe(&reset, sizeof(reset));
}

void handle_user_reset(struct control_request *request)
{
	const struct user_reset *reset = errand_data(request->errand);
	bool is_admin = request->peer->level == LEVEL_ADMIN;
	struct json_writer *w;

	if (reset->result == -EOPNOTSUPP) {
		request_fail(request, OUTCOME_UNAVAILABLE, "authctl config get mail.transport",
			"no mail can be sent to this account");
		return;
	}
	if (has_failed(request, reset->result, &reset->password))
		return;
	if (reset->result == 0) {
		people_nobody(request, "user");
		return;
	}
	w = request_row_begin(request);
	json_put_str(w, "id", str_cstr(reset->account.id));
	person_put_masked(w, "email", reset->account.email, is_admin);
	json_put_bool(w, "mailed", reset->is_mail && !reset->is_dry_run);
	json_put_bool(w, "done", !reset->is_dry_run);
	request_row_end(request);
}
