/*
 * user list, session list, user lock, unlock and delete: many at a time, and what changes one. As
 * in people.c everything that needs the store runs on a fiber of a core.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/administer.h"
#include "control/handlers.h"
#include "control/people.h"
#include "shared/clock.h"
#include "shared/macros.h"
#include "shared/secret.h"

/* --- user list: a page, by id --- */

#define USERS_MAX 100

struct user_line {
	char id[STORE_ID_BYTES_MAX + 1], email[STORE_EMAIL_BYTES_MAX + 1];
	enum account_status status;
	int64_t created_ms, last_login_ms;
};

struct user_page {
	char after[STORE_ID_BYTES_MAX + 1];
	char prefix[STORE_EMAIL_BYTES_MAX + 1]; /* "": by id */
	int status;                             /* enum account_status; -1: any */
	unsigned limit, count;
	bool has_more;
	int result;
	struct user_line lines[USERS_MAX];
};

static void user_take(const struct account *account, void *arg)
{
	struct user_page *page = arg;
	struct user_line *line = &page->lines[page->count];

	if (page->count == page->limit) {
		page->has_more = true;
		return;
	}
	page->count++;
	memcpy(line->id, account->id, sizeof(line->id));
	memcpy(line->email, account->email, sizeof(line->email));
	line->status = account->status;
	line->created_ms = account->created_ms;
	line->last_login_ms = account->last_login_ms;
}

static void user_list_await(void *data)
{
	struct user_page *page = data;
	const struct accounts_query query = { .after = page->after,
		.prefix = page->prefix[0] ? page->prefix : NULL,
		.status = page->status,
		.rows_max = page->limit + 1 };

	page->result = store_accounts_list_await(&query, user_take, page);
}

/* As addresses are folded. False: the failure is set. */
static bool prefix_read(struct control_request *request, struct user_page *page)
{
	struct str prefix = str_trim(request_text(request, "prefix"));
	bool is_alone = !request_has(request, "after") && !request_has(request, "status");

	if (!request_has(request, "prefix"))
		return true;
	if (!is_alone)
		request_fail_argument(request, "prefix", "without --after and --status");
	else if (!prefix.len || prefix.len > STORE_EMAIL_BYTES_MAX || !str_is_utf8(prefix))
		request_fail_argument(request, "prefix", "the beginning of an email address");
	for (size_t i = 0; i < prefix.len && i < STORE_EMAIL_BYTES_MAX; i++)
		page->prefix[i] = ascii_lower(prefix.data[i]);
	return request->failure.outcome == OUTCOME_OK;
}

void user_list_begin(struct control_request *request)
{
	struct str after = request_text(request, "after"), status = request_text(request, "status");
	struct user_page *page = calloc(1, sizeof(*page));

	static_assert(USERS_MAX < STORE_PAGE_MAX, "one more tells whether there is more");
	if (!page || after.len > STORE_ID_BYTES_MAX) {
		request_fail_argument(request, "after", "no such id");
		free(page);
		return;
	}
	(void)snprintf(page->after, sizeof(page->after), STR_FORMAT, STR_ARGS(after));
	page->status = !status.len                           ? -1
		       : str_equal(status, STR("suspended")) ? ACCOUNT_SUSPENDED
							     : ACCOUNT_ACTIVE;
	page->limit = (unsigned)MIN(request_number(request, "limit", USERS_MAX), USERS_MAX);
	page->limit = MAX(page->limit, 1);
	if (prefix_read(request, page))
		request_errand(request, user_list_await, page, sizeof(*page));
	free(page);
}

void handle_user_list(struct control_request *request)
{
	const struct user_page *page = errand_data(request->errand);
	bool is_admin = request->peer->level == LEVEL_ADMIN;

	if (page->result < 0) {
		people_failed(request, page->result);
		return;
	}
	for (unsigned i = 0; i < page->count; i++) {
		const struct user_line *line = &page->lines[i];
		struct json_writer *w = request_row_begin(request);

		json_put_str(w, "id", str_cstr(line->id));
		person_put_masked(w, "email", line->email, is_admin);
		json_put_str(w, "status",
			line->status == ACCOUNT_SUSPENDED ? STR("suspended") : STR("active"));
		person_put_time(w, "created", line->created_ms);
		person_put_time(w, "last_login", line->last_login_ms);
		request_row_end(request);
	}
	if (page->has_more && page->prefix[0])
		request_notice(request, "there are more that begin so");
	else if (page->has_more && page->count)
		request_notice(request, "there are more: authctl user list --after %s",
			page->lines[page->count - 1].id);
}

