/*
 * Access tokens: what we sign is accepted, and everything else is not, for each rule one forgery
 * that breaks this rule only and has a right signature. Then refresh tokens.
 */
#include "auth/tokens.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "auth/keys.h"
#include "shared/base64url.h"
#include "shared/macros.h"
#include "support/test.h"

#define SECRET "0123456789abcdef0123456789abcdef"
#define OTHER_SECRET "fedcba9876543210fedcba9876543210"
#define ISSUER "https://auth.example"
#define AUDIENCE "https://api.example"

#define NOW INT64_C(1800000000)
#define NOW_TEXT "1800000000"
#define EXP_TEXT "1800000900" /* 15 minutes later */

#define HEADER "{\"typ\":\"at+jwt\",\"alg\":\"HS256\",\"kid\":\"k1\"}"

/* The members of good claims, for tests that exchange one of them. */
#define ISS "\"iss\":\"" ISSUER "\","
#define AUD "\"aud\":\"" AUDIENCE "\","
#define SUB "\"sub\":\"account\","
#define SID "\"sid\":\"session\","
#define JTI "\"jti\":\"token\","
#define IAT "\"iat\":" NOW_TEXT ","
#define EXP "\"exp\":" EXP_TEXT ","
#define ROLES "\"roles\":[\"user\"]"
#define CLAIMS "{" ISS AUD SUB SID JTI IAT EXP ROLES "}"

/* --- support --- */

struct token_set {
	struct keys *keys;
	struct token_policy policy;
};

static void token_set_free(struct token_set *set)
{
	keys_free(set->keys);
}

static struct token_set set_of(const struct key_source *sources, size_t count)
{
	struct token_set set = {};

	assert_int_equal(keys_load(sources, count, &set.keys, NULL), 0);
	set.policy = (struct token_policy){ set.keys, STR(ISSUER), STR(AUDIENCE) };
	return set;
}

/* One HS256 key named k1, whose signatures the tests can make themselves. */
static struct token_set secret_set(void)
{
	const struct key_source source = { STR("k1"), SIGNING_HS256, STR(SECRET), true };

	return set_of(&source, 1);
}

/* One new key of that algorithm, named k1. */
static struct token_set generated_set(enum signing_algorithm algorithm)
{
	_cleanup_(buf_wipe) struct buf material = buf_init(SIGNING_PEM_BYTES_MAX);
	char kid[KEY_KID_BYTES_MAX + 1];

	assert_int_equal(keys_generate(algorithm, kid, &material), 0);
	return set_of(&(struct key_source){ STR("k1"), algorithm, buf_str(&material), true }, 1);
}

static struct token_claims good_claims(void)
{
	return (struct token_claims){
		.account_id = "account",
		.session_id = "session",
		.id = "token",
		.issued_s = NOW,
		.expires_s = NOW + 900,
		.role_count = 2,
		.roles = { "user", "admin" },
	};
}

/* By fields: what lies between them is not defined. */
static void expect_equal(const struct token_claims *a, const struct token_claims *b)
{
	assert_string_equal(a->account_id, b->account_id);
	assert_string_equal(a->session_id, b->session_id);
	assert_string_equal(a->id, b->id);
	assert_int_equal(a->issued_s, b->issued_s);
	assert_int_equal(a->expires_s, b->expires_s);
	assert_int_equal(a->role_count, b->role_count);
	for (unsigned i = 0; i < a->role_count; i++)
		assert_string_equal(a->roles[i], b->roles[i]);
}

/* A token under construction; larger than may be, to try what is too large. */
struct text {
	char data[2 * TOKEN_BYTES_MAX];
	size_t len;
};

static struct str text_str(const struct text *text)
{
	return str_of(text->data, text->len);
}

static void text_add(struct text *text, struct str more)
{
	assert_true(more.len <= sizeof(text->data) - text->len);
	memcpy(text->data + text->len, more.data, more.len);
	text->len += more.len;
}

static void text_add_part(struct text *text, struct str bytes)
{
	assert_true(BASE64URL_BYTES(bytes.len) <= sizeof(text->data) - text->len);
	text->len += base64url_encode(bytes.data, bytes.len, text->data + text->len);
}

/* Header and claims as given, with their right HS256 signature. */
static struct text forged(struct str header, struct str claims, struct str secret)
{
	unsigned char mac[SHA256_BYTES];
	struct text text = {};

	text_add_part(&text, header);
	text_add(&text, STR("."));
	text_add_part(&text, claims);
	hmac_sha256(secret, text_str(&text), mac);
	text_add(&text, STR("."));
	text_add_part(&text, str_of((const char *)mac, sizeof(mac)));
	return text;
}

static struct text signed_good(const struct token_set *set)
{
	const struct token_claims claims = good_claims();
	char token[TOKEN_BYTES_MAX + 1];
	struct text text = {};
	size_t len;

