/*
 * Accounts as documents, in our own collection or in one that an application made: which field is
 * which is configured. Fields that we do not know are never touched: a document is never replaced.
 */
#include "store/mongo_db.h"

#include <stdio.h>
#include <string.h>

#include "store/records.h"

/* `email` holds the folded address, as mongoose's lowercase does; what was typed is here, where it
 * differs. */
#define EMAIL_TYPED "emailTyped"

struct mongo_shared mongo_shared;

#define FIELD(name) (mongo_shared.fields.name)

const char *mongo_field(const char *name)
{
	const struct {
		const char *name, *field;
	} map[] = { { "<email>", FIELD(email) }, { "<password>", FIELD(password) },
		{ "<status>", FIELD(status) }, { "<updated>", FIELD(updated) },
		{ "<attempts>", FIELD(attempts) }, { "<locked_until>", FIELD(locked_until) } };

	for (size_t i = 0; i < ARRAY_SIZE(map); i++)
		if (strcmp(map[i].name, name) == 0)
			return map[i].field;
	return name;
}

/* --- ids --- */

bool mongo_is_object_id(const char *id)
{
	return strlen(id) == 24 && strspn(id, "0123456789abcdef") == 24;
}

void mongo_id_append(bson_t *bson, const char *key, const char *id)
{
	bson_oid_t oid;

	if (!mongo_is_object_id(id)) {
		bson_append_utf8(bson, key, -1, id, -1);
		return;
	}
	bson_oid_init_from_string(&oid, id);
	bson_append_oid(bson, key, -1, &oid);
}

bson_t *mongo_id_filter(const char *id)
{
	bson_t *filter = bson_new();

	mongo_id_append(filter, "_id", id);
	return filter;
}

/* --- reading --- */

static bool find(const bson_t *document, const char *path, bson_iter_t *ret_iter)
{
	bson_iter_t iter;

	return bson_iter_init(&iter, document) && bson_iter_find_descendant(&iter, path, ret_iter);
}

/* Text that is longer than a field of ours is cut where a character begins. */
static void text_take(char *text, size_t bytes, const char *from, size_t length)
{
	size_t taken = MIN(length, bytes - 1);

	while (taken < length && taken > 0 && ((unsigned char)from[taken] & 0xc0) == 0x80)
		taken--;
	memcpy(text, from, taken);
	text[taken] = '\0';
}

bool mongo_text_read(const bson_t *document, const char *path, char *text, size_t bytes)
{
	bson_iter_t iter;
	const char *value;
	uint32_t length;

	text[0] = '\0';
	if (!find(document, path, &iter))
		return false;
	if (BSON_ITER_HOLDS_OID(&iter) && bytes > 24) {
		bson_oid_to_string(bson_iter_oid(&iter), text);
		return true;
	}
	if (!BSON_ITER_HOLDS_UTF8(&iter))
		return false;
	value = bson_iter_utf8(&iter, &length);
	text_take(text, bytes, value, strnlen(value, length));
	return length < bytes;
}
#define TEXT_READ(document, path, array) mongo_text_read((document), (path), (array), sizeof(array))

int64_t mongo_time_read(const bson_t *document, const char *path)
{
	bson_iter_t iter;

	if (!find(document, path, &iter))
		return 0;
	if (BSON_ITER_HOLDS_DATE_TIME(&iter))
		return bson_iter_date_time(&iter);
	return BSON_ITER_HOLDS_NUMBER(&iter) ? bson_iter_as_int64(&iter) : 0;
}

int64_t mongo_number_read(const bson_t *document, const char *path, int64_t otherwise)
{
	bson_iter_t iter;

	return find(document, path, &iter) ? bson_iter_as_int64(&iter) : otherwise;
}

static bool bool_read(const bson_t *document, const char *path)
{
	bson_iter_t iter;

	return find(document, path, &iter) && bson_iter_as_bool(&iter);
}

/* Nothing there is an active account; what is there must be the configured word, or true. */
static enum account_status status_read(const bson_t *document)
{
	bson_iter_t iter;

