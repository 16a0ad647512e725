/*
 * user ..., session ..., key ...: accounts and sessions for operators. The store and the sessions'
 * rules run on a fiber of a core, as they do for requests; what is personal is masked below admin.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "auth/keys.h"
#include "auth/policy.h"
#include "auth/rotation.h"
#include "auth/sessions.h"
#include "control/handlers.h"
#include "control/people.h"
#include "core/network.h"
#include "core/shield.h"
#include "shared/clock.h"
#include "shared/err.h"
#include "shared/macros.h"
#include "shared/secret.h"
#include "store/upkeep.h"

#define MASKED_BYTES (STORE_EMAIL_BYTES_MAX + 8)

/* --- finding an account, by its address or its id --- */

bool whom_read(struct control_request *request, const char *argument, struct whom *whom)
{
	struct str text = request_text(request, argument), trimmed;
	int r = 0;

	whom->is_email = str_index(text, '@') >= 0;
	if (whom->is_email)
		r = email_fold(text, whom->key, &trimmed);
	else if (text.len > STORE_ID_BYTES_MAX || !text.len)
		r = -EINVAL;
	else
		(void)snprintf(whom->key, sizeof(whom->key), STR_FORMAT, STR_ARGS(text));
	if (r < 0)
		request_fail_argument(request, argument, "neither an email address nor an id");
	return r == 0;
}

/* The hash is of no use here, and gone at once. */
int whom_find_await(const struct whom *whom, struct account *account)
{
	int r = whom->is_email ? store_account_find_await(whom->key, account)
			       : store_account_get_await(whom->key, account);

	secret_wipe(account->hash, sizeof(account->hash));
	return r;
}

void people_failed(struct control_request *request, int error)
{
	if (error == -ETIMEDOUT)
		request_fail(request, OUTCOME_TIMEOUT, "authctl pool list", "%s", err_text(error));
	else
		request_fail(request, OUTCOME_UNAVAILABLE, "authctl health", "%s", err_text(error));
}

/* --- user show --- */

struct user_show {
	struct whom whom;
	int result;
	struct account account;
};

static void user_show_await(void *data)
{
	struct user_show *show = data;

	show->result = whom_find_await(&show->whom, &show->account);
}

void user_show_begin(struct control_request *request)
{
	struct user_show show = {};

	if (whom_read(request, "user", &show.whom))
		request_errand(request, user_show_await, &show, sizeof(show));
}

/* "a***@example.org": enough to tell two apart, not enough to write to them. */
void person_put_masked(struct json_writer *w, const char *key, const char *text, bool is_shown)
{
	char masked[MASKED_BYTES];
	const char *at = strchr(text, '@');

	if (is_shown || !*text) {
		json_put_str(w, key, str_cstr(text));
		return;
	}
	(void)snprintf(masked, sizeof(masked), "%c***%s", *text, at ? at : "");
	json_put_str(w, key, str_cstr(masked));
}

void person_put_address(
	struct json_writer *w, const char *key, struct str text, const struct peer *peer)
{
	ptrdiff_t slash = str_index(text, '/');
	struct str host = slash < 0 ? text : str_of(text.data, (size_t)slash);
	char masked[NETWORK_TEXT_BYTES];
	struct address address;

	if (peer->level < LEVEL_OPERATOR && address_parse_host(host, &address) == 0)
		text = network_text(&address, masked);
	json_put_str(w, key, text);
}

void person_put_time(struct json_writer *w, const char *key, int64_t ms)
{
	char text[CLOCK_RFC3339_BYTES];

	if (ms)
		json_put_str(w, key, clock_rfc3339(ms, text));
	else
		json_put_null(w, key);
}

static void put_roles(struct json_writer *w, const struct account *account)
{
	char text[STORE_ROLES_MAX * (STORE_ROLE_BYTES_MAX + 2)] = "";
	size_t used = 0;

	for (unsigned i = 0; i < account->role_count && i < STORE_ROLES_MAX; i++)
		used += (size_t)snprintf(
			text + used, sizeof(text) - used, "%s%s", i ? ", " : "", account->roles[i]);
	json_put_str(w, "roles", str_cstr(text));
}

void user_row(struct control_request *request, const struct account *account)
{
	bool is_admin = request->peer->level == LEVEL_ADMIN;
	int64_t locked_ms = account->attempts.locked_until_ms;
	struct json_writer *w = request_row_begin(request);

	json_put_str(w, "id", str_cstr(account->id));
	person_put_masked(w, "email", account->email, is_admin);
	json_put_bool(w, "email_verified", account->is_email_verified);
	person_put_masked(w, "name", account->name, is_admin);
	json_put_str(w, "status",
		account->status == ACCOUNT_SUSPENDED ? STR("suspended") : STR("active"));
	put_roles(w, account);
	person_put_time(w, "created", account->created_ms);
	person_put_time(w, "updated", account->updated_ms);
	person_put_time(w, "last_login", account->last_login_ms);
	json_put_u64(w, "failed_logins", account->attempts.count);
	person_put_time(w, "locked_until", locked_ms > clock_wall_ms() ? locked_ms : 0);
	request_row_end(request);
}

void people_nobody(struct control_request *request, const char *argument)
{
	request_fail(request, OUTCOME_NOT_FOUND, "authctl user list", "nobody is '" STR_FORMAT "'",
		STR_ARGS(request_text(request, argument)));
}

