/*
 * Access and refresh tokens: see tokens.h. Signing writes two JSON objects and a signature over
 * them. Verifying goes from cheap to dear and stops at the first fault: size, shape, header, key,
 * claims, time, and the signature last, because junk must not cost one.
 */
#include "auth/tokens.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>

#include "auth/keys.h"
#include "shared/arena.h"
#include "shared/base64url.h"
#include "shared/err.h"
#include "shared/json.h"
#include "shared/macros.h"
#include "shared/random.h"
#include "shared/secret.h"

/* What base64url of a whole token could decode to: no part is longer. */
#define PART_BYTES_MAX (TOKEN_BYTES_MAX * 3 / 4)

/* 9999-12-31T23:59:59Z, the last second that RFC 3339 can write: later is a mistake. */
#define TOKEN_SECONDS_MAX INT64_C(253402300799)

/* RFC 9068 section 2.1. Only we write it, so it is compared exactly. */
#define TOKEN_TYPE STR("at+jwt")

/* Ours need depth 2 and 8 members; some room for what a later version or another signer adds. */
static const struct json_limits token_json_limits = { .depth_max = 4, .keys_max = 32 };

/*
 * Parsing memory. A usual token takes 2 KiB, so that the kept chunk is all that is ever allocated.
 * The worst ("[1,1,1": one node of 64 bytes for every two bytes) takes 32 times PART_BYTES_MAX.
 */
#define SCRATCH_CHUNK_BYTES 8192
#define SCRATCH_BYTES_MAX (64 * PART_BYTES_MAX)

/* --- claims --- */

/* The text of a fixed field; the empty string when it has no terminator. */
static struct str field(const char *text, size_t bytes)
{
	size_t len = strnlen(text, bytes);

	return str_of(text, len < bytes ? len : 0);
}

static bool is_field_valid(struct str s)
{
	/* The writer would replace what is not UTF-8, and sign another name than was asked. */
	return s.len > 0 && str_is_utf8(s);
}

static bool are_times_valid(const struct token_claims *claims)
{
	return claims->issued_s >= 0 && claims->issued_s <= claims->expires_s &&
	       claims->expires_s <= TOKEN_SECONDS_MAX;
}

static bool are_claims_valid(const struct token_claims *claims)
{
	if (!is_field_valid(field(claims->account_id, sizeof(claims->account_id))) ||
		!is_field_valid(field(claims->session_id, sizeof(claims->session_id))) ||
		!is_field_valid(field(claims->id, sizeof(claims->id))))
		return false;
	if (claims->role_count > TOKEN_ROLES_MAX)
		return false;
	for (unsigned i = 0; i < claims->role_count; i++) {
		if (!is_field_valid(field(claims->roles[i], sizeof(claims->roles[i]))))
			return false;
	}
	return are_times_valid(claims);
}

/* --- signing --- */

/* The token as it grows. */
struct token_text {
	char bytes[TOKEN_BYTES_MAX + 1];
	size_t len;
};

static struct str token_text_str(const struct token_text *text)
{
	return str_of(text->bytes, text->len);
}

static void token_text_wipe(struct token_text *text)
{
	secret_wipe(text, sizeof(*text));
}

/* Appends bytes as base64url, behind a dot unless they are the first part. */
static int part_append(struct token_text *text, const void *data, size_t bytes)
{
	size_t dot = text->len ? 1 : 0;

	if (dot + BASE64URL_BYTES(bytes) > TOKEN_BYTES_MAX - text->len)
		return -ENOBUFS;
	if (dot)
		text->bytes[text->len++] = '.';
	text->len += base64url_encode(data, bytes, text->bytes + text->len);
	return 0;
}

/* A buf over memory of the caller's: it is full before it would grow, and is never freed. */
static struct buf buf_over(char *memory, size_t bytes)
{
	return (struct buf){ .data = memory, .cap = bytes, .max = bytes };
}

static int header_append(struct token_text *text, const struct signing_key *key, struct str kid)
{
	char memory[PART_BYTES_MAX];
	struct buf json = buf_over(memory, sizeof(memory));
	struct json_writer w = json_writer_init(&json);
	int r;

	json_begin_object(&w, NULL);
	json_put_str(&w, "typ", TOKEN_TYPE);
	json_put_str(&w, "alg", str_cstr(signing_algorithm_name(signing_key_algorithm(key))));
	json_put_str(&w, "kid", kid);
	json_end_object(&w);
	r = json_writer_finish(&w);
	return r < 0 ? r : part_append(text, json.data, json.len);
}

