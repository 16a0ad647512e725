/*
 * Signatures and digests for tokens, by OpenSSL, which is included in signing.c alone. Algorithms
 * are fetched once per process and contexts are made once per thread: one-shot calls cost 2.6 times
 * as much. What is signed and why is in auth/tokens.c.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "shared/buf.h"
#include "shared/str.h"

#define SHA256_BYTES 32
#define SIGNATURE_BYTES_MAX 512       /* RSA of 4096 bits */
#define SIGNING_PEM_BYTES_MAX 8192    /* RSA of 4096 bits takes 3272, and some come with comments */
#define SIGNING_SECRET_BYTES_MIN 32   /* HS256: RFC 7518 section 3.2 */
#define SIGNING_SECRET_BYTES_MAX 1024 /* HMAC gains nothing above 64: larger is a wrong file */
#define SIGNING_RSA_BITS 2048         /* of new keys: larger only when the operator brings one */
#define SIGNING_RSA_BITS_MIN 2048     /* RFC 7518 section 3.3 */
#define SIGNING_RSA_BITS_MAX 4096     /* larger ones make every verification a burden */

enum signing_algorithm { SIGNING_ES256, SIGNING_EDDSA, SIGNING_RS256, SIGNING_HS256 };

/* Immutable once made: any thread may use it. */
struct signing_key;

/* "ES256", "EdDSA", "RS256", "HS256": JWA names. */
const char *signing_algorithm_name(enum signing_algorithm algorithm);
int signing_algorithm_parse(
	struct str name, enum signing_algorithm *ret_algorithm); /* 0, -EINVAL */

/* Both abort only when libcrypto itself is broken. */
void sha256(struct str data, unsigned char ret_digest[static SHA256_BYTES]);
void hmac_sha256(struct str key, struct str data, unsigned char ret_mac[static SHA256_BYTES]);

/* A new random key. 0, -ENOMEM, -EIO (libcrypto failed). */
int signing_key_generate(enum signing_algorithm algorithm, struct signing_key **ret_key);

/*
 * From a private key in PEM (PKCS #8 or the older forms, not encrypted), or, for HS256, from the
 * secret's own bytes. 0; -EINVAL: not a private key of that algorithm, too weak (secret below 32
 * bytes, RSA below 2048 bits) or too large; -ENOMEM.
 */
int signing_key_load(
	enum signing_algorithm algorithm, struct str material, struct signing_key **ret_key);

/* Appends what signing_key_load() reads: a secret; the buf ends with buf_wipe(). */
int signing_key_dump(const struct signing_key *key, struct buf *pem);

/* Wipes and frees; accepts NULL. */
void signing_key_free(struct signing_key *key);

static inline void signing_key_free_p(struct signing_key **key)
{
	signing_key_free(*key);
}

enum signing_algorithm signing_key_algorithm(const struct signing_key *key);

/* JWS form of the signature: ES256 as R||S (RFC 7518 section 3.4). 0, -ENOMEM, -EIO. */
int signing_sign(const struct signing_key *key, struct str data,
	unsigned char ret_signature[static SIGNATURE_BYTES_MAX], size_t *ret_len);

/* 1 right, 0 wrong (of any length and content), -ENOMEM, -EIO. */
int signing_verify(const struct signing_key *key, struct str data, struct str signature);

/*
 * Appends the public key as a JWK object (RFC 7517, 7518, 8037) with kid, use and alg. 0; -EINVAL
 * for HS256, whose secret is never published; -ENOBUFS, -ENOMEM, -EIO.
 */
int signing_key_jwk(const struct signing_key *key, struct str kid, struct buf *json);