	assert_int_equal(token_sign(&set->policy, &claims, token, &len), 0);
	text_add(&text, str_of(token, len));
	return text;
}

/* Verifies; only a valid token may write the claims. */
static int verified(const struct token_set *set, struct str token, int64_t now_s)
{
	struct token_claims claims, untouched;
	int r;

	memset(&untouched, 0x5a, sizeof(untouched));
	claims = untouched;
	r = token_verify(&set->policy, token, now_s, &claims);
	if (r != TOKEN_VALID)
		assert_memory_equal(&claims, &untouched, sizeof(claims));
	return r;
}

static void expect_token(struct str header, struct str claims, int expected)
{
	_cleanup_(token_set_free) struct token_set set = secret_set();
	struct text text = forged(header, claims, STR(SECRET));

	assert_int_equal(verified(&set, text_str(&text), NOW), expected);
}

static void expect_header(struct str header, int expected)
{
	expect_token(header, STR(CLAIMS), expected);
}

static void expect_claims(struct str claims, int expected)
{
	expect_token(STR(HEADER), claims, expected);
}

/* --- what we sign --- */

TEST(a_signed_token_is_valid_for_every_algorithm)
{
	for (enum signing_algorithm a = SIGNING_ES256; a <= SIGNING_HS256; a++) {
		_cleanup_(token_set_free) struct token_set set = generated_set(a);
		struct text text = signed_good(&set);

		assert_int_equal(verified(&set, text_str(&text), NOW), TOKEN_VALID);
	}
}

TEST(verified_claims_are_the_signed_ones)
{
	_cleanup_(token_set_free) struct token_set set = secret_set();
	const struct token_claims expected = good_claims();
	struct text text = signed_good(&set);
	struct token_claims claims;

	assert_int_equal(token_verify(&set.policy, text_str(&text), NOW, &claims), TOKEN_VALID);
	expect_equal(&claims, &expected);
}

TEST(a_signed_token_has_a_terminator)
{
	_cleanup_(token_set_free) struct token_set set = secret_set();
	const struct token_claims claims = good_claims();
	char token[TOKEN_BYTES_MAX + 1];
	size_t len;

	memset(token, 'x', sizeof(token));
	assert_int_equal(token_sign(&set.policy, &claims, token, &len), 0);
	assert_int_equal(strnlen(token, sizeof(token)), len);
}

TEST(the_header_and_claims_are_these_to_the_byte)
{
	_cleanup_(token_set_free) struct token_set set = secret_set();
	struct text made = signed_good(&set);
	struct text expected = forged(STR(HEADER),
		STR("{" ISS "\"sub\":\"account\"," AUD EXP IAT JTI SID
		    "\"roles\":[\"user\",\"admin\"]}"),
		STR(SECRET));

	assert_true(str_equal(text_str(&made), text_str(&expected)));
}

TEST(claims_may_be_as_large_as_their_fields)
{
	_cleanup_(token_set_free) struct token_set set = generated_set(SIGNING_RS256);
	char token[TOKEN_BYTES_MAX + 1], long_text[TOKEN_TEXT_BYTES_MAX];
	struct token_claims claims = good_claims(), read;
	size_t len;

	memset(long_text, 'i', sizeof(long_text));
	set.policy.issuer = set.policy.audience = str_of(long_text, sizeof(long_text));
	memset(claims.account_id, 'a', TOKEN_ID_BYTES_MAX);
	memset(claims.session_id, 's', TOKEN_ID_BYTES_MAX);
	memset(claims.id, 't', TOKEN_ID_BYTES_MAX);
	claims.role_count = TOKEN_ROLES_MAX;
	for (unsigned i = 0; i < TOKEN_ROLES_MAX; i++) {
		memset(claims.roles[i], 'r', TOKEN_ROLE_BYTES_MAX);
		claims.roles[i][TOKEN_ROLE_BYTES_MAX] = '\0';
	}
	assert_int_equal(token_sign(&set.policy, &claims, token, &len), 0);
	assert_int_equal(token_verify(&set.policy, str_of(token, len), NOW, &read), TOKEN_VALID);
	expect_equal(&read, &claims);
}

TEST(claims_that_need_escapes_come_back_as_they_were)
{
	_cleanup_(token_set_free) struct token_set set = secret_set();
	struct token_claims claims = good_claims(), read;
	char token[TOKEN_BYTES_MAX + 1];
	size_t len;

	strncpy(claims.account_id, "a\"\\\n\x01\xc3\xa4", TOKEN_ID_BYTES_MAX);
	assert_int_equal(token_sign(&set.policy, &claims, token, &len), 0);
	assert_int_equal(token_verify(&set.policy, str_of(token, len), NOW, &read), TOKEN_VALID);
	assert_string_equal(read.account_id, claims.account_id);
}

/* --- what we do not sign --- */