static int claims_append(struct token_text *text, const struct token_policy *policy,
	const struct token_claims *claims)
{
	char memory[PART_BYTES_MAX];
	struct buf json = buf_over(memory, sizeof(memory));
	struct json_writer w = json_writer_init(&json);
	int r;

	json_begin_object(&w, NULL);
	json_put_str(&w, "iss", policy->issuer);
	json_put_str(&w, "sub", str_cstr(claims->account_id));
	json_put_str(&w, "aud", policy->audience);
	json_put_i64(&w, "exp", claims->expires_s);
	json_put_i64(&w, "iat", claims->issued_s);
	json_put_str(&w, "jti", str_cstr(claims->id));
	json_put_str(&w, "sid", str_cstr(claims->session_id));
	json_begin_array(&w, "roles");
	for (unsigned i = 0; i < claims->role_count; i++)
		json_put_str(&w, NULL, str_cstr(claims->roles[i]));
	json_end_array(&w);
	json_end_object(&w);
	r = json_writer_finish(&w);
	return r < 0 ? r : part_append(text, json.data, json.len);
}

static int signature_append(struct token_text *text, const struct signing_key *key)
{
	unsigned char signature[SIGNATURE_BYTES_MAX];
	size_t len;
	int r;

	r = signing_sign(key, token_text_str(text), signature, &len);
	if (r < 0)
		return r;
	r = part_append(text, signature, len);
	secret_wipe(signature, sizeof(signature)); /* with it anybody is this account */
	return r;
}

int token_sign(const struct token_policy *policy, const struct token_claims *claims,
	char ret_token[static TOKEN_BYTES_MAX + 1], size_t *ret_len)
{
	_cleanup_(token_text_wipe) struct token_text text;
	const struct signing_key *key;
	struct str kid;
	int r;

	assert(policy->issuer.len <= TOKEN_TEXT_BYTES_MAX);
	assert(policy->audience.len <= TOKEN_TEXT_BYTES_MAX);
	text.len = 0;
	if (!are_claims_valid(claims))
		return -EINVAL;
	key = keys_active(policy->keys, &kid);
	r = header_append(&text, key, kid);
	if (r < 0)
		return r;
	r = claims_append(&text, policy, claims);
	if (r < 0)
		return r;
	r = signature_append(&text, key);
	if (r < 0)
		return r;
	memcpy(ret_token, text.bytes, text.len);
	ret_token[text.len] = '\0';
	*ret_len = text.len;
	return 0;
}

/* --- verifying: memory --- */

static pthread_once_t scratch_once = PTHREAD_ONCE_INIT;
static pthread_key_t scratch_key;
static _Thread_local struct arena scratch;

static void scratch_free(void *arena)
{
	arena_deinit(arena);
}

static void scratch_key_make(void)
{
	int r = pthread_key_create(&scratch_key, scratch_free);

	assert(r == 0);
}

/* The thread's own arena, made at its first use and freed when the thread ends. */
static int scratch_get(struct arena **ret_arena)
{
	int r;

	if (!scratch.bytes_max) {
		pthread_once(&scratch_once, scratch_key_make);
		r = pthread_setspecific(scratch_key, &scratch);
		if (r != 0)
			return -r;
		arena_init(&scratch, SCRATCH_CHUNK_BYTES, SCRATCH_BYTES_MAX);
	}
	*ret_arena = &scratch;
	return 0;
}

/* --- verifying: the steps; each gives 0, -ERR_MALFORMED for any fault of the token, -ENOMEM --- */

struct token_parts {
	struct str header, claims, signature; /* base64url */
	struct str signed_text;               /* header and claims with their dot, as they came */
};

static int parts_split(struct str token, struct token_parts *ret_parts)
{
	ptrdiff_t first, second;
	struct str rest;

	if (token.len > TOKEN_BYTES_MAX)
		return -ERR_MALFORMED;
	first = str_index(token, '.');
	if (first < 0)
		return -ERR_MALFORMED;
	rest = str_skip(token, (size_t)first + 1);
	second = str_index(rest, '.');
	if (second < 0)
		return -ERR_MALFORMED;
	ret_parts->header = str_of(token.data, (size_t)first);
	ret_parts->claims = str_of(rest.data, (size_t)second);
	ret_parts->signature = str_skip(rest, (size_t)second + 1);
	ret_parts->signed_text = str_of(token.data, (size_t)first + 1 + (size_t)second);
	/* A third dot is no base64url; an empty part is refused here, also the signature of "none".
	 */
	if (!ret_parts->header.len || !ret_parts->claims.len || !ret_parts->signature.len)
		return -ERR_MALFORMED;
	return 0;
}