void handle_user_show(struct control_request *request)
{
	const struct user_show *show = errand_data(request->errand);

	if (show->result < 0)
		people_failed(request, show->result);
	else if (show->result == 0)
		people_nobody(request, "user");
	else
		user_row(request, &show->account);
}

/* --- session revoke --- */

struct session_revoke {
	struct whom whom;                /* of all sessions of an account */
	char id[STORE_ID_BYTES_MAX + 1]; /* else of this one; "" those of everybody */
	bool is_dry_run;
	int result;     /* 1 found and ended, 0 not there */
	uint64_t count; /* of everybody's */
};

static int session_revoke_one_await(const struct session_revoke *revoke)
{
	struct account account;
	struct session session;
	int r = store_session_find_await(revoke->id, clock_wall_ms(), &session, &account);

	secret_wipe(&account, sizeof(account));
	if (r > 0 && !revoke->is_dry_run) {
		int ended = session_end_await(revoke->id);

		r = ended < 0 ? ended : r;
	}
	return r;
}

static int session_revoke_all_await(const struct session_revoke *revoke)
{
	struct account account;
	int r = whom_find_await(&revoke->whom, &account);

	if (r > 0 && !revoke->is_dry_run) {
		int ended = sessions_end_await(account.id);

		r = ended < 0 ? ended : r;
	}
	secret_wipe(&account, sizeof(account));
	return r;
}

static int session_revoke_everybodys_await(struct session_revoke *revoke)
{
	int r = sessions_end_all_await(&revoke->count);

	return r < 0 ? r : 1;
}

static void session_revoke_await(void *data)
{
	struct session_revoke *revoke = data;

	if (revoke->whom.key[0])
		revoke->result = session_revoke_all_await(revoke);
	else if (revoke->id[0])
		revoke->result = session_revoke_one_await(revoke);
	else
		revoke->result = session_revoke_everybodys_await(revoke);
}

/* What it would end: counting blocks. */
static void sessions_count_run(void *data)
{
	struct session_revoke *revoke = data;
	int r = store_sessions_count_now(&revoke->count);

	revoke->result = r < 0 ? r : 1;
}

void session_revoke_begin(struct control_request *request)
{
	struct session_revoke revoke = { .is_dry_run = request->is_dry_run };
	struct str id = request_text(request, "id");

	if (request_has(request, "user") + request_has(request, "id") +
			request_has(request, "all") !=
		1) {
		request_fail_argument(request, "id", "a session's id, --user or --all");
		return;
	}
	if (request_has(request, "all") && revoke.is_dry_run) {
		request_block(request, sessions_count_run, &revoke, sizeof(revoke));
		return;
	}
	if (request_has(request, "user")) {
		if (!whom_read(request, "user", &revoke.whom))
			return;
	} else if (request_has(request, "id") && (!id.len || id.len > STORE_ID_BYTES_MAX)) {
		request_fail_argument(request, "id", "no such id");
		return;
	}
	(void)snprintf(revoke.id, sizeof(revoke.id), STR_FORMAT, STR_ARGS(id));
	request_errand(request, session_revoke_await, &revoke, sizeof(revoke));
}

void handle_session_revoke(struct control_request *request)
{
	const struct session_revoke *revoke = errand_data(request->errand);
	struct json_writer *w;

	if (revoke->result == -ETIMEDOUT && request_has(request, "all"))
		request_fail(request, OUTCOME_TIMEOUT, "the same command again",
			"not all have ended yet; it goes on for %d s more", SHIELD_EXTRA_MS / 1000);
	else if (revoke->result < 0)
		people_failed(request, revoke->result);
	if (revoke->result < 0)
		return;
	if (revoke->result == 0 && request_has(request, "user"))
		people_nobody(request, "user");
	else if (revoke->result == 0)
		request_fail(request, OUTCOME_NOT_FOUND, "authctl session list --user EMAIL",
			"no session that lives has the id '" STR_FORMAT "'",
			STR_ARGS(request_text(request, "id")));
	if (revoke->result == 0)
		return;
	w = request_row_begin(request);
	json_put_str(w, "id", request_text(request, "id"));
	json_put_str(w, "user", request_text(request, "user"));
	if (request_has(request, "all"))
		json_put_u64(w, "sessions", revoke->count);
	else
		json_put_null(w, "sessions");
	json_put_bool(w, "done", !revoke->is_dry_run);
	request_row_end(request);
}

/* --- key list --- */

static void key_row(struct str kid, enum signing_algorithm algorithm, bool is_active, void *arg)
{
	struct control_request *request = arg;
	struct json_writer *w = request_row_begin(request);

	json_put_str(w, "kid", kid);
	json_put_str(w, "algorithm", str_cstr(signing_algorithm_name(algorithm)));
	json_put_bool(w, "signs", is_active);
	request_row_end(request);
}

/* The policy is swapped by this thread alone: it cannot go while it is read here. */
void handle_key_list(struct control_request *request)
{
	keys_each(auth_policy()->tokens.keys, key_row, request);
}

/* The key itself is made by the thread of the keys: an RSA one takes a second. */
void handle_key_rotate(struct control_request *request)
{
	int r = request->is_dry_run ? rotation_check() : rotation_request();
	struct json_writer *w;

	if (r < 0) {
		request_fail(request, OUTCOME_CONFLICT, NULL,
			"the secret is shared with others: replace it in token.secret_file");
		return;
	}
	w = request_row_begin(request);
	json_put_bool(w, "done", !request->is_dry_run);
	request_row_end(request);
}
