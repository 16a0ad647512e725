/*
 * Keys and signatures against published vectors, the ways in which a signature is wrong, and which
 * keys are refused. The keys of the RFCs are written there as JWK; here they are in PEM.
 */
#include "crypt/signing.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "shared/base64url.h"
#include "shared/macros.h"
#include "support/test.h"

/* RFC 7515 appendix A.2. */
static const char rsa_pem[] = "-----BEGIN PRIVATE KEY-----\n"
			      "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQCh+BYK4uPJtGXO\n"
			      "jS1lYmM2K5J9vinh8CR3/BYlzJChNuOL2TSXxbbqY913EeZ8dCn5VrD7io8ImtxL\n"
			      "aYk8wTM/U+3QGbh3hCUv7JFP5IV3aVlL6kKA0ywPVb9ilE8TA5a8bpvfbr3SvaNn\n"
			      "juygxmj3AbONv/s4yDQs4v5tJ/reSlpIdJed1LnPmt7Ex1sFhSwsD174pcF1A5L5\n"
			      "ROjtZMEQxrZHYJqkeDrrnGya11UxMFBji4NmXG9veoKjlnAqH2QbgtPr8jkiGUkf\n"
			      "toaHLFcW9Qr4NY2ai50Xw0Byj3+H2JoY2PyrZ62EWQwuz3WTOTY8BwNNb2BvniHg\n"
			      "VFbK5emhAgMBAAECggEAEq5xpGnNCivDflJsRQBXHx1hdR1k6Ulwe2JZD50LpXyW\n"
			      "PEAeP88vLNO97IjlA7/GQ5sLKMgvfTeXZx9SE+7YwVol2NXOoAJe46sui395IW/G\n"
			      "O+pWJ1O0BkTGoVEn2bKVRUCgu+GjBVaYLU6f3l9kJfFNS3E0QbVdxzubSu3Mkqzj\n"
			      "kn439X0M/V51gfpRLI9JYanrC4D4qAdGcopV/0ZHHzQlBjudU2QvXt4ehNYTCBr6\n"
			      "XCLQUShb1juUO1ZdiYoFaFQT5Tw8bGUl/x/jTj3ccPDVZFD9pIuhLhBOneufuBiB\n"
			      "4cS98l2SR/RQyGWSeWjnczT0QU91p1DhOVRuOopznQKBgQDgHMQQ60imZV1URk0K\n"
			      "pLttoLhyt3SmqdEf/kgHePDdtzEafpAu+cS191R2JiuoF2yzWXnwFDcqGigp5BNr\n"
			      "0AHQfD8/Lk8l1Mk09jxxCfui5nYooNyac8YFjm3vItzVCVDnEd3BbVWG8qf6deqE\n"
			      "lMGAg+C2V0L4oNXnP7LZcPAZRwKBgQC5A8R+CZW2MvRTLLHzwZkUXV866cff7tx6\n"
			      "kqa0finGG0KgeqlaZPxgCZnFp7AeAcCMtiynVlJ7vMVgePsLq6XtON4tB5kP9jAP\n"
			      "rq3rbAOal78eUH5OcED6eNuCV8ixEu1eWcPNCS/l1OW1EnXUEoEHKl54Xrrz2uNw\n"
			      "kgMTP1FZ1wKBgAcCn1dwJKufzBWQxWQp1vsM5fggqPN1qGb5y0MAk3g7/Ls5bkUp\n"
			      "5u9SN0Ai3Ya6hNnvWJMb7sXQX6U/zyO2M/hTip7tUeh7CXgwo59dkpN75gJLVds2\n"
			      "9+DAncu3KXU4f2Fa+7bLNrur53k8KwPOq2bbuTG69QtV7Jr5MR0AHWKNAoGBAIf/\n"
			      "evpitUf+4JYbLpvNXWcY052Mpz22aR84mY3nh3F2LF2mjMJDpTg7FmuyPcVw6EcG\n"
			      "yoAe9fa65iNqCq+jdw6PVNGo2hxfjSiZ8IIzHdsPXI89//pMjZcQK9r+CCoRjaZj\n"
			      "OYiIDktVWZzmevJuv6WywUqd57LE3Zar3dLSIkx1AoGAIYd7DHOhrWvxkwPQsRM2\n"
			      "tOgrjbcrfvtQJipd+DlcxyVuuM9sQLdgjVk2oy26F0EmpScGLq2MowX7fhd/QJQ3\n"
			      "ydy5cY7YIBi87w93IKLEdfnbJtoOPLUW0ITrJReOgo1cq9SbsxYawBgfp/gh6A56\n"
			      "03k2+ZQwVK0JKSHuLFkuQ3U=\n"
			      "-----END PRIVATE KEY-----\n";

