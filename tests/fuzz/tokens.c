/*
 * Fuzzing token_verify(). The first byte chooses: the rest is a token as it stands, or "header\n
 * claims" in plain JSON that gets its dots, base64url and a right signature here, because no fuzzer
 * finds those by chance. What is accepted must keep the promises of tokens.h.
 */
#include "auth/tokens.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "auth/keys.h"
#include "shared/base64url.h"

#define SECRET "0123456789abcdef0123456789abcdef"
#define NOW INT64_C(1800000000)

/* More than may be accepted, so that the bound is reached too. */
#define INPUT_BYTES_MAX (TOKEN_BYTES_MAX + 64)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct token_policy *policy(void)
{
	static struct token_policy made = { NULL, STR("i"), STR("a") };
	const struct key_source source = { STR("k"), SIGNING_HS256, STR(SECRET), true };
	static struct keys *keys;

	if (!keys && keys_load(&source, 1, &keys, NULL) < 0)
		abort();
	made.keys = keys;
	return &made;
}

/* The input as a signed token, or the empty string when it has no line break. */
static struct str sign_input(struct str input, char *text)
{
	unsigned char mac[SHA256_BYTES];
	ptrdiff_t line = str_index(input, '\n');
	struct str claims;
	size_t len;

	if (line < 0)
		return str_of(text, 0);
	claims = str_skip(input, (size_t)line + 1);
	len = base64url_encode(input.data, (size_t)line, text);
	text[len++] = '.';
	len += base64url_encode(claims.len ? claims.data : "", claims.len, text + len);
	hmac_sha256(STR(SECRET), str_of(text, len), mac);
	text[len++] = '.';
	len += base64url_encode(mac, sizeof(mac), text + len);
	return str_of(text, len);
}

static void check_id(const char *id)
{
	size_t len = strnlen(id, TOKEN_ID_BYTES_MAX + 1);

	assert(len > 0 && len <= TOKEN_ID_BYTES_MAX);
}

static void check_claims(const struct token_claims *claims)
{
	check_id(claims->account_id);
	check_id(claims->session_id);
	check_id(claims->id);
	assert(claims->issued_s >= 0 && claims->issued_s <= NOW + TOKEN_CLOCK_SKEW_S);
	assert(claims->expires_s > NOW && claims->expires_s >= claims->issued_s);
	assert(claims->role_count <= TOKEN_ROLES_MAX);
	for (unsigned i = 0; i < claims->role_count; i++) {
		size_t len = strnlen(claims->roles[i], TOKEN_ROLE_BYTES_MAX + 1);

		assert(len > 0 && len <= TOKEN_ROLE_BYTES_MAX);
	}
}

/* By fields: what lies between them is not defined. */
static void check_equal(const struct token_claims *a, const struct token_claims *b)
{
	assert(strcmp(a->account_id, b->account_id) == 0);
	assert(strcmp(a->session_id, b->session_id) == 0);
	assert(strcmp(a->id, b->id) == 0);
	assert(a->issued_s == b->issued_s && a->expires_s == b->expires_s);
	assert(a->role_count == b->role_count);
	for (unsigned i = 0; i < a->role_count; i++)
		assert(strcmp(a->roles[i], b->roles[i]) == 0);
}

/* What was accepted once is signed and accepted again, unchanged. */
static void check_round_trip(const struct token_claims *claims)
{
	char token[TOKEN_BYTES_MAX + 1];
	struct token_claims again;
	size_t len;
	int r;

	r = token_sign(policy(), claims, token, &len);
	if (r < 0) {
		assert(r == -ENOBUFS); /* the writer may escape more than the sender did */
		return;
	}
	assert(token_verify(policy(), str_of(token, len), NOW, &again) == TOKEN_VALID);
	check_equal(&again, claims);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char text[2 * INPUT_BYTES_MAX + SHA256_BYTES * 2];
	struct token_claims claims;
	struct str token;
	int r;

	if (size < 1 || size > INPUT_BYTES_MAX)
		return 0;
	token = str_of((const char *)data + 1, size - 1);
	if (data[0] & 1)
		token = sign_input(token, text);
	r = token_verify(policy(), token, NOW, &claims);
	assert(r == TOKEN_VALID || r == TOKEN_INVALID || r == TOKEN_EXPIRED);
	if (r == TOKEN_VALID) {
		check_claims(&claims);
		check_round_trip(&claims);
	}
	return 0;
}