static void expect_unsigned(const struct token_claims *claims, int expected)
{
	_cleanup_(token_set_free) struct token_set set = secret_set();
	char token[TOKEN_BYTES_MAX + 1] = "untouched";
	size_t len = 7;

	assert_int_equal(token_sign(&set.policy, claims, token, &len), expected);
	assert_string_equal(token, "untouched");
	assert_int_equal(len, 7);
}

TEST(empty_ids_are_not_signed)
{
	struct token_claims account = good_claims(), session = good_claims(), id = good_claims();

	account.account_id[0] = '\0';
	session.session_id[0] = '\0';
	id.id[0] = '\0';
	expect_unsigned(&account, -EINVAL);
	expect_unsigned(&session, -EINVAL);
	expect_unsigned(&id, -EINVAL);
}

TEST(an_id_without_a_terminator_is_not_signed)
{
	struct token_claims claims = good_claims();

	memset(claims.account_id, 'a', sizeof(claims.account_id));
	expect_unsigned(&claims, -EINVAL);
}

TEST(an_id_that_is_not_utf8_is_not_signed)
{
	struct token_claims claims = good_claims();

	claims.account_id[0] = '\xff';
	expect_unsigned(&claims, -EINVAL);
}

TEST(an_empty_role_is_not_signed)
{
	struct token_claims claims = good_claims();

	claims.roles[1][0] = '\0';
	expect_unsigned(&claims, -EINVAL);
}

TEST(too_many_roles_are_not_signed)
{
	struct {
		struct token_claims claims;
		char behind[TOKEN_ROLE_BYTES_MAX + 1];
	} more = { .claims = good_claims() };
	size_t roles_end = offsetof(struct token_claims, roles) + sizeof(more.claims.roles);

	for (unsigned i = 0; i < TOKEN_ROLES_MAX; i++)
		more.claims.roles[i][0] = 'r';
	/* What would be read as the 17th is a good name, padding included. */
	memset((char *)&more + roles_end, 'r', sizeof(more.claims) - roles_end + 1);
	more.claims.role_count = TOKEN_ROLES_MAX + 1;
	expect_unsigned(&more.claims, -EINVAL);
}

TEST(times_that_make_no_sense_are_not_signed)
{
	struct token_claims before = good_claims(), negative = good_claims(), far = good_claims();

	before.expires_s = before.issued_s - 1;
	negative.issued_s = -1;
	far.expires_s = INT64_C(253402300800); /* year 10000 */
	expect_unsigned(&before, -EINVAL);
	expect_unsigned(&negative, -EINVAL);
	expect_unsigned(&far, -EINVAL);
}

TEST(a_token_that_would_be_too_long_is_not_signed)
{
	struct token_claims claims = good_claims();

	/* A control character takes six bytes of JSON. */
	claims.role_count = TOKEN_ROLES_MAX;
	for (unsigned i = 0; i < TOKEN_ROLES_MAX; i++)
		memset(claims.roles[i], 1, TOKEN_ROLE_BYTES_MAX);
	expect_unsigned(&claims, -ENOBUFS);
}

/* --- form --- */

TEST(the_forgeries_below_are_valid_but_for_what_they_break)
{
	expect_token(STR(HEADER), STR(CLAIMS), TOKEN_VALID);
}

TEST(a_text_without_three_parts_is_invalid)
{
	_cleanup_(token_set_free) struct token_set set = secret_set();
	const struct str texts[] = { { NULL, 0 }, STR("."), STR(".."), STR("..."), STR("a"),
		STR("a.b"), STR("a.b."), STR(".b.c"), STR("a..c") };

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		assert_int_equal(verified(&set, texts[i], NOW), TOKEN_INVALID);
}

TEST(a_token_cut_short_or_longer_is_invalid)
{
	_cleanup_(token_set_free) struct token_set set = secret_set();
	struct text text = signed_good(&set);

	for (size_t len = 0; len < text.len; len++)
		assert_int_equal(verified(&set, str_of(text.data, len), NOW), TOKEN_INVALID);
	text_add(&text, STR(".A"));
	assert_int_equal(verified(&set, str_of(text.data, text.len - 1), NOW), TOKEN_INVALID);
	assert_int_equal(verified(&set, text_str(&text), NOW), TOKEN_INVALID);
}

TEST(a_token_with_any_character_changed_is_invalid)
{
	_cleanup_(token_set_free) struct token_set set = secret_set();
	struct text text = signed_good(&set);

	for (size_t i = 0; i < text.len; i++) {
		char was = text.data[i];

		text.data[i] = was == 'A' ? 'B' : 'A';
		assert_int_equal(verified(&set, text_str(&text), NOW), TOKEN_INVALID);
		text.data[i] = was;
	}
}