/* RFC 7515 appendix A.3. */
static const char ec_pem[] = "-----BEGIN PRIVATE KEY-----\n"
			     "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgjpsQnnGQmL+YBIff\n"
			     "H1136cspYG6+0iY7X1fCE9+E9LKhRANCAAR/zc4ncPbEXUGDy+5v20t7WAczNXvp\n"
			     "7xO6z248e9FURcfxRM0bvZt+hyzf7bnuufSzaV1uqQskrYpGIyiFiOWt\n"
			     "-----END PRIVATE KEY-----\n";

/* RFC 8037 appendix A.1. */
static const char ed_pem[] = "-----BEGIN PRIVATE KEY-----\n"
			     "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n"
			     "-----END PRIVATE KEY-----\n";

/* The public half of A.3. */
static const char ec_public_pem[] =
	"-----BEGIN PUBLIC KEY-----\n"
	"MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEf83OJ3D2xF1Bg8vub9tLe1gHMzV7\n"
	"6e8Tus9uPHvRVEXH8UTNG72bfocs3+257rn0s2ldbqkLJK2KRiMohYjlrQ==\n"
	"-----END PUBLIC KEY-----\n";

/* The private key of A.3 beside somebody else's public key. */
static const char ec_mixed_pem[] =
	"-----BEGIN PRIVATE KEY-----\n"
	"MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgjpsQnnGQmL+YBIff\n"
	"H1136cspYG6+0iY7X1fCE9+E9LKhRANCAATNtW9b0mSJoCqz8+gWXphFieu2tvO3\n"
	"prX44TjfbfK9x6yGANtTynyphT5KYM8cE7SFpq9fG2tPGcZ6r4KNflZE\n"
	"-----END PRIVATE KEY-----\n";

/* A.3 under a passphrase. */
static const char ec_encrypted_pem[] =
	"-----BEGIN ENCRYPTED PRIVATE KEY-----\n"
	"MIH0MF8GCSqGSIb3DQEFDTBSMDEGCSqGSIb3DQEFDDAkBBDJIn1CRoRtT72yi9Y1\n"
	"5LR/AgIIADAMBggqhkiG9w0CCQUAMB0GCWCGSAFlAwQBKgQQnZwny0szNwCohVYs\n"
	"eyTGAwSBkHzSaRK/YkQx1TwNhoqY2NjkU5d7IgnJ9tR5GubJX64+aVHo3MS2Ogsh\n"
	"g1sXARnhQAageVp5P2PhZFhxvrNINUQntIB9Npf2t9C7cABPsBbmUMo1LbDaKuMr\n"
	"CwwcnPz7ISg6rPOndUPaJdrqJrSX56JqzYFu2u5EdxLK7Lc7a8QxERH1nCRo3pK4\n"
	"DEVCOMcE7A==\n"
	"-----END ENCRYPTED PRIVATE KEY-----\n";

/*
 * Good keys that are not ours: secp256k1, whose signatures are as long as those of P-256, and RSA
 * of 1024 bits.
 */
static const char secp256k1_pem[] =
	"-----BEGIN PRIVATE KEY-----\n"
	"MIGEAgEAMBAGByqGSM49AgEGBSuBBAAKBG0wawIBAQQgFrmI1Cyhs1aHLJ3oA3eq\n"
	"BeEfozK14plY0k5AJZFYBVOhRANCAAQe0cNj+/MRPYRdigL4gzEAOabRYrAuBRbp\n"
	"8GkkWRG7KqFh4HPbd1jAQ7rPOZ6VZHqp13k4N79uzbde3ufIt7qI\n"
	"-----END PRIVATE KEY-----\n";

