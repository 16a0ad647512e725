/* See fields.h. */
#include "api/fields.h"

#include <assert.h>
#include <errno.h>

#include "shared/clock.h"

static int refuse_length(struct call *call, struct response *response, const struct field *field)
{
	struct str why = arena_printf(
		call->request->arena, "is too long: at most %u characters", field->points_max);

	response_invalid(response, field->name, why.data ? why.data : "is too long");
	return 1;
}

int field_text(
	struct call *call, struct response *response, const char *name, struct str *ret_value)
{
	const struct field *field = route_field(call->request->route, name);
	const struct json *member = json_member(call->body, name);
	int r = json_get_str(member, ret_value);

	assert(field && (field->type == FIELD_TEXT || field->type == FIELD_PASSWORD));
	if (r == 0 && field->points_max && str_utf8_count(*ret_value) > field->points_max)
		return refuse_length(call, response, field);
	if (r == 0)
		return 0;
	if (r == -ENOENT &&
		(field->need == FIELD_OPTIONAL || (field->need == FIELD_NULLABLE && member))) {
		*ret_value = (struct str){};
		return 0;
	}
	response_invalid(response, name, r == -ENOENT ? "is required" : "must be a text");
	return 1;
}

int field_name(struct call *call, struct response *response, struct str *ret_name)
{
	struct str name;

	if (field_text(call, response, "name", &name))
		return 1;
	name = str_trim(name);
	if (name.len > STORE_NAME_BYTES_MAX) {
		response_invalid(response, "name", "is too long: at most 256 bytes");
		return 1;
	}
	for (size_t i = 0; i < name.len; i++)
		if ((unsigned char)name.data[i] < ' ' || name.data[i] == 0x7f) {
			response_invalid(response, "name", "must have no control characters");
			return 1;
		}
	*ret_name = name;
	return 0;
}

struct client client_of(const struct request *request)
{
	return (struct client){ .agent = request_header(request, STR("User-Agent")),
		.address = request->peer };
}

void put_time(struct json_writer *w, const char *key, int64_t wall_ms)
{
	char text[CLOCK_RFC3339_BYTES];

	if (wall_ms)
		json_put_str(w, key, clock_rfc3339(wall_ms, text));
	else
		json_put_null(w, key);
}

static void put_account(struct json_writer *w, const char *key, const struct account *account)
{
	json_begin_object(w, key);
	json_put_str(w, "id", str_cstr(account->id));
	json_put_str(w, "email", str_cstr(account->email));
	json_put_bool(w, "email_verified", account->is_email_verified);
	if (account->name[0])
		json_put_str(w, "name", str_cstr(account->name));
	else
		json_put_null(w, "name");
	json_put_str(w, "status",
		account->status == ACCOUNT_SUSPENDED ? STR("suspended") : STR("active"));
	json_begin_array(w, "roles");
	for (unsigned i = 0; i < account->role_count; i++)
		json_put_str(w, NULL, str_cstr(account->roles[i]));
	json_end_array(w);
	put_time(w, "created_at", account->created_ms);
	put_time(w, "updated_at", account->updated_ms);
	put_time(w, "last_login_at", account->last_login_ms);
	json_end_object(w);
}

void put_user(struct json_writer *w, const struct account *account)
{
	put_account(w, "user", account);
}

void put_user_row(struct json_writer *w, const struct account *account)
{
	put_account(w, NULL, account);
}

int respond_grant(struct response *response, unsigned status, const struct grant *grant)
{
	struct json_writer *w = response_begin(response, status);
	int r;

	put_user(w, &grant->account);
	json_put_str(w, "access_token", str_cstr(grant->access));
	json_put_str(w, "refresh_token", str_cstr(grant->refresh));
	json_put_str(w, "token_type", STR("Bearer"));
	json_put_i64(w, "expires_in", grant->expires_in_s);
	r = response_header(response, "Cache-Control", STR("no-store"));
	return r < 0 ? r : response_end(response);
}

int respond_locked(struct response *response, int64_t retry_ms)
{
	response_problem(response, PROBLEM_TOO_MANY_ATTEMPTS);
	/* Rounded up: a client that waits so long is not too early. */
	return response_header_u64(response, "Retry-After", (uint64_t)(retry_ms + 999) / 1000);
}