	if (!find(document, FIELD(status), &iter) || BSON_ITER_HOLDS_NULL(&iter))
		return ACCOUNT_ACTIVE;
	if (BSON_ITER_HOLDS_UTF8(&iter))
		return strcmp(bson_iter_utf8(&iter, NULL), FIELD(active)) == 0 ? ACCOUNT_ACTIVE
									       : ACCOUNT_SUSPENDED;
	return BSON_ITER_HOLDS_BOOL(&iter) && bson_iter_bool(&iter) ? ACCOUNT_ACTIVE
								    : ACCOUNT_SUSPENDED;
}

/* False: it is left out. */
static bool role_take(const bson_iter_t *iter, struct account *account)
{
	uint32_t length;
	const char *role = bson_iter_utf8(iter, &length);

	if (length == 0)
		return true; /* none */
	if (!role_is_fit(str_of(role, length)) || account->role_count == STORE_ROLES_MAX)
		return false;
	memcpy(account->roles[account->role_count++], role, length + 1);
	return true;
}

unsigned mongo_roles_read(const bson_t *document, struct account *account)
{
	bson_iter_t iter, role;
	unsigned left_out = 0;

	account->role_count = 0;
	if (!find(document, FIELD(roles), &iter))
		return 0;
	if (BSON_ITER_HOLDS_UTF8(&iter))
		return !role_take(&iter, account);
	if (!BSON_ITER_HOLDS_ARRAY(&iter) || !bson_iter_recurse(&iter, &role))
		return 0;
	while (bson_iter_next(&role))
		if (BSON_ITER_HOLDS_UTF8(&role))
			left_out += !role_take(&role, account);
	return left_out;
}

void mongo_attempts_read(const bson_t *document, const char *count_key, const char *until_key,
	struct login_attempts *attempts)
{
	int64_t count = mongo_number_read(document, count_key, 0);

	attempts->count = (uint32_t)MAX(MIN(count, (int64_t)UINT32_MAX), 0);
	attempts->locked_until_ms = mongo_time_read(document, until_key);
}

bool mongo_id_read(const bson_t *document, char id[static STORE_ID_BYTES_MAX + 1])
{
	return mongo_text_read(document, "_id", id, STORE_ID_BYTES_MAX + 1) &&
	       id_is_fit(str_cstr(id));
}

/* False: it has no id or address that we could work with. */
bool mongo_account_read(const bson_t *document, struct account *account)
{
	memset(account, 0, sizeof(*account));
	if (!mongo_id_read(document, account->id) ||
		!TEXT_READ(document, FIELD(email), account->email_key))
		return false;
	for (char *c = account->email_key; *c; c++)
		*c = ascii_lower(*c);
	if (!TEXT_READ(document, EMAIL_TYPED, account->email))
		(void)TEXT_READ(document, FIELD(email), account->email);
	(void)TEXT_READ(document, FIELD(name), account->name);
	/* An account without a password, or with one that was cut, cannot log in by one. */
	if (!TEXT_READ(document, FIELD(password), account->hash))
		memcpy(account->hash, "!", 2);
	(void)mongo_roles_read(document, account);
	account->status = status_read(document);
	account->is_email_verified = bool_read(document, FIELD(verified));
	account->created_ms = mongo_time_read(document, FIELD(created));
	account->updated_ms = mongo_time_read(document, FIELD(updated));
	account->last_login_ms = mongo_time_read(document, FIELD(last_login));
	mongo_attempts_read(document, FIELD(attempts), FIELD(locked_until), &account->attempts);
	return true;
}

/* --- writing --- */

void mongo_status_append(bson_t *set, enum account_status status)
{
	bson_append_utf8(
		set, FIELD(status), -1, status == ACCOUNT_ACTIVE ? FIELD(active) : "suspended", -1);
}

static void roles_append(bson_t *set, const struct account *account)
{
	char index[16];
	bson_t roles;

	bson_append_array_begin(set, FIELD(roles), -1, &roles);
	for (unsigned i = 0; i < account->role_count; i++) {
		(void)snprintf(index, sizeof(index), "%u", i);
		bson_append_utf8(&roles, index, -1, account->roles[i], -1);
	}
	bson_append_array_end(set, &roles);
}

