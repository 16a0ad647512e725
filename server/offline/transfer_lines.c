/* The lines of an export: see transfer_lines.h. */
#include "offline/transfer_lines.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base64url.h"
#include "shared/err.h"
#include "shared/json.h"
#include "shared/macros.h"
#include "shared/secret.h"
#include "store/records.h"

#define VERSION 1

static const char *const types[TRANSFER_TYPES] = { "authd", "account", "session", "key", "end" };

/* --- the sum --- */

void transfer_sum_add(struct transfer_sum *sum, struct str line)
{
	unsigned char both[SHA256_BYTES + TRANSFER_LINE_BYTES_MAX];
	struct transfer_sum before = *sum;

	/* The type is the first member, and its first letters tell it from the others. */
	for (unsigned i = 0; i < TRANSFER_TYPES; i++) {
		char start[32];
		int n = snprintf(start, sizeof(start), "{\"type\":\"%s\"", types[i]);

		if (str_starts(line, str_of(start, (size_t)n)))
			sum->counts[i]++;
	}
	memcpy(both, before.digest, SHA256_BYTES);
	memcpy(both + SHA256_BYTES, line.data, line.len);
	sha256(str_of((const char *)both, SHA256_BYTES + line.len), sum->digest);
	secret_wipe(both, sizeof(both));
}

/* --- printing --- */

static struct json_writer line_begin(struct buf *text, enum transfer_type type)
{
	struct json_writer w;

	buf_clear(text);
	w = json_writer_init(text);
	json_begin_object(&w, NULL);
	json_put_str(&w, "type", str_cstr(types[type]));
	return w;
}

static int line_end(struct json_writer *w)
{
	json_end_object(w);
	return json_writer_finish(w);
}

static void put_bytes(struct json_writer *w, const char *key, const void *data, size_t bytes)
{
	char text[BASE64URL_BYTES(STORE_KEY_BYTES_MAX)];

	json_put_str(w, key, str_of(text, base64url_encode(data, bytes, text)));
	secret_wipe(text, sizeof(text));
}

int transfer_head_print(struct buf *text)
{
	struct json_writer w = line_begin(text, TRANSFER_HEAD);

	json_put_u64(&w, "version", VERSION);
	return line_end(&w);
}

int transfer_account_print(const struct account *account, struct buf *text)
{
	struct json_writer w = line_begin(text, TRANSFER_ACCOUNT);

	json_put_str(&w, "id", str_cstr(account->id));
	json_put_str(&w, "email", str_cstr(account->email));
	json_put_str(&w, "email_key", str_cstr(account->email_key));
	json_put_str(&w, "name", str_cstr(account->name));
	json_put_str(&w, "hash", str_cstr(account->hash));
	json_begin_array(&w, "roles");
	for (unsigned i = 0; i < account->role_count; i++)
		json_put_str(&w, NULL, str_cstr(account->roles[i]));
	json_end_array(&w);
	json_put_bool(&w, "suspended", account->status == ACCOUNT_SUSPENDED);
	json_put_bool(&w, "email_verified", account->is_email_verified);
	json_put_i64(&w, "created_ms", account->created_ms);
	json_put_i64(&w, "updated_ms", account->updated_ms);
	json_put_i64(&w, "last_login_ms", account->last_login_ms);
	json_put_i64(&w, "attempts", account->attempts.count);
	json_put_i64(&w, "locked_until_ms", account->attempts.locked_until_ms);
	return line_end(&w);
}

typedef __typeof__(((struct session_record *)0)->tokens[0]) token_t;

/* By time, then by hash: in one order, whatever the store. */
static int token_compare(const void *a, const void *b)
{
	const token_t *x = a, *y = b;

	if (x->created_ms != y->created_ms)
		return x->created_ms < y->created_ms ? -1 : 1;
	return memcmp(x->hash, y->hash, sizeof(x->hash));
}

