/*
 * Fuzzing the small readers of texts from outside: email addresses, passwords, base64url, addresses
 * to listen on. The first byte chooses.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "auth/emails.h"
#include "auth/passwords.h"
#include "core/listener.h"
#include "shared/arena.h"
#include "shared/base64url.h"
#include "shared/err.h"

#define INPUT_BYTES_MAX 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A key is bounded, and its own key: folding twice changes nothing. */
static void fuzz_email(struct str text)
{
	char key[EMAIL_BYTES_MAX + 1], again[EMAIL_BYTES_MAX + 1];
	struct str email, unused;
	int r = email_fold(text, key, &email);

	assert(r == 0 || r == -ERR_MALFORMED);
	if (r < 0)
		return;
	assert(strlen(key) <= EMAIL_BYTES_MAX && strchr(key, '@'));
	assert(email.data >= text.data && email.data + email.len <= text.data + text.len);
	assert(email_fold(str_cstr(key), again, &unused) == 0);
	assert(strcmp(key, again) == 0);
}

/* What is accepted is bounded by what bcrypt reads, and normal already. */
static void fuzz_password(struct str text)
{
	struct str password, again;
	struct arena arena;
	const char *why = NULL;
	int r;

	arena_init(&arena, 4096, 1024 * 1024);
	r = password_normalize(&arena, text, 8, &password, &why);
	assert(r == 0 || (r == -ERR_MALFORMED && why && *why));
	if (r == 0) {
		assert(password.len <= 72 && str_is_utf8(password));
		assert(!memchr(password.data, '\0', password.len));
		assert(str_utf8_count(password) >= 8);
		assert(password_normalize(&arena, password, 8, &again, &why) == 0);
		assert(str_equal(password, again));
	}
	arena_deinit(&arena);
}

/* What decodes has one spelling: encoding gives the same text again. */
static void fuzz_base64url(struct str text)
{
	static char bytes[INPUT_BYTES_MAX], again[BASE64URL_BYTES(INPUT_BYTES_MAX) + 1];
	size_t len, again_len;

	again_len = base64url_encode(text.len ? text.data : "", text.len, again);
	assert(again_len == BASE64URL_BYTES(text.len));
	assert(base64url_decode(str_of(again, again_len), bytes, sizeof(bytes), &len) == 0);
	assert(str_equal(str_of(bytes, len), text));
	if (base64url_decode(text, bytes, sizeof(bytes), &len) < 0)
		return;
	assert(str_equal(str_of(again, base64url_encode(bytes, len, again)), text));
}

static void fuzz_address(struct str text)
{
	char host[ADDRESS_TEXT_BYTES];
	struct address address;

	if (address_parse(text, &address) < 0)
		return;
	assert(address_host(&address, host).len > 0);
	assert(address_port(&address) > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const targets[])(
		struct str) = { fuzz_email, fuzz_password, fuzz_base64url, fuzz_address };

	if (size < 1 || size > INPUT_BYTES_MAX)
		return 0;
	targets[data[0] % 4](str_of((const char *)data + 1, size - 1));
	return 0;
}
