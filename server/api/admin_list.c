/*
 * Lists of accounts for administrators: what a query may say, and pages that go on behind an id.
 * What may be done to one account is admin_users.c.
 */
#include "api/routes.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "api/cursors.h"
#include "api/fields.h"
#include "auth/emails.h"
#include "shared/macros.h"
#include "shared/urlencoded.h"

#define PAGE_DEFAULT 20
#define PAGE_MAX 100
static_assert(PAGE_MAX < STORE_PAGE_MAX, "one more tells whether there is another page");

/* A user in JSON: name and address of control characters, each written as six. A page ends where
 * another might not fit. */
#define USER_JSON_BYTES_MAX 8192

/* --- what is wished --- */

struct wish {
	struct accounts_query query;
	char after[STORE_ID_BYTES_MAX + 1];
	char email_key[EMAIL_BYTES_MAX + 1];
};

static const char *limit_read(struct str text, struct wish *wish)
{
	uint64_t limit;

	if (str_to_u64(text, &limit) < 0 || limit < 1 || limit > PAGE_MAX)
		return "must be a number from 1 to 100";
	wish->query.rows_max = (unsigned)limit + 1;
	return NULL;
}

static const char *cursor_take(struct str text, struct wish *wish)
{
	if (cursor_read(text, wish->after) < 0)
		return "is not a cursor of this list";
	return NULL;
}

static const char *email_read(struct str text, struct wish *wish)
{
	struct str email;

	if (email_fold(text, wish->email_key, &email) < 0)
		return "is not an email address";
	wish->query.email_key = wish->email_key;
	return NULL;
}

static const char *status_read(struct str text, struct wish *wish)
{
	if (str_equal(text, STR("active")))
		wish->query.status = ACCOUNT_ACTIVE;
	else if (str_equal(text, STR("suspended")))
		wish->query.status = ACCOUNT_SUSPENDED;
	else
		return "must be active or suspended";
	return NULL;
}

/* 0, or 1 after a 422 that names what is wrong. What is not understood is refused: a filter that
 * was misspelt would show everybody. */
static int wish_read(struct call *call, struct response *response, struct wish *wish)
{
	static const struct {
		struct str name;
		const char *(*read)(struct str text, struct wish *wish);
	} rows[] = { { STR("limit"), limit_read }, { STR("cursor"), cursor_take },
		{ STR("email"), email_read }, { STR("status"), status_read } };
	struct urlencoded fields;
	int r = urlencoded_parse(call->request->arena, call->request->query, &fields);

	if (r == -ENOMEM)
		return r;
	if (r < 0) {
		response_invalid(response, "query", "is malformed");
		return 1;
	}
	for (unsigned i = 0; i < fields.count; i++) {
		const struct urlencoded_field *field = &fields.fields[i];
		const char *why = "is not known here";

		for (size_t j = 0; j < ARRAY_SIZE(rows); j++)
			if (str_equal(field->name, rows[j].name))
				why = rows[j].read(field->value, wish);
		if (why) {
			/* With a terminator, for the answer. */
			struct str name = arena_str(call->request->arena, field->name);

			response_invalid(response, name.data ? name.data : "query", why);
			return 1;
		}
	}
	return 0;
}

/* --- the page --- */

struct page {
	struct response *response;
	struct json_writer *w;
	unsigned count, rows_max; /* rows_max: one of them only says that there are more */
	bool has_more;
	char last_id[STORE_ID_BYTES_MAX + 1];
};

static void put_row(const struct account *account, void *arg)
{
	struct page *page = arg;

	if (page->count + 1 == page->rows_max ||
		page->response->body.len > RESPONSE_BODY_BYTES_MAX - 2 * USER_JSON_BYTES_MAX) {
		page->has_more = true;
		return;
	}
	put_user_row(page->w, account);
	memcpy(page->last_id, account->id, sizeof(page->last_id));
	page->count++;
}

int api_admin_users(struct call *call, struct response *response)
{
	struct wish wish = { .query = { .status = -1, .rows_max = PAGE_DEFAULT + 1 } };
	struct page page = { .response = response };
	char cursor[CURSOR_BYTES];
	int r = wish_read(call, response, &wish);

	if (r != 0)
		return MIN(r, 0);
	wish.query.after = wish.after;
	page.w = response_begin(response, 200);
	page.rows_max = wish.query.rows_max;
	json_begin_array(page.w, "users");
	r = store_accounts_list_await(&wish.query, put_row, &page);
	if (r < 0)
		return r;
	json_end_array(page.w);
	if (page.has_more)
		json_put_str(page.w, "next_cursor", cursor_write(page.last_id, cursor));
	else
		json_put_null(page.w, "next_cursor");
	r = response_header(response, "Cache-Control", STR("no-store"));
	return r < 0 ? r : response_end(response);
}