int transfer_session_print(struct session_record *record, struct buf *text)
{
	struct json_writer w = line_begin(text, TRANSFER_SESSION);
	const struct session *session = &record->session;

	json_put_str(&w, "id", str_cstr(session->id));
	json_put_str(&w, "account", str_cstr(session->account_id));
	put_bytes(&w, "client", session->client, STORE_DIGEST_BYTES);
	json_put_str(&w, "agent", str_cstr(session->agent));
	json_put_str(&w, "address", str_cstr(session->address));
	json_put_i64(&w, "created_ms", session->created_ms);
	json_put_i64(&w, "used_ms", session->used_ms);
	json_put_i64(&w, "idle_until_ms", session->idle_until_ms);
	json_put_i64(&w, "ends_ms", session->ends_ms);
	qsort(record->tokens, record->token_count, sizeof(record->tokens[0]), token_compare);
	json_begin_array(&w, "tokens");
	for (unsigned i = 0; i < record->token_count; i++) {
		json_begin_object(&w, NULL);
		put_bytes(&w, "hash", record->tokens[i].hash, STORE_DIGEST_BYTES);
		json_put_i64(&w, "created_ms", record->tokens[i].created_ms);
		json_put_i64(&w, "used_ms", record->tokens[i].used_ms);
		json_end_object(&w);
	}
	json_end_array(&w);
	return line_end(&w);
}

int transfer_key_print(const struct store_key *key, struct buf *text)
{
	struct json_writer w = line_begin(text, TRANSFER_KEY);

	json_put_str(&w, "kid", str_cstr(key->kid));
	json_put_str(&w, "algorithm", str_cstr(key->algorithm));
	put_bytes(&w, "material", key->material, key->material_bytes);
	json_put_bool(&w, "active", key->is_active);
	json_put_i64(&w, "created_ms", key->created_ms);
	return line_end(&w);
}

int transfer_end_print(const struct transfer_sum *sum, struct buf *text)
{
	struct json_writer w = line_begin(text, TRANSFER_END);

	json_put_u64(&w, "accounts", sum->counts[TRANSFER_ACCOUNT]);
	json_put_u64(&w, "sessions", sum->counts[TRANSFER_SESSION]);
	json_put_u64(&w, "keys", sum->counts[TRANSFER_KEY]);
	put_bytes(&w, "sha256", sum->digest, SHA256_BYTES);
	return line_end(&w);
}

/* --- parsing: the first error sticks --- */

struct reader {
	const struct json *root;
	int error;
};

static void read_text(struct reader *reader, const char *key, char *text, size_t bytes)
{
	struct str value;

	if (json_get_str(json_member(reader->root, key), &value) < 0 || value.len >= bytes) {
		reader->error = -ERR_MALFORMED;
		return;
	}
	memcpy(text, value.data ? value.data : "", value.len);
	text[value.len] = '\0';
}
#define READ_TEXT(reader, key, array) read_text((reader), (key), (array), sizeof(array))

static int64_t read_number(struct reader *reader, const char *key)
{
	int64_t value = 0;

	if (json_get_i64(json_member(reader->root, key), &value) < 0)
		reader->error = -ERR_MALFORMED;
	return value;
}

static bool read_bool(struct reader *reader, const char *key)
{
	bool value = false;

	if (json_get_bool(json_member(reader->root, key), &value) < 0)
		reader->error = -ERR_MALFORMED;
	return value;
}

static size_t read_bytes(struct reader *reader, const char *key, void *data, size_t bytes_max)
{
	struct str value;
	size_t bytes = 0;

	if (json_get_str(json_member(reader->root, key), &value) < 0 ||
		base64url_decode(value, data, bytes_max, &bytes) < 0)
		reader->error = -ERR_MALFORMED;
	return bytes;
}

static void read_digest(struct reader *reader, const char *key, uint8_t *digest)
{
	if (read_bytes(reader, key, digest, STORE_DIGEST_BYTES) != STORE_DIGEST_BYTES)
		reader->error = -ERR_MALFORMED;
}

static void read_roles(struct reader *reader, struct account *account)
{
	const struct json *roles = json_member(reader->root, "roles");

	for (const struct json *i = json_first(roles); i; i = json_next(i)) {
		struct str role;

		if (json_get_str(i, &role) < 0 || !role_is_fit(role) ||
			account->role_count == STORE_ROLES_MAX) {
			reader->error = -ERR_MALFORMED;
			return;
		}
		memcpy(account->roles[account->role_count++], role.data, role.len);
	}
}

static void read_account(struct reader *reader, struct account *account)
{
	READ_TEXT(reader, "id", account->id);
	if (!id_is_fit(str_cstr(account->id)))
		reader->error = -ERR_MALFORMED;
	READ_TEXT(reader, "email", account->email);
	READ_TEXT(reader, "email_key", account->email_key);
	READ_TEXT(reader, "name", account->name);
	READ_TEXT(reader, "hash", account->hash);
	read_roles(reader, account);
	account->status = read_bool(reader, "suspended") ? ACCOUNT_SUSPENDED : ACCOUNT_ACTIVE;
	account->is_email_verified = read_bool(reader, "email_verified");
	account->created_ms = read_number(reader, "created_ms");
	account->updated_ms = read_number(reader, "updated_ms");
	account->last_login_ms = read_number(reader, "last_login_ms");
	account->attempts.count = (uint32_t)read_number(reader, "attempts");
	account->attempts.locked_until_ms = read_number(reader, "locked_until_ms");
}