static const char rsa1024_pem[] =
	"-----BEGIN PRIVATE KEY-----\n"
	"MIICdQIBADANBgkqhkiG9w0BAQEFAASCAl8wggJbAgEAAoGBALWH+R5BSffUUXRR\n"
	"aLT6Et50yovbVsjlu5k1MdwOIee3dw8SvKpOdgtr5lS65ptKkhpo/7rnIs72tvw7\n"
	"UdRyw5l8fVPtlrFD1r7E+7nYnluYrqHGMDvLrXnRdw4pU6hzQ1f8J5lK3UXK4fbn\n"
	"nZQ5SKe8cEVBiZO7793vnahms/mdAgMBAAECgYATN7PdyhekjuuYns2w6xB4UHDo\n"
	"4W2MkxWLIKCIpU5dk4SdKeSjOu8wQln9+lNTeU+CUD9ScAm1U1UH2tfM3+Fo/qPV\n"
	"wvdr8KHaK0aT+GFBTxax8IbtIPQY1/cAVuM5yVshCUPNCNjlQ0G5mDF8ru3wDlPo\n"
	"I8cXrYIxUUJ8a/xgGQJBAN7Aiuw4KZ3anoZwAdvJpWcCKd5yRKn1W2n+4VV9OCKE\n"
	"q6fzaDnTu+n/8p+sRpQLdHwJBIuH9U8Gi0baZrD80P8CQQDQoFvUrcD8e2Uz0VYs\n"
	"A/Py8lDSYgcTgUujnom9yd5TEpC26aVrcMabek0fBPmAig9NilzWzN/cWVDCvw/h\n"
	"OdljAkAZiuSjP7Ft+3KwIcnkxROlYzcf3eSHxK3N0r9OCUTVmHcClEPAVco3g/Tz\n"
	"YFLbiRC7ZGFUCqwTesGfx019QBBLAkBLeukejmq3LnHUCJXzwM5fBJqHM146CVpz\n"
	"bSWKm+GrDpl7BBeMQrYohFwor+URQ2H7/OZP9Lm9gDb+7p9xLjvfAkAodhGVxI3d\n"
	"yEQWSFWvZV451ha+PnqvAsQioVEeltaMTPvIxwW4kGVKm8os4e5t6CFkivs0+Eoi\n"
	"2Ac4xx6/CKUe\n"
	"-----END PRIVATE KEY-----\n";

/* RFC 7515 appendix A.1: the key as bytes. */
#define HS256_KEY                                                                                  \
	"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"

#define CLAIMS                                                                                     \
	"eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"

struct vector {
	enum signing_algorithm algorithm;
	const char *text;
	const char *signature; /* base64url */
};

static const struct vector vectors[] = {
	[SIGNING_ES256] = { SIGNING_ES256, "eyJhbGciOiJFUzI1NiJ9." CLAIMS,
		"DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q" },
	[SIGNING_EDDSA] = { SIGNING_EDDSA,
		"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc",
		"hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg" },
	[SIGNING_RS256] = { SIGNING_RS256, "eyJhbGciOiJSUzI1NiJ9." CLAIMS,
		"cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W"
		"2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkS"
		"jtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnv"
		"Wh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw" },
	[SIGNING_HS256] = { SIGNING_HS256, "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9." CLAIMS,
		"dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk" },
};

struct bytes {
	unsigned char data[SIGNATURE_BYTES_MAX];
	size_t len;
};

static struct str str_bytes(const struct bytes *bytes)
{
	return str_of((const char *)bytes->data, bytes->len);
}

static struct bytes decoded(const char *text)
{
	struct bytes bytes;

	assert_int_equal(
		base64url_decode(str_cstr(text), bytes.data, sizeof(bytes.data), &bytes.len), 0);
	return bytes;
}

/* The key of an algorithm's published vector; the caller frees it. */
static struct signing_key *vector_key(enum signing_algorithm algorithm)
{
	const char *const pems[] = {
		[SIGNING_ES256] = ec_pem, [SIGNING_EDDSA] = ed_pem, [SIGNING_RS256] = rsa_pem
	};
	struct bytes secret = decoded(HS256_KEY);
	struct str material =
		algorithm == SIGNING_HS256 ? str_bytes(&secret) : str_cstr(pems[algorithm]);
	struct signing_key *key = NULL;

	assert_int_equal(signing_key_load(algorithm, material, &key), 0);
	return key;
}

