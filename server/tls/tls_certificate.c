/* One certificate with its key: read from files, and what it says of itself. See tls_parts.h. */
#include <errno.h>
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "shared/macros.h"
#include "tls/tls_parts.h"

#define HOST_BYTES_MAX 253 /* RFC 1035 section 2.3.4 */

/* --- names --- */

static int name_add(struct tls_certificate *certificate, const unsigned char *text, int len)
{
	char *name;

	if (len <= 0 || len > HOST_BYTES_MAX || memchr(text, '\0', (size_t)len))
		return 0; /* no host's name: nobody will ask for it */
	if (certificate->name_count == TLS_NAMES_MAX)
		return -E2BIG;
	name = strndup((const char *)text, (size_t)len);
	if (!name)
		return -ENOMEM;
	for (int i = 0; i < len; i++)
		name[i] = ascii_lower(name[i]);
	certificate->names[certificate->name_count++] = name;
	return 0;
}

/* The subjectAltName alone: a common name is no name of a host any more (RFC 9525 section 2). */
static int names_read(struct tls_certificate *certificate)
{
	GENERAL_NAMES *all = X509_get_ext_d2i(certificate->x509, NID_subject_alt_name, NULL, NULL);
	int r = 0;

	for (int i = 0; all && r == 0 && i < sk_GENERAL_NAME_num(all); i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(all, i);

		if (name->type == GEN_DNS)
			r = name_add(certificate, ASN1_STRING_get0_data(name->d.dNSName),
				ASN1_STRING_length(name->d.dNSName));
	}
	GENERAL_NAMES_free(all);
	return r;
}

bool tls_certificate_covers(const struct tls_certificate *certificate, const char *host)
{
	const char *behind = strchr(host, '.');

	for (unsigned i = 0; i < certificate->name_count; i++) {
		const char *name = certificate->names[i];

		if (strcmp(name, host) == 0)
			return true;
		if (name[0] == '*' && name[1] == '.' && behind && behind != host &&
			strcmp(name + 1, behind) == 0)
			return true;
	}
	return false;
}

/* --- what it says --- */

void tls_name_print(const X509_NAME *name, char text[static TLS_TEXT_BYTES])
{
	BIO *bio = BIO_new(BIO_s_mem());

	text[0] = '\0';
	if (bio && X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_UTF8_CONVERT) >=
			   0) {
		int n = BIO_read(bio, text, TLS_TEXT_BYTES - 1);

		text[MAX(n, 0)] = '\0';
	}
	BIO_free(bio);
}

int64_t tls_time_ms(const ASN1_TIME *time)
{
	struct tm tm = {};

	return ASN1_TIME_to_tm(time, &tm) == 1 ? (int64_t)timegm(&tm) * 1000 : 0;
}

static void key_type_print(EVP_PKEY *key, char text[static TLS_KEY_TYPE_BYTES])
{
	char group[24] = "";

	if (EVP_PKEY_is_a(key, "RSA")) {
		(void)snprintf(text, TLS_KEY_TYPE_BYTES, "RSA %d", EVP_PKEY_get_bits(key));
	} else if (EVP_PKEY_is_a(key, "EC")) {
		(void)EVP_PKEY_get_group_name(key, group, sizeof(group), NULL);
		(void)snprintf(text, TLS_KEY_TYPE_BYTES, "EC %s",
			strcmp(group, "prime256v1") == 0  ? "P-256"
			: strcmp(group, "secp384r1") == 0 ? "P-384"
							  : group);
	} else {
		const char *name = EVP_PKEY_get0_type_name(key);

		(void)snprintf(text, TLS_KEY_TYPE_BYTES, "%s", name ? name : "unknown");
	}
}

static void describe(struct tls_certificate *certificate)
{
	X509 *x509 = certificate->x509;

	tls_name_print(X509_get_issuer_name(x509), certificate->issuer);
	tls_name_print(X509_get_subject_name(x509), certificate->shown);
	if (certificate->name_count)
		(void)snprintf(certificate->shown, sizeof(certificate->shown), "%s",
			certificate->names[0]);
	key_type_print(X509_get0_pubkey(x509), certificate->key_type);
	certificate->not_before_ms = tls_time_ms(X509_get0_notBefore(x509));
	certificate->not_after_ms = tls_time_ms(X509_get0_notAfter(x509));
}