TEST(another_spelling_of_the_signature_is_invalid)
{
	static const char alphabet[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	_cleanup_(token_set_free) struct token_set set = secret_set();
	struct text text = signed_good(&set);
	ptrdiff_t last = str_index(str_cstr(alphabet), text.data[text.len - 1]);

	/* 32 bytes leave two bits of the last character unused: these spell the same bytes. */
	assert_int_equal(last % 4, 0);
	for (ptrdiff_t unused = 1; unused < 4; unused++) {
		text.data[text.len - 1] = alphabet[last + unused];
		assert_int_equal(verified(&set, text_str(&text), NOW), TOKEN_INVALID);
	}
}

TEST(padding_white_space_and_the_other_alphabet_are_invalid)
{
	const struct str endings[] = { STR("="), STR(" "), STR("\n"), STR("\0"), STR("+"),
		STR("/") };
	_cleanup_(token_set_free) struct token_set set = secret_set();

	for (size_t i = 0; i < ARRAY_SIZE(endings); i++) {
		struct text text = signed_good(&set);

		text_add(&text, endings[i]);
		assert_int_equal(verified(&set, text_str(&text), NOW), TOKEN_INVALID);
	}
}

/* Good claims with white space behind them, until the token has its greatest length. */
static struct text longest_token(struct str header)
{
	/* What is not claims: the header's 55 characters, the signature's 43, and two dots. */
	char claims[(TOKEN_BYTES_MAX - 100) * 3 / 4];

	memset(claims, ' ', sizeof(claims));
	memcpy(claims, CLAIMS, sizeof(CLAIMS) - 1);
	return forged(header, str_of(claims, sizeof(claims)), STR(SECRET));
}

TEST(a_token_may_have_its_greatest_length_and_not_one_more)
{
	_cleanup_(token_set_free) struct token_set set = secret_set();
	struct text most = longest_token(STR(HEADER)), more = longest_token(STR(HEADER " "));

	assert_int_equal(most.len, TOKEN_BYTES_MAX);
	assert_int_equal(more.len, TOKEN_BYTES_MAX + 1);
	assert_int_equal(verified(&set, text_str(&most), NOW), TOKEN_VALID);
	assert_int_equal(verified(&set, text_str(&more), NOW), TOKEN_INVALID);
}

/* --- header --- */

TEST(a_header_that_is_no_json_object_is_invalid)
{
	const struct str headers[] = { STR(" "), STR("[]"), STR("null"), STR("\"HS256\""), STR("{"),
		STR(HEADER "x"), STR(HEADER HEADER) };

	for (size_t i = 0; i < ARRAY_SIZE(headers); i++)
		expect_header(headers[i], TOKEN_INVALID);
}

TEST(another_type_of_token_is_invalid)
{
	expect_header(STR("{\"typ\":\"JWT\",\"alg\":\"HS256\",\"kid\":\"k1\"}"), TOKEN_INVALID);
	expect_header(STR("{\"typ\":\"AT+JWT\",\"alg\":\"HS256\",\"kid\":\"k1\"}"), TOKEN_INVALID);
	expect_header(
		STR("{\"typ\":[\"at+jwt\"],\"alg\":\"HS256\",\"kid\":\"k1\"}"), TOKEN_INVALID);
	expect_header(STR("{\"alg\":\"HS256\",\"kid\":\"k1\"}"), TOKEN_INVALID);
}

TEST(an_unknown_kid_is_invalid)
{
	expect_header(STR("{\"typ\":\"at+jwt\",\"alg\":\"HS256\",\"kid\":\"k2\"}"), TOKEN_INVALID);
	expect_header(STR("{\"typ\":\"at+jwt\",\"alg\":\"HS256\",\"kid\":\"\"}"), TOKEN_INVALID);
	expect_header(STR("{\"typ\":\"at+jwt\",\"alg\":\"HS256\",\"kid\":1}"), TOKEN_INVALID);
	expect_header(STR("{\"typ\":\"at+jwt\",\"alg\":\"HS256\"}"), TOKEN_INVALID);
}

TEST(another_algorithm_than_the_key_has_is_invalid)
{
	expect_header(STR("{\"typ\":\"at+jwt\",\"alg\":\"none\",\"kid\":\"k1\"}"), TOKEN_INVALID);
	expect_header(STR("{\"typ\":\"at+jwt\",\"alg\":\"HS512\",\"kid\":\"k1\"}"), TOKEN_INVALID);
	expect_header(STR("{\"typ\":\"at+jwt\",\"alg\":\"hs256\",\"kid\":\"k1\"}"), TOKEN_INVALID);
	expect_header(STR("{\"typ\":\"at+jwt\",\"alg\":\"ES256\",\"kid\":\"k1\"}"), TOKEN_INVALID);
	expect_header(STR("{\"typ\":\"at+jwt\",\"alg\":null,\"kid\":\"k1\"}"), TOKEN_INVALID);
	expect_header(STR("{\"typ\":\"at+jwt\",\"kid\":\"k1\"}"), TOKEN_INVALID);
}

TEST(a_repeated_header_member_is_invalid)
{
	expect_header(
		STR("{\"typ\":\"at+jwt\",\"alg\":\"HS256\",\"kid\":\"k1\",\"alg\":\"HS256\"}"),
		TOKEN_INVALID);
	expect_header(
		STR("{\"typ\":\"at+jwt\",\"alg\":\"HS256\",\"kid\":\"k1\",\"\\u0061lg\":\"none\"}"),
		TOKEN_INVALID);
}

TEST(dangerous_header_members_are_invalid)
{
	static const char *const members[] = { "\"crit\":[]", "\"crit\":[\"exp\"]", "\"crit\":null",
		"\"jku\":\"https://evil.example\"", "\"jwk\":{}",
		"\"x5u\":\"https://evil.example\"", "\"x5c\":[]", "\"b64\":false", "\"b64\":true",
		"\"zip\":\"DEF\"" };

	for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
		char header[256];
		int len = snprintf(header, sizeof(header),
			"{\"typ\":\"at+jwt\",\"alg\":\"HS256\",\"kid\":\"k1\",%s}", members[i]);

		expect_header(str_of(header, (size_t)len), TOKEN_INVALID);
	}
}