static void expect_verify(
	const struct signing_key *key, struct str text, const struct bytes *signature, int expected)
{
	assert_int_equal(signing_verify(key, text, str_bytes(signature)), expected);
}

static struct bytes signed_by(const struct signing_key *key, struct str text)
{
	struct bytes signature;

	assert_int_equal(signing_sign(key, text, signature.data, &signature.len), 0);
	return signature;
}

static int load(enum signing_algorithm algorithm, struct str material)
{
	struct signing_key *key = NULL;
	int r = signing_key_load(algorithm, material, &key);

	signing_key_free(key);
	return r;
}

/* --- digests --- */

static void expect_digest(const unsigned char *digest, const char *hex)
{
	char text[2 * SHA256_BYTES + 1];

	for (size_t i = 0; i < SHA256_BYTES; i++)
		snprintf(text + 2 * i, 3, "%02x", digest[i]);
	assert_string_equal(text, hex);
}

TEST(sha256_gives_the_published_digest) /* FIPS 180-4, "abc" */
{
	unsigned char digest[SHA256_BYTES];

	sha256(STR("abc"), digest);
	expect_digest(digest, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(sha256_of_nothing_is_defined)
{
	unsigned char digest[SHA256_BYTES];

	sha256((struct str){ NULL, 0 }, digest);
	expect_digest(digest, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST(hmac_sha256_gives_the_published_code) /* RFC 4231 test case 2 */
{
	unsigned char mac[SHA256_BYTES];

	hmac_sha256(STR("Jefe"), STR("what do ya want for nothing?"), mac);
	expect_digest(mac, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

TEST(hmac_sha256_does_not_remember_the_key_before)
{
	unsigned char first[SHA256_BYTES], other[SHA256_BYTES], again[SHA256_BYTES];

	hmac_sha256(STR("one"), STR("text"), first);
	hmac_sha256(STR(""), STR("text"), other);
	hmac_sha256(STR("one"), STR("text"), again);
	assert_memory_not_equal(first, other, SHA256_BYTES);
	assert_memory_equal(first, again, SHA256_BYTES);
}

/* --- vectors --- */

TEST(every_published_signature_verifies)
{
	for (size_t i = 0; i < ARRAY_SIZE(vectors); i++) {
		_cleanup_(signing_key_free_p) struct signing_key *key =
			vector_key(vectors[i].algorithm);
		struct bytes signature = decoded(vectors[i].signature);

		expect_verify(key, str_cstr(vectors[i].text), &signature, 1);
	}
}

TEST(signing_without_chance_gives_the_published_signature)
{
	const enum signing_algorithm algorithms[] = { SIGNING_EDDSA, SIGNING_RS256, SIGNING_HS256 };

	for (size_t i = 0; i < ARRAY_SIZE(algorithms); i++) {
		_cleanup_(signing_key_free_p) struct signing_key *key = vector_key(algorithms[i]);
		struct bytes made = signed_by(key, str_cstr(vectors[algorithms[i]].text));
		struct bytes expected = decoded(vectors[algorithms[i]].signature);

		assert_int_equal(made.len, expected.len);
		assert_memory_equal(made.data, expected.data, made.len);
	}
}

TEST(es256_signatures_are_always_64_bytes)
{
	_cleanup_(signing_key_free_p) struct signing_key *key = vector_key(SIGNING_ES256);

	/* One in 128 has a half with a leading zero byte, which DER leaves out. */
	for (int i = 0; i < 1000; i++) {
		struct bytes signature = signed_by(key, STR("text"));

		assert_int_equal(signature.len, 64);
		expect_verify(key, STR("text"), &signature, 1);
	}
}

/* --- wrong signatures --- */

TEST(a_signature_is_wrong_for_another_text)
{
	for (size_t i = 0; i < ARRAY_SIZE(vectors); i++) {
		_cleanup_(signing_key_free_p) struct signing_key *key =
			vector_key(vectors[i].algorithm);
		struct bytes signature = decoded(vectors[i].signature);

		expect_verify(key, STR("another text"), &signature, 0);
	}
}

TEST(a_signature_with_any_byte_changed_is_wrong)
{
	for (size_t i = 0; i < ARRAY_SIZE(vectors); i++) {
		_cleanup_(signing_key_free_p) struct signing_key *key =
			vector_key(vectors[i].algorithm);
		struct bytes signature = decoded(vectors[i].signature);

		for (size_t at = 0; at < signature.len; at++) {
			signature.data[at] ^= 1;
			expect_verify(key, str_cstr(vectors[i].text), &signature, 0);
			signature.data[at] ^= 1;
		}
	}
}

TEST(a_signature_of_any_other_length_is_wrong)
{
	for (size_t i = 0; i < ARRAY_SIZE(vectors); i++) {
		_cleanup_(signing_key_free_p) struct signing_key *key =
			vector_key(vectors[i].algorithm);
		struct bytes signature = decoded(vectors[i].signature);
		size_t right = signature.len;

		memset(signature.data + right, 0, sizeof(signature.data) - right);
		for (size_t len = 0; len <= sizeof(signature.data); len++) {
			signature.len = len;
			expect_verify(key, str_cstr(vectors[i].text), &signature, len == right);
		}
	}
}

TEST(a_signature_of_another_key_is_wrong)
{
	for (size_t i = 0; i < ARRAY_SIZE(vectors); i++) {
		_cleanup_(signing_key_free_p) struct signing_key *key = NULL;
		struct bytes signature = decoded(vectors[i].signature);

		assert_int_equal(signing_key_generate(vectors[i].algorithm, &key), 0);
		expect_verify(key, str_cstr(vectors[i].text), &signature, 0);
	}
}

/* The order n of P-256 (FIPS 186-4 D.1.2.3): r and s lie in 1..n-1. */
static const unsigned char p256_order[32] = { 0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff,
	0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84,
	0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51 };

/* Puts a value at the place of r (0) or s (32) of the published signature. */
static void expect_es256_half_refused(size_t at, const unsigned char value[static 32])
{
	_cleanup_(signing_key_free_p) struct signing_key *key = vector_key(SIGNING_ES256);
	struct bytes signature = decoded(vectors[SIGNING_ES256].signature);

	memcpy(signature.data + at, value, 32);
	expect_verify(key, str_cstr(vectors[SIGNING_ES256].text), &signature, 0);
}

TEST(es256_r_or_s_of_zero_is_wrong)
{
	const unsigned char zero[32] = {};

	expect_es256_half_refused(0, zero);
	expect_es256_half_refused(32, zero);
}

TEST(es256_with_both_halves_zero_is_wrong) /* CVE-2022-21449 */
{
	_cleanup_(signing_key_free_p) struct signing_key *key = vector_key(SIGNING_ES256);
	struct bytes signature = { .len = 64 };

	expect_verify(key, str_cstr(vectors[SIGNING_ES256].text), &signature, 0);
}

TEST(es256_r_or_s_of_the_order_is_wrong)
{
	expect_es256_half_refused(0, p256_order);
	expect_es256_half_refused(32, p256_order);
}

TEST(es256_r_or_s_above_the_order_is_wrong)
{
	unsigned char most[32];

	memset(most, 0xff, sizeof(most));
	expect_es256_half_refused(0, most);
	expect_es256_half_refused(32, most);
}

TEST(es256_in_der_is_wrong)
{
	_cleanup_(signing_key_free_p) struct signing_key *key = vector_key(SIGNING_ES256);
	struct bytes raw = decoded(vectors[SIGNING_ES256].signature);
	struct bytes der = { .data = { 0x30, 0x45, 0x02, 0x20 } };

	/* The halves of the vector: r starts below 0x80, s does not and needs a zero before it. */
	memcpy(der.data + 4, raw.data, 32);
	memcpy(der.data + 36, (const unsigned char[]){ 0x02, 0x21, 0x00 }, 3);
	memcpy(der.data + 39, raw.data + 32, 32);
	der.len = 71;
	expect_verify(key, str_cstr(vectors[SIGNING_ES256].text), &der, 0);
}

TEST(eddsa_with_s_not_reduced_is_wrong) /* RFC 8032 5.1.7: S + L verifies where it is not checked */
{
	static const unsigned char order[32] = { 0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58,
		0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, [31] = 0x10 };
	_cleanup_(signing_key_free_p) struct signing_key *key = vector_key(SIGNING_EDDSA);
	struct bytes signature = decoded(vectors[SIGNING_EDDSA].signature);
	unsigned carry = 0;

	for (size_t i = 0; i < sizeof(order); i++) {
		carry += signature.data[32 + i] + order[i];
		signature.data[32 + i] = (unsigned char)carry;
		carry >>= 8;
	}
	expect_verify(key, str_cstr(vectors[SIGNING_EDDSA].text), &signature, 0);
}

/* --- keys --- */

TEST(a_generated_key_signs_and_verifies_after_dump_and_load)
{
	for (enum signing_algorithm a = SIGNING_ES256; a <= SIGNING_HS256; a++) {
		_cleanup_(signing_key_free_p) struct signing_key *made = NULL, *loaded = NULL;
		_cleanup_(buf_wipe) struct buf material = buf_init(SIGNING_PEM_BYTES_MAX);
		struct bytes signature;

		assert_int_equal(signing_key_generate(a, &made), 0);
		assert_int_equal(signing_key_algorithm(made), a);
		assert_int_equal(signing_key_dump(made, &material), 0);
		assert_int_equal(signing_key_load(a, buf_str(&material), &loaded), 0);
		signature = signed_by(made, STR("text"));
		expect_verify(loaded, STR("text"), &signature, 1);
	}
}

TEST(a_dump_that_does_not_fit_leaves_nothing)
{
	_cleanup_(signing_key_free_p) struct signing_key *key = vector_key(SIGNING_ES256);
	_cleanup_(buf_wipe) struct buf small = buf_init(16);

	assert_int_equal(signing_key_dump(key, &small), -ENOBUFS);
	assert_int_equal(small.len, 0);
}

TEST(a_key_is_refused_under_another_algorithm)
{
	const char *const pems[] = {
		[SIGNING_ES256] = ec_pem, [SIGNING_EDDSA] = ed_pem, [SIGNING_RS256] = rsa_pem
	};

	for (size_t key = 0; key < ARRAY_SIZE(pems); key++) {
		for (size_t a = 0; a < ARRAY_SIZE(pems); a++)
			assert_int_equal(load((enum signing_algorithm)a, str_cstr(pems[key])),
				a == key ? 0 : -EINVAL);
	}
}

TEST(a_key_on_another_curve_is_refused)
{
	assert_int_equal(load(SIGNING_ES256, str_cstr(secp256k1_pem)), -EINVAL);
}

TEST(an_rsa_key_below_2048_bits_is_refused)
{
	assert_int_equal(load(SIGNING_RS256, str_cstr(rsa1024_pem)), -EINVAL);
}

TEST(a_public_key_is_refused)
{
	assert_int_equal(load(SIGNING_ES256, str_cstr(ec_public_pem)), -EINVAL);
}

TEST(a_private_key_beside_a_strange_public_one_is_refused)
{
	assert_int_equal(load(SIGNING_ES256, str_cstr(ec_mixed_pem)), -EINVAL);
}

TEST(an_encrypted_key_is_refused_without_asking)
{
	assert_int_equal(load(SIGNING_ES256, str_cstr(ec_encrypted_pem)), -EINVAL);
}

TEST(a_pem_cut_short_is_refused_at_every_length)
{
	/* Without its last line break, and nothing more, it is still whole. */
	for (size_t len = 0; len < sizeof(ec_pem) - 2; len++)
		assert_int_equal(load(SIGNING_ES256, str_of(ec_pem, len)), -EINVAL);
}

TEST(a_pem_may_have_its_greatest_size_and_not_one_more)
{
	static char text[SIGNING_PEM_BYTES_MAX + 1];

	memset(text, '\n', sizeof(text));
	memcpy(text, ec_pem, sizeof(ec_pem) - 1);
	assert_int_equal(load(SIGNING_ES256, str_of(text, SIGNING_PEM_BYTES_MAX)), 0);
	assert_int_equal(load(SIGNING_ES256, str_of(text, SIGNING_PEM_BYTES_MAX + 1)), -EINVAL);
}

TEST(a_secret_has_32_to_1024_bytes)
{
	static const char secret[SIGNING_SECRET_BYTES_MAX + 1];

	assert_int_equal(load(SIGNING_HS256, str_of(NULL, 0)), -EINVAL);
	assert_int_equal(
		load(SIGNING_HS256, str_of(secret, SIGNING_SECRET_BYTES_MIN - 1)), -EINVAL);
	assert_int_equal(load(SIGNING_HS256, str_of(secret, SIGNING_SECRET_BYTES_MIN)), 0);
	assert_int_equal(load(SIGNING_HS256, str_of(secret, SIGNING_SECRET_BYTES_MAX)), 0);
	assert_int_equal(
		load(SIGNING_HS256, str_of(secret, SIGNING_SECRET_BYTES_MAX + 1)), -EINVAL);
}

TEST(freeing_no_key_is_allowed)
{
	signing_key_free(NULL);
}

static void *sign_on_thread(void *key)
{
	struct bytes signature = signed_by(key, STR("text"));

	return signing_verify(key, STR("text"), str_bytes(&signature)) == 1 ? key : NULL;
}

TEST(threads_share_a_key)
{
	_cleanup_(signing_key_free_p) struct signing_key *key = vector_key(SIGNING_ES256);
	pthread_t threads[4];
	void *result;

	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, sign_on_thread, key), 0);
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++) {
		assert_int_equal(pthread_join(threads[i], &result), 0);
		assert_ptr_equal(result, key);
	}
}

/* --- names and JWK --- */

TEST(every_algorithm_is_found_by_its_name)
{
	for (enum signing_algorithm a = SIGNING_ES256; a <= SIGNING_HS256; a++) {
		enum signing_algorithm found;

		assert_int_equal(
			signing_algorithm_parse(str_cstr(signing_algorithm_name(a)), &found), 0);
		assert_int_equal(found, a);
	}
}

TEST(no_algorithm_is_found_by_another_name)
{
	const struct str names[] = { STR("none"), STR(""), STR("es256"), STR("ES256 "),
		STR("ES256\0"), STR("ES384"), STR("HS512"), STR("PS256") };
	enum signing_algorithm found;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		assert_int_equal(signing_algorithm_parse(names[i], &found), -EINVAL);
}

static void expect_jwk(enum signing_algorithm algorithm, const char *expected)
{
	_cleanup_(signing_key_free_p) struct signing_key *key = vector_key(algorithm);
	_cleanup_(buf_deinit) struct buf json = buf_init(4096);

	assert_int_equal(signing_key_jwk(key, STR("k1"), &json), 0);
	assert_int_equal(buf_append_char(&json, '\0'), 0);
	assert_string_equal(json.data, expected);
}

TEST(es256_jwk_is_the_published_one)
{
	expect_jwk(SIGNING_ES256,
		"{\"kid\":\"k1\",\"use\":\"sig\",\"alg\":\"ES256\",\"kty\":\"EC\",\"crv\":\"P-256\","
		"\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
		"\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}");
}

TEST(eddsa_jwk_is_the_published_one)
{
	expect_jwk(SIGNING_EDDSA,
		"{\"kid\":\"k1\",\"use\":\"sig\",\"alg\":\"EdDSA\",\"kty\":\"OKP\",\"crv\":\"Ed25519\","
		"\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}");
}

TEST(rs256_jwk_is_the_published_one)
{
	expect_jwk(SIGNING_RS256,
		"{\"kid\":\"k1\",\"use\":\"sig\",\"alg\":\"RS256\",\"kty\":\"RSA\","
		"\"n\":\"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJ"
		"PMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf6"
		"3kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9k"
		"G4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ\","
		"\"e\":\"AQAB\"}");
}

TEST(a_secret_has_no_jwk)
{
	_cleanup_(signing_key_free_p) struct signing_key *key = vector_key(SIGNING_HS256);
	_cleanup_(buf_deinit) struct buf json = buf_init(4096);

	assert_int_equal(signing_key_jwk(key, STR("k1"), &json), -EINVAL);
	assert_int_equal(json.len, 0);
}

TEST(a_jwk_that_does_not_fit_leaves_nothing)
{
	_cleanup_(signing_key_free_p) struct signing_key *key = vector_key(SIGNING_RS256);
	_cleanup_(buf_deinit) struct buf json = buf_init(100);

	assert_int_equal(signing_key_jwk(key, STR("k1"), &json), -ENOBUFS);
	assert_int_equal(json.len, 0);
}