/* --- session list --- */

struct session_page {
	struct whom whom;
	int result; /* 1; 0: nobody */
	unsigned count;
	struct session sessions[STORE_SESSIONS_PER_ACCOUNT_MAX];
};

static void session_take(const struct session *session, void *arg)
{
	struct session_page *page = arg;

	if (page->count < STORE_SESSIONS_PER_ACCOUNT_MAX)
		page->sessions[page->count++] = *session;
}

static void session_list_await(void *data)
{
	struct session_page *page = data;
	struct account account;
	int r;

	page->result = whom_find_await(&page->whom, &account);
	if (page->result <= 0)
		return;
	r = store_sessions_list_await(account.id, clock_wall_ms(), session_take, page);
	page->result = r < 0 ? r : 1;
	secret_wipe(&account, sizeof(account));
}

void session_list_begin(struct control_request *request)
{
	struct session_page *page = calloc(1, sizeof(*page));

	if (!page)
		request_fail(request, OUTCOME_FAILED, NULL, "no memory");
	else if (whom_read(request, "user", &page->whom))
		request_errand(request, session_list_await, page, sizeof(*page));
	free(page);
}

void handle_session_list(struct control_request *request)
{
	const struct session_page *page = errand_data(request->errand);

	if (page->result < 0)
		people_failed(request, page->result);
	else if (page->result == 0)
		people_nobody(request, "user");
	for (unsigned i = 0; page->result > 0 && i < page->count; i++) {
		const struct session *session = &page->sessions[i];
		struct json_writer *w = request_row_begin(request);

		json_put_str(w, "id", str_cstr(session->id));
		json_put_str(w, "address", str_cstr(session->address));
		json_put_str(w, "agent", str_cstr(session->agent));
		person_put_time(w, "created", session->created_ms);
		person_put_time(w, "used", session->used_ms);
		person_put_time(w, "ends", MIN(session->idle_until_ms, session->ends_ms));
		request_row_end(request);
	}
}

/* --- lock, unlock, delete --- */

enum user_wish { USER_LOCK, USER_UNLOCK, USER_DELETE };

struct user_change {
	struct whom whom;
	enum user_wish wish;
	bool is_dry_run;
	int result;             /* 1; 0: nobody */
	struct account account; /* as it is afterwards; as it was when it is deleted */
};

static int user_change_run_await(struct user_change *change)
{
	char id[STORE_ID_BYTES_MAX + 1];
	int r = whom_find_await(&change->whom, &change->account);

	if (r <= 0 || change->is_dry_run)
		return r;
	memcpy(id, change->account.id, sizeof(id));
	if (change->wish == USER_DELETE)
		return account_delete_await(id);
	return account_status_set_await(id,
		change->wish == USER_LOCK ? ACCOUNT_SUSPENDED : ACCOUNT_ACTIVE, &change->account);
}

static void user_change_await(void *data)
{
	struct user_change *change = data;

	change->result = user_change_run_await(change);
	secret_wipe(change->account.hash, sizeof(change->account.hash));
}

static void user_change_begin(struct control_request *request, enum user_wish wish)
{
	struct user_change change = { .wish = wish, .is_dry_run = request->is_dry_run };

	if (whom_read(request, "user", &change.whom))
		request_errand(request, user_change_await, &change, sizeof(change));
}

void user_lock_begin(struct control_request *request)
{
	user_change_begin(request, USER_LOCK);
}

void user_unlock_begin(struct control_request *request)
{
	user_change_begin(request, USER_UNLOCK);
}

void user_delete_begin(struct control_request *request)
{
	user_change_begin(request, USER_DELETE);
}

void handle_user_change(struct control_request *request)
{
	const struct user_change *change = errand_data(request->errand);

	if (change->result < 0) {
		people_failed(request, change->result);
		return;
	}
	if (change->result == 0) {
		people_nobody(request, "user");
		return;
	}
	user_row(request, &change->account);
	if (change->wish == USER_LOCK)
		request_notice(request, "undo: authctl user unlock " STR_FORMAT,
			STR_ARGS(request_text(request, "user")));
}