static int part_decode(struct arena *arena, struct str part, struct str *ret_bytes)
{
	size_t len, room = part.len * 3 / 4 + 1;
	char *bytes = arena_alloc(arena, room);

	if (!bytes)
		return -ENOMEM;
	if (base64url_decode(part, bytes, room, &len) < 0)
		return -ERR_MALFORMED;
	*ret_bytes = str_of(bytes, len);
	return 0;
}

static int object_decode(struct arena *arena, struct str part, const struct json **ret_object)
{
	const struct json *object;
	struct str text;
	int r;

	r = part_decode(arena, part, &text);
	if (r < 0)
		return r;
	r = json_parse(arena, text, &token_json_limits, &object);
	if (r < 0)
		return r;
	if (!json_is_object(object))
		return -ERR_MALFORMED;
	*ret_object = object;
	return 0;
}

static bool is_text(const struct json *object, const char *name, struct str expected)
{
	struct str value;

	return json_get_str(json_member(object, name), &value) == 0 && str_equal(value, expected);
}

/*
 * Would the header change how the token is to be read, or bring a key of its own? Members that we
 * do not know are ignored (RFC 7515 section 4); these are known, and known to be dangerous.
 */
static bool is_header_dangerous(const struct json *header)
{
	static const char *const names[] = {
		"crit", /* demands extensions, and we have none (RFC 7515 4.1.11) */
		"b64",  /* another signed text (RFC 7797) */
		"zip",  /* compressed claims (RFC 7516 4.1.3) */
		"jku", "jwk", "x5u", "x5c", /* the sender's own key (RFC 8725 3.10) */
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (json_member(header, names[i]))
			return true;
	}
	return false;
}

/* Which of our keys must have signed it? The header may name it, but not how it is used. */
static int header_read(
	const struct json *header, const struct keys *keys, const struct signing_key **ret_key)
{
	const struct signing_key *key;
	struct str kid;

	if (is_header_dangerous(header) || !is_text(header, "typ", TOKEN_TYPE))
		return -ERR_MALFORMED;
	if (json_get_str(json_member(header, "kid"), &kid) < 0)
		return -ERR_MALFORMED;
	key = keys_find(keys, kid);
	if (!key)
		return -ERR_MALFORMED;
	if (!is_text(header, "alg", str_cstr(signing_algorithm_name(signing_key_algorithm(key)))))
		return -ERR_MALFORMED;
	*ret_key = key;
	return 0;
}

/* Copies a string that is neither empty nor longer than the field. */
static int field_read(const struct json *node, char *ret_text, size_t bytes)
{
	struct str value;

	if (json_get_str(node, &value) < 0 || value.len == 0 || value.len >= bytes)
		return -ERR_MALFORMED;
	memcpy(ret_text, value.data, value.len);
	ret_text[value.len] = '\0';
	return 0;
}

static int roles_read(const struct json *roles, struct token_claims *claims)
{
	claims->role_count = 0;
	if (!json_is_array(roles))
		return -ERR_MALFORMED;
	for (const struct json *role = json_first(roles); role; role = json_next(role)) {
		if (claims->role_count == TOKEN_ROLES_MAX)
			return -ERR_MALFORMED;
		if (field_read(role, claims->roles[claims->role_count], sizeof(claims->roles[0])) <
			0)
			return -ERR_MALFORMED;
		claims->role_count++;
	}
	return 0;
}

static int claims_read(
	const struct json *object, const struct token_policy *policy, struct token_claims *claims)
{
	if (!is_text(object, "iss", policy->issuer) || !is_text(object, "aud", policy->audience))
		return -ERR_MALFORMED;
	if (field_read(json_member(object, "sub"), claims->account_id, sizeof(claims->account_id)) <
			0 ||
		field_read(json_member(object, "sid"), claims->session_id,
			sizeof(claims->session_id)) < 0 ||
		field_read(json_member(object, "jti"), claims->id, sizeof(claims->id)) < 0)
		return -ERR_MALFORMED;
	if (json_get_i64(json_member(object, "iat"), &claims->issued_s) < 0 ||
		json_get_i64(json_member(object, "exp"), &claims->expires_s) < 0 ||
		!are_times_valid(claims))
		return -ERR_MALFORMED;
	return roles_read(json_member(object, "roles"), claims);
}