TEST(unknown_header_members_are_ignored)
{
	expect_header(STR("{\"typ\":\"at+jwt\",\"alg\":\"HS256\",\"kid\":\"k1\",\"new\":[{}]}"),
		TOKEN_VALID);
}

TEST(an_unsigned_token_is_invalid)
{
	_cleanup_(token_set_free) struct token_set set = secret_set();
	struct text text = {};

	text_add_part(&text, STR("{\"typ\":\"at+jwt\",\"alg\":\"none\",\"kid\":\"k1\"}"));
	text_add(&text, STR("."));
	text_add_part(&text, STR(CLAIMS));
	text_add(&text, STR("."));
	assert_int_equal(verified(&set, text_str(&text), NOW), TOKEN_INVALID);
	text_add_part(&text, STR("x"));
	assert_int_equal(verified(&set, text_str(&text), NOW), TOKEN_INVALID);
}

TEST(a_public_key_is_no_hmac_secret)
{
	const enum signing_algorithm algorithms[] = { SIGNING_ES256, SIGNING_EDDSA, SIGNING_RS256 };

	for (size_t i = 0; i < ARRAY_SIZE(algorithms); i++) {
		_cleanup_(token_set_free) struct token_set set = generated_set(algorithms[i]);
		_cleanup_(buf_deinit) struct buf jwk = buf_init(4096);
		struct text text;

		assert_int_equal(
			signing_key_jwk(keys_find(set.keys, STR("k1")), STR("k1"), &jwk), 0);
		text = forged(STR(HEADER), STR(CLAIMS), buf_str(&jwk));
		assert_int_equal(verified(&set, text_str(&text), NOW), TOKEN_INVALID);
	}
}

TEST(a_header_of_another_token_is_invalid)
{
	const struct key_source sources[] = {
		{ STR("k1"), SIGNING_HS256, STR(SECRET), true },
		{ STR("k2"), SIGNING_HS256, STR(OTHER_SECRET), false },
	};
	_cleanup_(token_set_free) struct token_set set = set_of(sources, 2);
	/* Signed with k1 and saying k2: both are ours, but not for each other. */
	struct text text = forged(STR("{\"typ\":\"at+jwt\",\"alg\":\"HS256\",\"kid\":\"k2\"}"),
		STR(CLAIMS), STR(SECRET));

	assert_int_equal(verified(&set, text_str(&text), NOW), TOKEN_INVALID);
}

TEST(claims_of_another_token_are_invalid)
{
	_cleanup_(token_set_free) struct token_set set = secret_set();
	struct text mine = forged(STR(HEADER), STR(CLAIMS), STR(SECRET));
	struct text other = forged(STR(HEADER),
		STR("{" ISS AUD "\"sub\":\"another\"," SID JTI IAT EXP ROLES "}"),
		STR("not the secret"));
	struct text mixed = {};

	/* 43 characters are an HS256 signature. */
	text_add(&mixed, str_of(other.data, other.len - 43));
	text_add(&mixed, str_of(mine.data + mine.len - 43, 43));
	assert_int_equal(verified(&set, text_str(&mixed), NOW), TOKEN_INVALID);
}

/* --- claims --- */

TEST(claims_that_are_no_json_object_are_invalid)
{
	const struct str claims[] = { STR(" "), STR("[]"), STR("null"), STR("1"), STR("{}"),
		STR("{"), STR(CLAIMS "x"), STR("\xef\xbb\xbf" CLAIMS) };

	for (size_t i = 0; i < ARRAY_SIZE(claims); i++)
		expect_claims(claims[i], TOKEN_INVALID);
}