/* --- loading --- */

/* Without a passphrase: nobody is there to type one, and OpenSSL would ask the terminal. */
static int no_passphrase(
	_unused_ char *text, _unused_ int bytes, _unused_ int is_writing, _unused_ void *arg)
{
	return -1;
}

static int chain_read(struct tls_certificate *certificate, BIO *pem, struct buf *errors)
{
	STACK_OF(X509) *chain = sk_X509_new_null();
	X509 *next;
	int r = chain ? 0 : -ENOMEM;

	while (r == 0 && (next = PEM_read_bio_X509(pem, NULL, no_passphrase, NULL)))
		if (!sk_X509_push(chain, next)) {
			X509_free(next);
			r = -ENOMEM;
		}
	if (r == 0 && ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
		r = tls_file_wrong(
			errors, certificate->file, "a certificate of the chain is wrong");
	ERR_clear_error();
	if (r == 0 && SSL_CTX_set1_chain(certificate->context, chain) != 1)
		r = tls_file_wrong(errors, certificate->file, "the chain is not accepted");
	sk_X509_pop_free(chain, X509_free);
	return r;
}

static int leaf_read(struct tls_certificate *certificate, struct str text, struct buf *errors)
{
	BIO *pem = BIO_new_mem_buf(text.data, (int)text.len);
	int r = pem ? 0 : -ENOMEM;

	if (r == 0)
		certificate->x509 = PEM_read_bio_X509_AUX(pem, NULL, no_passphrase, NULL);
	if (r == 0 && !certificate->x509)
		r = tls_file_wrong(errors, certificate->file, "has no certificate in PEM");
	if (r == 0 && SSL_CTX_use_certificate(certificate->context, certificate->x509) != 1)
		r = tls_file_wrong(errors, certificate->file, "the certificate is not accepted");
	if (r == 0)
		r = chain_read(certificate, pem, errors);
	if (r == 0)
		r = names_read(certificate);
	if (r == -E2BIG)
		r = tls_file_wrong(errors, certificate->file, "has too many names");
	if (r == 0)
		describe(certificate);
	BIO_free(pem);
	return r;
}

static int key_read(struct tls_certificate *certificate, const char *key_file, struct str text,
	struct buf *errors)
{
	BIO *pem = BIO_new_mem_buf(text.data, (int)text.len);
	EVP_PKEY *key = pem ? PEM_read_bio_PrivateKey(pem, NULL, no_passphrase, NULL) : NULL;
	int r = 0;

	if (!pem)
		r = -ENOMEM;
	else if (!key)
		r = tls_file_wrong(
			errors, key_file, "has no private key in PEM that needs no passphrase");
	else if (X509_check_private_key(certificate->x509, key) != 1)
		r = tls_file_wrong(errors, key_file, "is not the key of this certificate");
	else if (SSL_CTX_use_PrivateKey(certificate->context, key) != 1)
		r = tls_file_wrong(errors, key_file, "the key is not accepted");
	EVP_PKEY_free(key);
	BIO_free(pem);
	return r;
}

int tls_certificate_load(
	struct tls_certificate *certificate, const char *key_file, struct buf *errors)
{
	bool is_one_file = strcmp(certificate->file, key_file) == 0;
	_cleanup_(buf_wipe) struct buf text = buf_init(TLS_FILE_BYTES_MAX);
	_cleanup_(buf_wipe) struct buf key = buf_init(TLS_FILE_BYTES_MAX);
	int r;

	r = tls_file_read(certificate->file, is_one_file, &text, errors);
	if (r == 0)
		r = leaf_read(certificate, buf_str(&text), errors);
	if (r == 0 && !is_one_file)
		r = tls_file_read(key_file, true, &key, errors);
	if (r == 0)
		r = key_read(certificate, key_file, buf_str(is_one_file ? &text : &key), errors);
	return r;
}

void tls_certificate_deinit(struct tls_certificate *certificate)
{
	while (certificate->name_count)
		free(certificate->names[--certificate->name_count]);
	X509_free(certificate->x509);
	SSL_CTX_free(certificate->context);
}
