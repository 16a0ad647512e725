/* Credentials of HTTP Basic: what is read, and what is refused. */
#include "http/basic.h"

#include <errno.h>
#include <string.h>

#include "shared/err.h"
#include "support/test.h"

static struct arena arena;

static int read_basic(struct str value, struct str *user, struct str *password)
{
	struct http_header header = { STR("Authorization"), value };
	struct request request = { .arena = &arena, .headers = &header, .header_count = 1 };

	arena_deinit(&arena);
	arena_init(&arena, 1024, 16384);
	return request_basic(&request, user, password);
}

static void assert_reads(const char *value, const char *user, const char *password)
{
	struct str got_user, got_password;

	assert_int_equal(read_basic(str_cstr(value), &got_user, &got_password), 0);
	assert_true(str_equal(got_user, str_cstr(user)));
	assert_true(str_equal(got_password, str_cstr(password)));
}

TEST(credentials_are_read)
{
	assert_reads("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "Aladdin", "open sesame"); /* RFC 7617 */
	assert_reads("basic dGVzdDoxMjPCow==", "test", "123\xc2\xa3");
	assert_reads("BASIC   YTpiOmM6", "a", "b:c:");
	assert_reads("Basic Og==", "", "");
	assert_reads("Basic YTo+Pj8/", "a", ">>??");
}

TEST(another_scheme_is_none)
{
	static const char *const values[] = { "", "Basic", "Bearer QTpi", "Basically QTpi" };
	struct str user, password;

	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		assert_int_equal(read_basic(str_cstr(values[i]), &user, &password), -ENOENT);
}

TEST(what_is_malformed_is_refused)
{
	/* No base64; other spellings; unpadded; no colon; NUL, newline, no UTF-8 behind it. */
	static const char *const values[] = { "Basic ", "Basic ====", "Basic a",
		"Basic YTpi=", "Basic YTo", "Basic YTo-Pj8_", "Basic YTpi YTpi",
		"Basic YWI=", "Basic YTp=", "Basic YQA6", "Basic YToK", "Basic Yf86" };
	struct str user, password;

	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		if (read_basic(str_cstr(values[i]), &user, &password) != -ERR_MALFORMED)
			fail_msg("accepted: %s", values[i]);
}