TEST(a_missing_claim_is_invalid)
{
	expect_claims(STR("{" AUD SUB SID JTI IAT EXP ROLES "}"), TOKEN_INVALID);
	expect_claims(STR("{" ISS SUB SID JTI IAT EXP ROLES "}"), TOKEN_INVALID);
	expect_claims(STR("{" ISS AUD SID JTI IAT EXP ROLES "}"), TOKEN_INVALID);
	expect_claims(STR("{" ISS AUD SUB JTI IAT EXP ROLES "}"), TOKEN_INVALID);
	expect_claims(STR("{" ISS AUD SUB SID IAT EXP ROLES "}"), TOKEN_INVALID);
	expect_claims(STR("{" ISS AUD SUB SID JTI EXP ROLES "}"), TOKEN_INVALID);
	expect_claims(STR("{" ISS AUD SUB SID JTI IAT ROLES "}"), TOKEN_INVALID);
	expect_claims(STR("{" ISS AUD SUB SID JTI IAT "\"exp\":" EXP_TEXT "}"), TOKEN_INVALID);
}

TEST(a_repeated_claim_is_invalid)
{
	expect_claims(STR("{" ISS AUD SUB SID JTI IAT EXP EXP ROLES "}"), TOKEN_INVALID);
	expect_claims(STR("{" ISS AUD SUB "\"sub\":\"another\"," SID JTI IAT EXP ROLES "}"),
		TOKEN_INVALID);
	expect_claims(STR("{" ISS AUD SUB "\"\\u0073ub\":\"another\"," SID JTI IAT EXP ROLES "}"),
		TOKEN_INVALID);
}

TEST(claims_are_told_apart_by_case)
{
	expect_claims(
		STR("{" ISS AUD "\"SUB\":\"account\"," SID JTI IAT EXP ROLES "}"), TOKEN_INVALID);
}

TEST(another_issuer_is_invalid)
{
	expect_claims(STR("{\"iss\":\"https://evil.example\"," AUD SUB SID JTI IAT EXP ROLES "}"),
		TOKEN_INVALID);
	expect_claims(
		STR("{\"iss\":\"" ISSUER "/\"," AUD SUB SID JTI IAT EXP ROLES "}"), TOKEN_INVALID);
	expect_claims(
		STR("{\"iss\":[\"" ISSUER "\"]," AUD SUB SID JTI IAT EXP ROLES "}"), TOKEN_INVALID);
}

TEST(another_audience_is_invalid)
{
	expect_claims(
		STR("{" ISS "\"aud\":\"https://other.example\"," SUB SID JTI IAT EXP ROLES "}"),
		TOKEN_INVALID);
	expect_claims(STR("{" ISS "\"aud\":\"\"," SUB SID JTI IAT EXP ROLES "}"), TOKEN_INVALID);
	expect_claims(STR("{" ISS "\"aud\":[\"" AUDIENCE "\"]," SUB SID JTI IAT EXP ROLES "}"),
		TOKEN_INVALID);
}

TEST(ids_that_are_no_strings_are_invalid)
{
	expect_claims(STR("{" ISS AUD "\"sub\":1," SID JTI IAT EXP ROLES "}"), TOKEN_INVALID);
	expect_claims(STR("{" ISS AUD "\"sub\":null," SID JTI IAT EXP ROLES "}"), TOKEN_INVALID);
	expect_claims(
		STR("{" ISS AUD SUB "\"sid\":[\"session\"]," JTI IAT EXP ROLES "}"), TOKEN_INVALID);
	expect_claims(STR("{" ISS AUD SUB SID "\"jti\":{}," IAT EXP ROLES "}"), TOKEN_INVALID);
}

/* The claims with an account id of that many bytes. */
static void expect_id_length(size_t len, int expected)
{
	char id[TOKEN_ID_BYTES_MAX + 2], claims[1024];
	int claims_len;

	memset(id, 'a', sizeof(id));
	claims_len = snprintf(claims, sizeof(claims),
		"{" ISS AUD "\"sub\":\"%.*s\"," SID JTI IAT EXP ROLES "}", (int)len, id);
	expect_claims(str_of(claims, (size_t)claims_len), expected);
}

TEST(an_id_has_1_to_64_bytes)
{
	expect_id_length(0, TOKEN_INVALID);
	expect_id_length(1, TOKEN_VALID);
	expect_id_length(TOKEN_ID_BYTES_MAX, TOKEN_VALID);
	expect_id_length(TOKEN_ID_BYTES_MAX + 1, TOKEN_INVALID);
}

TEST(an_id_with_a_nul_byte_is_invalid)
{
	expect_claims(STR("{" ISS AUD "\"sub\":\"admin\\u0000x\"," SID JTI IAT EXP ROLES "}"),
		TOKEN_INVALID);
}

