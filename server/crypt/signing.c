/*
 * OpenSSL behind signing.h. What was fetched is process-wide and read-only; contexts belong to a
 * thread and are freed when it ends. Errors of libcrypto are cleared here: nobody else reads them.
 */
#include "crypt/signing.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/pem.h>

#include "shared/base64url.h"
#include "shared/json.h"
#include "shared/macros.h"
#include "shared/random.h"
#include "shared/secret.h"

#define ES256_HALF_BYTES 32
#define ES256_RAW_BYTES (2 * ES256_HALF_BYTES)
#define ES256_DER_BYTES_MAX 72 /* two integers of 33 bytes and three headers of 2 */
#define ED25519_BYTES 32

struct signing_key {
	enum signing_algorithm algorithm;
	EVP_PKEY *pkey; /* NULL for HS256 */
	size_t secret_len;
	unsigned char secret[SIGNING_SECRET_BYTES_MAX];
};

CLEANUP_P(EVP_PKEY_free, EVP_PKEY)
CLEANUP_P(ECDSA_SIG_free, ECDSA_SIG)
CLEANUP_P(BIO_free, BIO)
CLEANUP_P(BN_free, BIGNUM)

/* --- what is kept --- */

struct contexts {
	EVP_MD_CTX *digest;
	EVP_MD_CTX *signature;
	EVP_MAC_CTX *mac; /* keeps its last key until the next use or the thread's end */
};

static pthread_once_t fetch_once = PTHREAD_ONCE_INIT;
static pthread_key_t contexts_key;
static EVP_MD *sha256_md;
static EVP_MAC *hmac_mac;
static _Thread_local struct contexts *contexts_of_thread;

static void contexts_free(void *memory)
{
	struct contexts *c = memory;

	EVP_MD_CTX_free(c->digest);
	EVP_MD_CTX_free(c->signature);
	EVP_MAC_CTX_free(c->mac);
	free(c);
	contexts_of_thread = NULL;
}

static void fetch(void)
{
	int r = pthread_key_create(&contexts_key, contexts_free);

	assert(r == 0);
	sha256_md = EVP_MD_fetch(NULL, "SHA256", NULL);
	hmac_mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	assert(sha256_md && hmac_mac);
}

static struct contexts *contexts_new(void)
{
	const OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)"SHA256", 0),
		OSSL_PARAM_construct_end(),
	};
	struct contexts *c = calloc(1, sizeof(*c));
	int r;

	assert(c);
	c->digest = EVP_MD_CTX_new();
	c->signature = EVP_MD_CTX_new();
	c->mac = EVP_MAC_CTX_new(hmac_mac);
	assert(c->digest && c->signature && c->mac);
	r = EVP_MAC_CTX_set_params(c->mac, params);
	assert(r == 1);
	return c;
}

/* Aborts when memory is out: this happens at a thread's first use only. */
static struct contexts *contexts(void)
{
	int r;

	if (contexts_of_thread)
		return contexts_of_thread;
	pthread_once(&fetch_once, fetch);
	contexts_of_thread = contexts_new();
	r = pthread_setspecific(contexts_key, contexts_of_thread);
	assert(r == 0);
	return contexts_of_thread;
}

static const unsigned char *bytes_of(struct str s)
{
	return (const unsigned char *)(s.len ? s.data : "");
}

void sha256(struct str data, unsigned char ret_digest[static SHA256_BYTES])
{
	EVP_MD_CTX *c = contexts()->digest;
	int ok;

	ok = EVP_DigestInit_ex2(c, sha256_md, NULL) &&
	     EVP_DigestUpdate(c, bytes_of(data), data.len) &&
	     EVP_DigestFinal_ex(c, ret_digest, NULL);
	assert(ok);
}

void hmac_sha256(struct str key, struct str data, unsigned char ret_mac[static SHA256_BYTES])
{
	EVP_MAC_CTX *c = contexts()->mac;
	size_t len = 0;
	int ok;

	ok = EVP_MAC_init(c, bytes_of(key), key.len, NULL) &&
	     EVP_MAC_update(c, bytes_of(data), data.len) &&
	     EVP_MAC_final(c, ret_mac, &len, SHA256_BYTES);
	assert(ok && len == SHA256_BYTES);
}

/* --- algorithms --- */

static const char *const algorithm_names[] = {
	[SIGNING_ES256] = "ES256",
	[SIGNING_EDDSA] = "EdDSA",
	[SIGNING_RS256] = "RS256",
	[SIGNING_HS256] = "HS256",
};