static void read_tokens(struct reader *reader, struct session_record *record)
{
	const struct json *tokens = json_member(reader->root, "tokens");

	for (const struct json *i = json_first(tokens); i; i = json_next(i)) {
		struct reader token = { .root = i };

		if (record->token_count == STORE_REFRESH_PER_SESSION_MAX) {
			reader->error = -ERR_MALFORMED;
			return;
		}
		__auto_type to = &record->tokens[record->token_count++];

		read_digest(&token, "hash", to->hash);
		to->created_ms = read_number(&token, "created_ms");
		to->used_ms = read_number(&token, "used_ms");
		reader->error = token.error ? token.error : reader->error;
	}
}

static void read_session(struct reader *reader, struct session_record *record)
{
	struct session *session = &record->session;

	READ_TEXT(reader, "id", session->id);
	if (!id_is_fit(str_cstr(session->id)))
		reader->error = -ERR_MALFORMED;
	READ_TEXT(reader, "account", session->account_id);
	read_digest(reader, "client", session->client);
	READ_TEXT(reader, "agent", session->agent);
	READ_TEXT(reader, "address", session->address);
	session->created_ms = read_number(reader, "created_ms");
	session->used_ms = read_number(reader, "used_ms");
	session->idle_until_ms = read_number(reader, "idle_until_ms");
	session->ends_ms = read_number(reader, "ends_ms");
	read_tokens(reader, record);
}

static void read_key(struct reader *reader, struct store_key *key)
{
	READ_TEXT(reader, "kid", key->kid);
	READ_TEXT(reader, "algorithm", key->algorithm);
	key->material_bytes = read_bytes(reader, "material", key->material, STORE_KEY_BYTES_MAX);
	key->is_active = read_bool(reader, "active");
	key->created_ms = read_number(reader, "created_ms");
}

static void read_end(struct reader *reader, struct transfer_sum *sum)
{
	sum->counts[TRANSFER_HEAD] = 1;
	sum->counts[TRANSFER_ACCOUNT] = (uint64_t)read_number(reader, "accounts");
	sum->counts[TRANSFER_SESSION] = (uint64_t)read_number(reader, "sessions");
	sum->counts[TRANSFER_KEY] = (uint64_t)read_number(reader, "keys");
	read_digest(reader, "sha256", sum->digest);
}

static int type_parse(const struct json *root, enum transfer_type *ret_type)
{
	struct str name;

	if (json_get_str(json_member(root, "type"), &name) < 0)
		return -ERR_MALFORMED;
	for (unsigned i = 0; i < TRANSFER_TYPES; i++) {
		if (str_equal(name, str_cstr(types[i]))) {
			*ret_type = i;
			return 0;
		}
	}
	return -ERR_MALFORMED;
}

static void read_line(struct reader *reader, struct transfer_line *line)
{
	if (line->type == TRANSFER_HEAD && read_number(reader, "version") != VERSION)
		reader->error = -ERR_MALFORMED;
	else if (line->type == TRANSFER_ACCOUNT)
		read_account(reader, &line->account);
	else if (line->type == TRANSFER_SESSION)
		read_session(reader, &line->session);
	else if (line->type == TRANSFER_KEY)
		read_key(reader, &line->key);
	else if (line->type == TRANSFER_END)
		read_end(reader, &line->sum);
}

int transfer_line_parse(struct str text, struct transfer_line *ret_line)
{
	_cleanup_(arena_deinit) struct arena arena;
	struct reader reader = {};
	int r;

	arena_init(&arena, 16384, 1 << 20);
	memset(ret_line, 0, sizeof(*ret_line));
	r = json_parse(&arena, text, &json_limits_body, &reader.root);
	if (r == 0)
		r = type_parse(reader.root, &ret_line->type);
	if (r < 0)
		return r;
	read_line(&reader, ret_line);
	return reader.error;
}

void transfer_line_wipe(struct transfer_line *line)
{
	enum transfer_type type = line->type;

	secret_wipe(line, sizeof(*line));
	line->type = type;
}
