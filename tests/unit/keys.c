/* The set of signing keys: which sets are made, which are refused and why, and what is published.
 */
#include "auth/keys.h"

#include <errno.h>
#include <string.h>

#include "shared/macros.h"
#include "support/test.h"

#define SECRET_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" /* 32 bytes: the least for HS256 */
#define SECRET_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

#define UNTOUCHED 99 /* no index and no count */

static struct key_source source(struct str kid, bool is_active)
{
	return (struct key_source){ kid, SIGNING_HS256, STR(SECRET_A), is_active };
}

/* Loads a set that must be refused; which source is blamed. */
static size_t refused(const struct key_source *sources, size_t count)
{
	struct keys *keys = NULL;
	size_t bad = UNTOUCHED;

	assert_int_equal(keys_load(sources, count, &keys, &bad), -EINVAL);
	assert_null(keys);
	return bad;
}

static void expect_kid(struct str kid, int expected)
{
	_cleanup_(keys_free_p) struct keys *keys = NULL;
	struct key_source one = source(kid, true);

	assert_int_equal(keys_load(&one, 1, &keys, NULL), expected);
}

/* --- sets --- */

TEST(the_active_key_signs)
{
	const struct key_source sources[] = { source(STR("old"), false), source(STR("now"), true) };
	_cleanup_(keys_free_p) struct keys *keys = NULL;
	struct str kid;

	assert_int_equal(keys_load(sources, 2, &keys, NULL), 0);
	assert_ptr_equal(keys_active(keys, &kid), keys_find(keys, STR("now")));
	assert_true(str_equal(kid, STR("now")));
}

TEST(a_key_that_is_not_active_is_found)
{
	const struct key_source sources[] = { source(STR("old"), false), source(STR("now"), true) };
	_cleanup_(keys_free_p) struct keys *keys = NULL;

	assert_int_equal(keys_load(sources, 2, &keys, NULL), 0);
	assert_non_null(keys_find(keys, STR("old")));
}