TEST(roles_that_are_no_array_of_names_are_invalid)
{
	static const char *const roles[] = { "null", "{}", "\"admin\"", "[1]", "[null]",
		"[[\"admin\"]]", "[\"\"]", "[\"user\",\"\"]" };

	for (size_t i = 0; i < ARRAY_SIZE(roles); i++) {
		char claims[1024];
		int len = snprintf(claims, sizeof(claims),
			"{" ISS AUD SUB SID JTI IAT EXP "\"roles\":%s}", roles[i]);

		expect_claims(str_of(claims, (size_t)len), TOKEN_INVALID);
	}
}

TEST(nobody_needs_a_role)
{
	expect_claims(STR("{" ISS AUD SUB SID JTI IAT EXP "\"roles\":[]}"), TOKEN_VALID);
}

TEST(roles_may_be_16_and_not_one_more)
{
#define FOUR "\"a\",\"b\",\"c\",\"d\""
	expect_claims(STR("{" ISS AUD SUB SID JTI IAT EXP "\"roles\":[" FOUR "," FOUR "," FOUR
			  "," FOUR "]}"),
		TOKEN_VALID);
	expect_claims(STR("{" ISS AUD SUB SID JTI IAT EXP "\"roles\":[" FOUR "," FOUR "," FOUR
			  "," FOUR ",\"e\"]}"),
		TOKEN_INVALID);
}

TEST(a_role_may_have_32_bytes_and_not_one_more)
{
#define THIRTY_TWO "rrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrr"
	expect_claims(STR("{" ISS AUD SUB SID JTI IAT EXP "\"roles\":[\"" THIRTY_TWO "\"]}"),
		TOKEN_VALID);
	expect_claims(STR("{" ISS AUD SUB SID JTI IAT EXP "\"roles\":[\"" THIRTY_TWO "r\"]}"),
		TOKEN_INVALID);
}

TEST(times_that_are_no_whole_numbers_are_invalid)
{
	static const char *const times[] = { "null", "\"" EXP_TEXT "\"", EXP_TEXT ".5", "true",
		"[]", "1e30", "-1", "253402300800", "9223372036854775808" };

	for (size_t i = 0; i < ARRAY_SIZE(times); i++) {
		char claims[1024];
		int len = snprintf(claims, sizeof(claims),
			"{" ISS AUD SUB SID JTI IAT "\"exp\":%s," ROLES "}", times[i]);

		expect_claims(str_of(claims, (size_t)len), TOKEN_INVALID);
		len = snprintf(claims, sizeof(claims),
			"{" ISS AUD SUB SID JTI "\"iat\":%s," EXP ROLES "}", times[i]);
		expect_claims(str_of(claims, (size_t)len), TOKEN_INVALID);
	}
}

TEST(unknown_claims_are_ignored)
{
	expect_claims(
		STR("{\"new\":{\"sub\":[1]}," ISS AUD SUB SID JTI IAT EXP ROLES "}"), TOKEN_VALID);
}

TEST(claims_nested_too_deeply_are_invalid)
{
	expect_claims(STR("{\"new\":[[[]]]," ISS AUD SUB SID JTI IAT EXP ROLES "}"), TOKEN_VALID);
	expect_claims(
		STR("{\"new\":[[[[]]]]," ISS AUD SUB SID JTI IAT EXP ROLES "}"), TOKEN_INVALID);
}

TEST(claims_that_fill_memory_are_invalid_and_not_a_failure)
{
	char claims[TOKEN_BYTES_MAX * 3 / 4 - 100];
	size_t len = 0;

	/* As many nodes as a token can hold. */
	claims[len++] = '[';
	while (len + 3 < sizeof(claims)) {
		claims[len++] = '1';
		claims[len++] = ',';
	}
	claims[len++] = '1';
	claims[len++] = ']';
	expect_claims(str_of(claims, len), TOKEN_INVALID);
}

/* --- time --- */

TEST(a_token_ends_with_the_second_it_names)
{
	_cleanup_(token_set_free) struct token_set set = secret_set();
	struct text text = signed_good(&set);

	assert_int_equal(verified(&set, text_str(&text), NOW + 899), TOKEN_VALID);
	assert_int_equal(verified(&set, text_str(&text), NOW + 900), TOKEN_EXPIRED);
	assert_int_equal(verified(&set, text_str(&text), NOW + 901), TOKEN_EXPIRED);
}

TEST(a_token_may_be_issued_60_seconds_ahead_and_not_one_more)
{
	_cleanup_(token_set_free) struct token_set set = secret_set();
	struct text text = signed_good(&set);

	assert_int_equal(verified(&set, text_str(&text), NOW - TOKEN_CLOCK_SKEW_S), TOKEN_VALID);
	assert_int_equal(
		verified(&set, text_str(&text), NOW - TOKEN_CLOCK_SKEW_S - 1), TOKEN_INVALID);
}

