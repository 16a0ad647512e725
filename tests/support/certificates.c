/* Certificates for tests: see certificates.h. */
#include "support/certificates.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

static FILE *file_open(const char *path, const char *ending)
{
	char name[512];
	mode_t before = umask(077);
	FILE *file;

	(void)snprintf(name, sizeof(name), "%s%s", path, ending);
	file = fopen(name, "we");
	umask(before);
	assert(file);
	return file;
}

static void names_add(X509 *x509, const char *names)
{
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, names);

	assert(extension && X509_add_ext(x509, extension, -1) == 1);
	X509_EXTENSION_free(extension);
}

void certificate_write(const struct certificate_wish *wish)
{
	const char *kind = wish->key ? wish->key : "P-256";
	EVP_PKEY *key = kind[0] == 'P' ? EVP_EC_gen(kind) : EVP_RSA_gen((unsigned)atol(kind));
	const EVP_CIPHER *cipher = wish->password ? EVP_aes_128_cbc() : NULL;
	static long serial;
	X509 *x509 = X509_new();
	X509_NAME *name;
	FILE *file;

	assert(key && x509);
	assert(X509_set_version(x509, 2) == 1 && X509_set_pubkey(x509, key) == 1);
	ASN1_INTEGER_set(X509_get_serialNumber(x509), ++serial);
	X509_gmtime_adj(X509_getm_notBefore(x509), -86400L * 2);
	X509_gmtime_adj(X509_getm_notAfter(x509), 86400L * (wish->days ? wish->days : 30));
	name = X509_get_subject_name(x509);
	assert(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
		       (const unsigned char *)wish->common, -1, -1, 0) == 1);
	assert(X509_set_issuer_name(x509, name) == 1);
	if (wish->names)
		names_add(x509, wish->names);
	assert(X509_sign(x509, key, EVP_sha256()) > 0);

	file = file_open(wish->path, ".crt");
	assert(PEM_write_X509(file, x509) == 1);
	fclose(file);
	file = file_open(wish->path, ".key");
	assert(PEM_write_PrivateKey(file, key, cipher, (const unsigned char *)wish->password,
		       wish->password ? (int)strlen(wish->password) : 0, NULL, NULL) == 1);
	fclose(file);
	X509_free(x509);
	EVP_PKEY_free(key);
}