const char *signing_algorithm_name(enum signing_algorithm algorithm)
{
	assert((size_t)algorithm < ARRAY_SIZE(algorithm_names));
	return algorithm_names[algorithm];
}

int signing_algorithm_parse(struct str name, enum signing_algorithm *ret_algorithm)
{
	for (size_t i = 0; i < ARRAY_SIZE(algorithm_names); i++) {
		if (!str_equal(name, str_cstr(algorithm_names[i])))
			continue;
		*ret_algorithm = (enum signing_algorithm)i;
		return 0;
	}
	return -EINVAL;
}

enum signing_algorithm signing_key_algorithm(const struct signing_key *key)
{
	return key->algorithm;
}

/* --- keys --- */

void signing_key_free(struct signing_key *key)
{
	if (!key)
		return;
	EVP_PKEY_free(key->pkey);
	secret_wipe(key, sizeof(*key));
	free(key);
}

static int failure(void)
{
	ERR_clear_error();
	return -EIO;
}

int signing_key_generate(enum signing_algorithm algorithm, struct signing_key **ret_key)
{
	_cleanup_(signing_key_free_p) struct signing_key *key = calloc(1, sizeof(*key));

	if (!key)
		return -ENOMEM;
	key->algorithm = algorithm;
	switch (algorithm) {
	case SIGNING_ES256:
		key->pkey = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
		break;
	case SIGNING_EDDSA:
		key->pkey = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
		break;
	case SIGNING_RS256:
		key->pkey = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)SIGNING_RSA_BITS);
		break;
	case SIGNING_HS256:
		key->secret_len = SIGNING_SECRET_BYTES_MIN;
		random_bytes(key->secret, key->secret_len);
		break;
	}
	if (!key->pkey && algorithm != SIGNING_HS256)
		return failure();
	*ret_key = TAKE(key);
	return 0;
}

static bool is_pkey_of(const EVP_PKEY *pkey, enum signing_algorithm algorithm)
{
	char group[32] = "";
	size_t len;
	int bits;

	switch (algorithm) {
	case SIGNING_ES256:
		return EVP_PKEY_is_a(pkey, "EC") &&
		       EVP_PKEY_get_group_name(pkey, group, sizeof(group), &len) == 1 &&
		       strcmp(group, "prime256v1") == 0;
	case SIGNING_EDDSA:
		return EVP_PKEY_is_a(pkey, "ED25519");
	case SIGNING_RS256:
		bits = EVP_PKEY_get_bits(pkey);
		return EVP_PKEY_is_a(pkey, "RSA") && bits >= SIGNING_RSA_BITS_MIN &&
		       bits <= SIGNING_RSA_BITS_MAX;
	case SIGNING_HS256:
		break;
	}
	return false;
}

/* An encrypted PEM is refused: libcrypto would ask on the terminal otherwise. */
static int no_passphrase(char *text, int bytes, int is_writing, void *arg)
{
	(void)text, (void)bytes, (void)is_writing, (void)arg;
	return -1;
}

/* Half a key pair, or a damaged one, signs what it cannot verify. */
static int key_try(const struct signing_key *key)
{
	const struct str text = STR("trial");
	unsigned char signature[SIGNATURE_BYTES_MAX];
	size_t len;
	int r;

	r = signing_sign(key, text, signature, &len);
	if (r == 0)
		r = signing_verify(key, text, str_of((const char *)signature, len));
	if (r == -ENOMEM)
		return r;
	return r == 1 ? 0 : -EINVAL;
}

static int secret_load(struct signing_key *key, struct str secret)
{
	if (secret.len < SIGNING_SECRET_BYTES_MIN || secret.len > SIGNING_SECRET_BYTES_MAX)
		return -EINVAL;
	memcpy(key->secret, secret.data, secret.len);
	key->secret_len = secret.len;
	return 0;
}

static int pem_load(struct signing_key *key, struct str pem)
{
	_cleanup_(BIO_free_p) BIO *bio = NULL;

	if (pem.len == 0 || pem.len > SIGNING_PEM_BYTES_MAX)
		return -EINVAL;
	bio = BIO_new_mem_buf(pem.data, (int)pem.len);
	if (!bio)
		return -ENOMEM;
	key->pkey = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
	ERR_clear_error();
	if (!key->pkey || !is_pkey_of(key->pkey, key->algorithm))
		return -EINVAL;
	return key_try(key);
}

int signing_key_load(
	enum signing_algorithm algorithm, struct str material, struct signing_key **ret_key)
{
	_cleanup_(signing_key_free_p) struct signing_key *key = calloc(1, sizeof(*key));
	int r;