TEST(a_token_that_ends_before_it_begins_is_invalid)
{
	expect_claims(
		STR("{" ISS AUD SUB SID JTI "\"iat\":1800000010,\"exp\":1800000009," ROLES "}"),
		TOKEN_INVALID);
	expect_claims(
		STR("{" ISS AUD SUB SID JTI "\"iat\":1800000010,\"exp\":1800000010," ROLES "}"),
		TOKEN_VALID);
}

TEST(an_expired_token_with_another_fault_is_invalid)
{
	expect_claims(STR("{" ISS "\"aud\":\"x\"," SUB SID JTI "\"iat\":1,\"exp\":2," ROLES "}"),
		TOKEN_INVALID);
	expect_claims(STR("{" ISS AUD SUB SID JTI "\"iat\":1,\"exp\":2," ROLES "}"), TOKEN_EXPIRED);
}

TEST(an_expired_token_costs_no_signature)
{
	_cleanup_(token_set_free) struct token_set set = secret_set();
	struct text text = forged(STR(HEADER), STR(CLAIMS), STR("not the secret"));

	assert_int_equal(verified(&set, text_str(&text), NOW), TOKEN_INVALID);
	assert_int_equal(verified(&set, text_str(&text), NOW + 900), TOKEN_EXPIRED);
}

/* --- rotation --- */

TEST(a_token_of_the_key_before_stays_valid_until_that_key_goes)
{
	const struct key_source before = { STR("k1"), SIGNING_HS256, STR(SECRET), true };
	const struct key_source overlap[] = {
		{ STR("k2"), SIGNING_HS256, STR(OTHER_SECRET), true },
		{ STR("k1"), SIGNING_HS256, STR(SECRET), false },
	};
	_cleanup_(token_set_free) struct token_set first = set_of(&before, 1);
	_cleanup_(token_set_free) struct token_set both = set_of(overlap, 2);
	_cleanup_(token_set_free) struct token_set after = set_of(overlap, 1);
	struct text old = signed_good(&first), new = signed_good(&both);

	assert_int_equal(verified(&both, text_str(&old), NOW), TOKEN_VALID);
	assert_int_equal(verified(&after, text_str(&old), NOW), TOKEN_INVALID);
	assert_int_equal(verified(&after, text_str(&new), NOW), TOKEN_VALID);
}

TEST(a_token_of_an_old_key_with_our_kid_is_invalid)
{
	const struct key_source replaced = { STR("k1"), SIGNING_HS256, STR(OTHER_SECRET), true };
	_cleanup_(token_set_free) struct token_set old = secret_set();
	_cleanup_(token_set_free) struct token_set now = set_of(&replaced, 1);
	struct text text = signed_good(&old);

	assert_int_equal(verified(&now, text_str(&text), NOW), TOKEN_INVALID);
}

/* --- threads --- */

static void *verify_on_thread(void *arg)
{
	struct token_set *set = arg;
	struct text text = signed_good(set);

	return verified(set, text_str(&text), NOW) == TOKEN_VALID ? set : NULL;
}

TEST(threads_verify_with_one_set)
{
	_cleanup_(token_set_free) struct token_set set = generated_set(SIGNING_ES256);
	pthread_t threads[4];
	void *result;

	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, verify_on_thread, &set), 0);
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++) {
		assert_int_equal(pthread_join(threads[i], &result), 0);
		assert_ptr_equal(result, &set);
	}
}

/* --- refresh tokens --- */

TEST(a_new_refresh_token_hashes_to_its_hash)
{
	unsigned char hash[SHA256_BYTES], again[SHA256_BYTES];
	char text[REFRESH_TOKEN_BYTES + 1];

	refresh_token_new(text, hash);
	assert_int_equal(strlen(text), REFRESH_TOKEN_BYTES);
	assert_int_equal(refresh_token_hash(str_cstr(text), again), 0);
	assert_memory_equal(hash, again, SHA256_BYTES);
}

TEST(two_refresh_tokens_differ)
{
	char a[REFRESH_TOKEN_BYTES + 1], b[REFRESH_TOKEN_BYTES + 1];
	unsigned char hash[SHA256_BYTES];

	refresh_token_new(a, hash);
	refresh_token_new(b, hash);
	assert_string_not_equal(a, b);
}

TEST(what_cannot_be_a_refresh_token_has_no_hash)
{
#define FORTY_TWO "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	const struct str texts[] = { { NULL, 0 }, STR(FORTY_TWO), STR(FORTY_TWO "AA"),
		STR(FORTY_TWO "B"), STR(FORTY_TWO "="), STR(FORTY_TWO "+"), STR(FORTY_TWO "\0") };
	unsigned char hash[SHA256_BYTES];

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		assert_int_equal(refresh_token_hash(texts[i], hash), -EINVAL);
	assert_int_equal(refresh_token_hash(STR(FORTY_TWO "A"), hash), 0);
}