void mongo_account_append(bson_t *set, const struct account *account)
{
	bson_append_utf8(set, FIELD(email), -1, account->email_key, -1);
	if (strcmp(account->email, account->email_key) != 0)
		bson_append_utf8(set, EMAIL_TYPED, -1, account->email, -1);
	bson_append_utf8(set, FIELD(name), -1, account->name, -1);
	bson_append_utf8(set, FIELD(password), -1, account->hash, -1);
	roles_append(set, account);
	mongo_status_append(set, account->status);
	bson_append_bool(set, FIELD(verified), -1, account->is_email_verified);
	bson_append_date_time(set, FIELD(created), -1, account->created_ms);
	bson_append_date_time(set, FIELD(updated), -1, account->updated_ms);
	if (account->last_login_ms)
		bson_append_date_time(set, FIELD(last_login), -1, account->last_login_ms);
	mongo_attempts_append(set, FIELD(attempts), FIELD(locked_until), &account->attempts);
}

void mongo_change_append(bson_t *update, const struct store_call *call)
{
	const struct account *account = &call->account;
	bool is_typed_folded = call->fields & ACCOUNT_FIELD_EMAIL &&
			       strcmp(account->email, account->email_key) == 0;
	bson_t set;

	bson_append_document_begin(update, "$set", -1, &set);
	bson_append_date_time(&set, FIELD(updated), -1, call->now_ms);
	if (call->fields & ACCOUNT_FIELD_EMAIL)
		bson_append_utf8(&set, FIELD(email), -1, account->email_key, -1);
	if (call->fields & ACCOUNT_FIELD_EMAIL && !is_typed_folded)
		bson_append_utf8(&set, EMAIL_TYPED, -1, account->email, -1);
	if (call->fields & ACCOUNT_FIELD_NAME)
		bson_append_utf8(&set, FIELD(name), -1, account->name, -1);
	if (call->fields & ACCOUNT_FIELD_ROLES)
		roles_append(&set, account);
	if (call->fields & ACCOUNT_FIELD_STATUS)
		mongo_status_append(&set, account->status);
	if (call->fields & ACCOUNT_FIELD_VERIFIED)
		bson_append_bool(&set, FIELD(verified), -1, account->is_email_verified);
	if (call->fields & ACCOUNT_FIELD_PASSWORD) {
		bson_append_utf8(&set, FIELD(password), -1, account->hash, -1);
		mongo_attempts_append(
			&set, FIELD(attempts), FIELD(locked_until), &(struct login_attempts){});
	}
	bson_append_document_end(update, &set);
	if (is_typed_folded)
		BCON_APPEND(update, "$unset", "{", EMAIL_TYPED, BCON_UTF8(""), "}");
}

void mongo_attempts_append(bson_t *set, const char *count_key, const char *until_key,
	const struct login_attempts *attempts)
{
	bson_append_int64(set, count_key, -1, attempts->count);
	if (attempts->locked_until_ms)
		bson_append_date_time(set, until_key, -1, attempts->locked_until_ms);
	else
		bson_append_null(set, until_key, -1);
}

/* As applications may have written them: nothing is 0, and a time may be a number. */
void mongo_attempts_expect(bson_t *filter, const char *count_key, const char *until_key,
	const struct login_attempts *attempts)
{
	if (attempts->count)
		bson_append_int64(filter, count_key, -1, attempts->count);
	else
		BCON_APPEND(filter, count_key, "{", "$in", "[", BCON_INT32(0), BCON_NULL, "]", "}");
	if (attempts->locked_until_ms)
		BCON_APPEND(filter, until_key, "{", "$in", "[",
			BCON_DATE_TIME(attempts->locked_until_ms),
			BCON_INT64(attempts->locked_until_ms), "]", "}");
	else
		BCON_APPEND(filter, until_key, "{", "$in", "[", BCON_NULL, BCON_INT32(0),
			BCON_DATE_TIME(0), "]", "}");
}