	if (!key)
		return -ENOMEM;
	key->algorithm = algorithm;
	r = algorithm == SIGNING_HS256 ? secret_load(key, material) : pem_load(key, material);
	if (r < 0)
		return r;
	*ret_key = TAKE(key);
	return 0;
}

int signing_key_dump(const struct signing_key *key, struct buf *pem)
{
	_cleanup_(BIO_free_p) BIO *bio = NULL; /* wiped when freed */
	char *text;
	long len;

	if (key->algorithm == SIGNING_HS256)
		return buf_append(pem, str_of((const char *)key->secret, key->secret_len));
	bio = BIO_new(BIO_s_secmem());
	if (!bio)
		return -ENOMEM;
	if (PEM_write_bio_PKCS8PrivateKey(bio, key->pkey, NULL, NULL, 0, NULL, NULL) != 1)
		return failure();
	len = BIO_get_mem_data(bio, &text);
	return buf_append(pem, str_of(text, (size_t)len));
}

/* --- signatures --- */

static struct str secret_of(const struct signing_key *key)
{
	return str_of((const char *)key->secret, key->secret_len);
}

/* DER to R||S (RFC 7518 section 3.4). */
static int es256_raw_from_der(const unsigned char *der, size_t len, unsigned char *raw)
{
	_cleanup_(ECDSA_SIG_free_p) ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &der, (long)len);

	if (!sig ||
		BN_bn2binpad(ECDSA_SIG_get0_r(sig), raw, ES256_HALF_BYTES) != ES256_HALF_BYTES ||
		BN_bn2binpad(ECDSA_SIG_get0_s(sig), raw + ES256_HALF_BYTES, ES256_HALF_BYTES) !=
			ES256_HALF_BYTES)
		return failure();
	return 0;
}

/* R||S to DER; the length, or an error. */
static int es256_der_from_raw(const unsigned char *raw, unsigned char *der)
{
	_cleanup_(ECDSA_SIG_free_p) ECDSA_SIG *sig = ECDSA_SIG_new();
	_cleanup_(BN_free_p) BIGNUM *r = BN_bin2bn(raw, ES256_HALF_BYTES, NULL);
	_cleanup_(BN_free_p) BIGNUM *s = BN_bin2bn(raw + ES256_HALF_BYTES, ES256_HALF_BYTES, NULL);
	int len;

	if (!sig || !r || !s || ECDSA_SIG_set0(sig, r, s) != 1)
		return -ENOMEM;
	r = s = NULL; /* the signature owns them now */
	len = i2d_ECDSA_SIG(sig, NULL);
	assert(len <= ES256_DER_BYTES_MAX);
	len = i2d_ECDSA_SIG(sig, &der);
	return len > 0 ? len : failure();
}

static const char *digest_of(const struct signing_key *key)
{
	return key->algorithm == SIGNING_EDDSA ? NULL : "SHA256"; /* Ed25519 has its own */
}

/* A signature in libcrypto's form. The context lets go of the key, so that freeing it wipes it. */
static int pkey_sign(
	const struct signing_key *key, struct str data, unsigned char *ret_made, size_t *len)
{
	EVP_MD_CTX *c = contexts()->signature;
	int ok;

	ok = EVP_DigestSignInit_ex(c, NULL, digest_of(key), NULL, NULL, key->pkey, NULL) == 1 &&
	     EVP_DigestSign(c, ret_made, len, bytes_of(data), data.len) == 1;
	EVP_MD_CTX_reset(c);
	return ok ? 0 : failure();
}

int signing_sign(const struct signing_key *key, struct str data,
	unsigned char ret_signature[static SIGNATURE_BYTES_MAX], size_t *ret_len)
{
	unsigned char made[SIGNATURE_BYTES_MAX];
	size_t len = sizeof(made);
	int r;

	if (key->algorithm == SIGNING_HS256) {
		hmac_sha256(secret_of(key), data, ret_signature);
		*ret_len = SHA256_BYTES;
		return 0;
	}
	r = pkey_sign(key, data, made, &len);
	if (r < 0)
		return r;
	if (key->algorithm == SIGNING_ES256) {
		r = es256_raw_from_der(made, len, ret_signature);
		if (r < 0)
			return r;
		*ret_len = ES256_RAW_BYTES;
		return 0;
	}
	memcpy(ret_signature, made, len);
	*ret_len = len;
	return 0;
}

static int hs256_verify(const struct signing_key *key, struct str data, struct str signature)
{
	unsigned char made[SHA256_BYTES];
	int is_right;

	hmac_sha256(secret_of(key), data, made);
	is_right = secret_equal(signature, str_of((const char *)made, sizeof(made)));
	secret_wipe(made, sizeof(made)); /* the right one for a forged token */
	return is_right;
}