/* An outcome, or -ERR_MALFORMED, -ENOMEM. What it leaves in the arena is the caller's. */
static int read_all(struct arena *arena, const struct token_policy *policy, struct str token,
	int64_t now_s, struct token_unproven *unproven)
{
	struct token_parts parts;
	const struct json *header, *object;
	struct str signature;
	int r;

	r = parts_split(token, &parts);
	if (r < 0)
		return r;
	r = object_decode(arena, parts.header, &header);
	if (r < 0)
		return r;
	r = header_read(header, policy->keys, &unproven->key);
	if (r < 0)
		return r;
	r = object_decode(arena, parts.claims, &object);
	if (r < 0)
		return r;
	r = claims_read(object, policy, &unproven->claims);
	if (r < 0)
		return r;
	r = part_decode(arena, parts.signature, &signature);
	if (r < 0)
		return r;
	if (signature.len > sizeof(unproven->signature))
		return -ERR_MALFORMED;
	memcpy(unproven->signature, signature.data, signature.len);
	unproven->signature_len = signature.len;
	unproven->signed_text = parts.signed_text;

	if (unproven->claims.issued_s > now_s + TOKEN_CLOCK_SKEW_S)
		return TOKEN_INVALID;
	return unproven->claims.expires_s <= now_s ? TOKEN_EXPIRED : TOKEN_VALID;
}

int token_read(const struct token_policy *policy, struct str token, int64_t now_s,
	struct token_unproven *ret_unproven)
{
	struct arena *arena;
	int r;

	r = scratch_get(&arena);
	if (r < 0)
		return r;
	*ret_unproven = (struct token_unproven){};
	r = read_all(arena, policy, token, now_s, ret_unproven);
	arena_reset(arena); /* wipes: a decoded signature makes a token whole */
	return r == -ERR_MALFORMED ? TOKEN_INVALID : r;
}

int token_prove(const struct token_unproven *unproven)
{
	int r = signing_verify(unproven->key, unproven->signed_text,
		str_of((const char *)unproven->signature, unproven->signature_len));

	return r < 0 ? r : r ? TOKEN_VALID : TOKEN_INVALID;
}

bool token_is_dear(const struct token_unproven *unproven)
{
	return signing_key_algorithm(unproven->key) != SIGNING_HS256;
}

void token_unproven_wipe(struct token_unproven *unproven)
{
	secret_wipe(unproven, sizeof(*unproven));
}

int token_verify(const struct token_policy *policy, struct str token, int64_t now_s,
	struct token_claims *ret_claims)
{
	_cleanup_(token_unproven_wipe) struct token_unproven unproven;
	int r = token_read(policy, token, now_s, &unproven);

	if (r != TOKEN_VALID)
		return r;
	r = token_prove(&unproven);
	if (r == TOKEN_VALID)
		*ret_claims = unproven.claims;
	return r;
}

/* --- refresh tokens --- */

#define REFRESH_RANDOM_BYTES 32 /* 256 bits: nobody guesses, so the hash needs no salt */

static_assert(BASE64URL_BYTES(REFRESH_RANDOM_BYTES) == REFRESH_TOKEN_BYTES, "see tokens.h");

void refresh_token_new(
	char ret_text[static REFRESH_TOKEN_BYTES + 1], unsigned char ret_hash[static SHA256_BYTES])
{
	unsigned char bytes[REFRESH_RANDOM_BYTES];
	size_t len;

	random_bytes(bytes, sizeof(bytes));
	len = base64url_encode(bytes, sizeof(bytes), ret_text);
	secret_wipe(bytes, sizeof(bytes));
	assert(len == REFRESH_TOKEN_BYTES);
	ret_text[len] = '\0';
	sha256(str_of(ret_text, len), ret_hash);
}

int refresh_token_hash(struct str text, unsigned char ret_hash[static SHA256_BYTES])
{
	unsigned char bytes[REFRESH_RANDOM_BYTES];
	size_t len;
	int r;

	if (text.len != REFRESH_TOKEN_BYTES)
		return -EINVAL;
	r = base64url_decode(text, bytes, sizeof(bytes), &len);
	secret_wipe(bytes, sizeof(bytes)); /* only the form was asked: the text is hashed */
	if (r < 0)
		return -EINVAL;
	sha256(text, ret_hash);
	return 0;
}