TEST(an_unknown_kid_is_not_found)
{
	const struct str strangers[] = { STR(""), STR("no"), STR("nowhere"), STR("NOW"),
		STR("now\0") };
	const struct key_source one = source(STR("now"), true);
	_cleanup_(keys_free_p) struct keys *keys = NULL;

	assert_int_equal(keys_load(&one, 1, &keys, NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(strangers); i++)
		assert_null(keys_find(keys, strangers[i]));
}

TEST(each_kid_finds_its_own_key)
{
	const struct key_source sources[] = {
		{ STR("a"), SIGNING_HS256, STR(SECRET_A), true },
		{ STR("b"), SIGNING_HS256, STR(SECRET_B), false },
	};
	_cleanup_(keys_free_p) struct keys *keys = NULL;
	unsigned char expected[SHA256_BYTES], made[SIGNATURE_BYTES_MAX];
	size_t len;

	assert_int_equal(keys_load(sources, 2, &keys, NULL), 0);
	hmac_sha256(STR(SECRET_B), STR("text"), expected);
	assert_int_equal(signing_sign(keys_find(keys, STR("b")), STR("text"), made, &len), 0);
	assert_memory_equal(made, expected, SHA256_BYTES);
}

TEST(a_set_does_not_borrow_its_sources)
{
	char kid[] = "now", secret[] = SECRET_A;
	struct key_source one = { str_cstr(kid), SIGNING_HS256, str_cstr(secret), true };
	_cleanup_(keys_free_p) struct keys *keys = NULL;
	unsigned char expected[SHA256_BYTES], made[SIGNATURE_BYTES_MAX];
	size_t len;

	assert_int_equal(keys_load(&one, 1, &keys, NULL), 0);
	memset(kid, 'x', sizeof(kid) - 1);
	memset(secret, 'x', sizeof(secret) - 1);
	hmac_sha256(STR(SECRET_A), STR("text"), expected);
	assert_int_equal(signing_sign(keys_find(keys, STR("now")), STR("text"), made, &len), 0);
	assert_memory_equal(made, expected, SHA256_BYTES);
}

TEST(freeing_no_set_is_allowed)
{
	keys_free(NULL);
}

/* --- refused sets --- */

TEST(a_set_without_keys_is_refused)
{
	assert_int_equal(refused(NULL, 0), 0);
}

TEST(a_set_may_be_full_and_not_one_more)
{
	static const char *const kids[] = { "a", "b", "c", "d", "e", "f", "g", "h", "i" };
	struct key_source sources[KEYS_MAX + 1];
	_cleanup_(keys_free_p) struct keys *keys = NULL;

	assert_int_equal(ARRAY_SIZE(kids), KEYS_MAX + 1);
	for (size_t i = 0; i <= KEYS_MAX; i++)
		sources[i] = source(str_cstr(kids[i]), i == 0);
	assert_int_equal(keys_load(sources, KEYS_MAX, &keys, NULL), 0);
	assert_int_equal(refused(sources, KEYS_MAX + 1), KEYS_MAX + 1);
}

TEST(a_set_without_an_active_key_is_refused)
{
	const struct key_source one = source(STR("a"), false);

	assert_int_equal(refused(&one, 1), 1);
}

TEST(a_set_with_two_active_keys_is_refused)
{
	const struct key_source sources[] = { source(STR("a"), true), source(STR("b"), true) };

	assert_int_equal(refused(sources, 2), 2);
}

TEST(a_repeated_kid_is_refused_and_named)
{
	const struct key_source sources[] = { source(STR("a"), true), source(STR("b"), false),
		source(STR("a"), false) };

	assert_int_equal(refused(sources, 3), 2);
}

TEST(bad_material_is_refused_and_named)
{
	const struct key_source sources[] = {
		source(STR("a"), true),
		{ STR("b"), SIGNING_ES256, STR("not a key"), false },
	};

	assert_int_equal(refused(sources, 2), 1);
}

TEST(a_good_set_blames_nobody)
{
	const struct key_source one = source(STR("a"), true);
	_cleanup_(keys_free_p) struct keys *keys = NULL;
	size_t bad = UNTOUCHED;

	assert_int_equal(keys_load(&one, 1, &keys, &bad), 0);
	assert_int_equal(bad, UNTOUCHED);
}

/* --- kids --- */

TEST(a_kid_has_1_to_64_characters)
{
	char longest[KEY_KID_BYTES_MAX + 1];

	memset(longest, 'k', sizeof(longest));
	expect_kid(STR(""), -EINVAL);
	expect_kid(STR("k"), 0);
	expect_kid(str_of(longest, KEY_KID_BYTES_MAX), 0);
	expect_kid(str_of(longest, KEY_KID_BYTES_MAX + 1), -EINVAL);
}

TEST(a_kid_may_have_every_allowed_character)
{
	expect_kid(STR("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"), 0);
	expect_kid(STR("0123456789-_."), 0);
}

TEST(a_kid_with_any_other_byte_is_refused)
{
	for (int c = 0; c < 256; c++) {
		char kid[2] = { 'k', (char)c };
		bool is_alnum =
			(c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');

		if (!is_alnum && c != '-' && c != '_' && c != '.')
			expect_kid(str_of(kid, 2), -EINVAL);
	}
}

/* --- new keys --- */

TEST(a_generated_key_makes_a_set)
{
	for (enum signing_algorithm a = SIGNING_ES256; a <= SIGNING_HS256; a++) {
		_cleanup_(buf_wipe) struct buf material = buf_init(SIGNING_PEM_BYTES_MAX);
		_cleanup_(keys_free_p) struct keys *keys = NULL;
		char kid[KEY_KID_BYTES_MAX + 1];
		struct key_source one;

		assert_int_equal(keys_generate(a, kid, &material), 0);
		one = (struct key_source){ str_cstr(kid), a, buf_str(&material), true };
		assert_int_equal(keys_load(&one, 1, &keys, NULL), 0);
		assert_int_equal(signing_key_algorithm(keys_find(keys, str_cstr(kid))), a);
	}
}

TEST(two_generated_keys_differ)
{
	_cleanup_(buf_wipe) struct buf a = buf_init(SIGNING_PEM_BYTES_MAX);
	_cleanup_(buf_wipe) struct buf b = buf_init(SIGNING_PEM_BYTES_MAX);
	char kid_a[KEY_KID_BYTES_MAX + 1], kid_b[KEY_KID_BYTES_MAX + 1];

	assert_int_equal(keys_generate(SIGNING_HS256, kid_a, &a), 0);
	assert_int_equal(keys_generate(SIGNING_HS256, kid_b, &b), 0);
	assert_string_not_equal(kid_a, kid_b);
	assert_false(str_equal(buf_str(&a), buf_str(&b)));
}

TEST(generating_into_a_full_buf_writes_no_kid)
{
	_cleanup_(buf_wipe) struct buf small = buf_init(8);
	char kid[KEY_KID_BYTES_MAX + 1] = "untouched";

	assert_int_equal(keys_generate(SIGNING_ES256, kid, &small), -ENOBUFS);
	assert_string_equal(kid, "untouched");
}

/* --- publication --- */

static struct str jwks(const struct keys *keys, struct buf *json)
{
	assert_int_equal(keys_jwks(keys, json), 0);
	return buf_str(json);
}

TEST(secrets_are_never_published)
{
	const struct key_source one = source(STR("a"), true);
	_cleanup_(buf_deinit) struct buf json = buf_init(4096);
	_cleanup_(keys_free_p) struct keys *keys = NULL;

	assert_int_equal(keys_load(&one, 1, &keys, NULL), 0);
	assert_true(str_equal(jwks(keys, &json), STR("{\"keys\":[]}")));
}

static struct buf generated(enum signing_algorithm algorithm)
{
	struct buf material = buf_init(SIGNING_PEM_BYTES_MAX);
	char kid[KEY_KID_BYTES_MAX + 1];

	assert_int_equal(keys_generate(algorithm, kid, &material), 0);
	return material;
}

TEST(every_public_key_is_published_also_one_that_is_not_active)
{
	_cleanup_(buf_wipe) struct buf ec = generated(SIGNING_ES256), ed = generated(SIGNING_EDDSA);
	const struct key_source sources[] = {
		{ STR("a"), SIGNING_ES256, buf_str(&ec), true },
		{ STR("secret"), SIGNING_HS256, STR(SECRET_A), false },
		{ STR("b"), SIGNING_EDDSA, buf_str(&ed), false },
	};
	_cleanup_(buf_deinit) struct buf json = buf_init(4096), expected = buf_init(4096);
	_cleanup_(keys_free_p) struct keys *keys = NULL;

	assert_int_equal(keys_load(sources, 3, &keys, NULL), 0);
	assert_int_equal(buf_append(&expected, STR("{\"keys\":[")), 0);
	assert_int_equal(signing_key_jwk(keys_find(keys, STR("a")), STR("a"), &expected), 0);
	assert_int_equal(buf_append_char(&expected, ','), 0);
	assert_int_equal(signing_key_jwk(keys_find(keys, STR("b")), STR("b"), &expected), 0);
	assert_int_equal(buf_append(&expected, STR("]}")), 0);
	assert_true(str_equal(jwks(keys, &json), buf_str(&expected)));
}

TEST(a_publication_that_does_not_fit_leaves_what_was_there)
{
	_cleanup_(buf_wipe) struct buf ec = generated(SIGNING_ES256);
	const struct key_source one = { STR("a"), SIGNING_ES256, buf_str(&ec), true };
	_cleanup_(buf_deinit) struct buf json = buf_init(64);
	_cleanup_(keys_free_p) struct keys *keys = NULL;

	assert_int_equal(keys_load(&one, 1, &keys, NULL), 0);
	assert_int_equal(buf_append(&json, STR("before")), 0);
	assert_int_equal(keys_jwks(keys, &json), -ENOBUFS);
	assert_true(str_equal(buf_str(&json), STR("before")));
}