/* The signature in libcrypto's form; lets go of the key as pkey_sign() does. */
static int pkey_verify(const struct signing_key *key, struct str data, struct str signature)
{
	EVP_MD_CTX *c = contexts()->signature;
	int r = -EIO;

	if (EVP_DigestVerifyInit_ex(c, NULL, digest_of(key), NULL, NULL, key->pkey, NULL) == 1) {
		r = EVP_DigestVerify(
			c, bytes_of(signature), signature.len, bytes_of(data), data.len);
		/* Negative: it cannot even be read, which is one more way to be wrong. */
		r = r == 1;
	}
	EVP_MD_CTX_reset(c);
	ERR_clear_error();
	return r;
}

int signing_verify(const struct signing_key *key, struct str data, struct str signature)
{
	unsigned char der[ES256_DER_BYTES_MAX];
	int len;

	if (key->algorithm == SIGNING_HS256)
		return hs256_verify(key, data, signature);
	if (key->algorithm != SIGNING_ES256)
		return pkey_verify(key, data, signature);
	if (signature.len != ES256_RAW_BYTES)
		return 0;
	len = es256_der_from_raw(bytes_of(signature), der);
	if (len < 0)
		return len;
	return pkey_verify(key, data, str_of((const char *)der, (size_t)len));
}

/* --- JWK --- */

static void put_base64url(
	struct json_writer *w, const char *name, const unsigned char *bytes, size_t len)
{
	char text[BASE64URL_BYTES(SIGNING_RSA_BITS_MAX / 8)];

	assert(len <= SIGNING_RSA_BITS_MAX / 8);
	json_put_str(w, name, str_of(text, base64url_encode(bytes, len, text)));
}

/* An integer of the key as big-endian bytes, `bytes` wide; 0: as wide as it is. */
static int put_number(struct json_writer *w, const char *name, const EVP_PKEY *pkey,
	const char *parameter, int bytes)
{
	unsigned char octets[SIGNING_RSA_BITS_MAX / 8];
	_cleanup_(BN_free_p) BIGNUM *number = NULL;

	if (EVP_PKEY_get_bn_param(pkey, parameter, &number) != 1)
		return failure();
	if (bytes == 0)
		bytes = BN_num_bytes(number);
	if (bytes > (int)sizeof(octets) || BN_bn2binpad(number, octets, bytes) != bytes)
		return failure();
	put_base64url(w, name, octets, (size_t)bytes);
	return 0;
}

static int put_public(struct json_writer *w, const struct signing_key *key)
{
	unsigned char point[ED25519_BYTES];
	size_t len = sizeof(point);
	int r;

	switch (key->algorithm) {
	case SIGNING_ES256:
		json_put_str(w, "kty", STR("EC"));
		json_put_str(w, "crv", STR("P-256"));
		r = put_number(w, "x", key->pkey, OSSL_PKEY_PARAM_EC_PUB_X, ES256_HALF_BYTES);
		if (r < 0)
			return r;
		return put_number(w, "y", key->pkey, OSSL_PKEY_PARAM_EC_PUB_Y, ES256_HALF_BYTES);
	case SIGNING_EDDSA:
		json_put_str(w, "kty", STR("OKP"));
		json_put_str(w, "crv", STR("Ed25519"));
		if (EVP_PKEY_get_raw_public_key(key->pkey, point, &len) != 1)
			return failure();
		put_base64url(w, "x", point, len);
		return 0;
	case SIGNING_RS256:
		json_put_str(w, "kty", STR("RSA"));
		r = put_number(w, "n", key->pkey, OSSL_PKEY_PARAM_RSA_N, 0);
		if (r < 0)
			return r;
		return put_number(w, "e", key->pkey, OSSL_PKEY_PARAM_RSA_E, 0);
	case SIGNING_HS256:
		break;
	}
	return -EINVAL;
}

int signing_key_jwk(const struct signing_key *key, struct str kid, struct buf *json)
{
	size_t start = json->len;
	struct json_writer w = json_writer_init(json);
	int r;

	if (key->algorithm == SIGNING_HS256)
		return -EINVAL;
	json_begin_object(&w, NULL);
	json_put_str(&w, "kid", kid);
	json_put_str(&w, "use", STR("sig"));
	json_put_str(&w, "alg", str_cstr(signing_algorithm_name(key->algorithm)));
	r = put_public(&w, key);
	json_end_object(&w);
	if (r == 0)
		r = json_writer_finish(&w);
	if (r < 0)
		json->len = start; /* everything or nothing */
	return r;
}
