/*
 * Lists of revoked certificates (RFC 5280 section 5): read from files, and what they say of
 * themselves. Whether a client's certificate is on one is OpenSSL's to look up; that every
 * authority has a good one is looked at here, as clients of one without are all refused.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "shared/macros.h"
#include "tls/tls_parts.h"

static int describe(struct tls_crl *crl, struct buf *errors)
{
	const ASN1_TIME *until = X509_CRL_get0_nextUpdate(crl->crl);

	tls_name_print(X509_CRL_get_issuer(crl->crl), crl->issuer);
	crl->revoked = (uint64_t)MAX(sk_X509_REVOKED_num(X509_CRL_get_REVOKED(crl->crl)), 0);
	crl->this_update_ms = tls_time_ms(X509_CRL_get0_lastUpdate(crl->crl));
	/* It must say so (RFC 5280 section 5.1.2.5), or nobody would notice that it is stale. */
	if (!until)
		return tls_file_wrong(errors, crl->file, "does not say when the next one comes");
	crl->next_update_ms = tls_time_ms(until);
	return 0;
}

static int add(const char *file, X509_CRL *next, struct tls_crls *crls, struct buf *errors)
{
	struct tls_crl *crl = &crls->items[crls->count];

	if (crls->count == TLS_CRLS_MAX) {
		X509_CRL_free(next);
		return tls_file_wrong(errors, file, "is one list too many");
	}
	crls->count++;
	*crl = (struct tls_crl){ .file = file, .crl = next };
	return describe(crl, errors);
}

int tls_crls_read(const char *file, struct tls_crls *crls, struct buf *errors)
{
	_cleanup_(buf_deinit) struct buf text = buf_init(TLS_CRL_FILE_BYTES_MAX);
	unsigned before = crls->count;
	X509_CRL *next;
	BIO *pem;
	int r = tls_file_read(file, false, &text, errors);

	if (r < 0)
		return r;
	pem = BIO_new_mem_buf(text.data, (int)text.len);
	if (!pem)
		return -ENOMEM;
	while (r == 0 && (next = PEM_read_bio_X509_CRL(pem, NULL, NULL, NULL)))
		r = add(file, next, crls, errors);
	if (r == 0 && ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
		r = tls_file_wrong(errors, file, "a revocation list in it is wrong");
	ERR_clear_error();
	if (r == 0 && crls->count == before)
		r = tls_file_wrong(errors, file,
			"has no revocation list in PEM (openssl crl -inform der makes one)");
	BIO_free(pem);
	return r;
}

/* One list of the authority's must be signed by it; another's with its name is a forgery. */
static int authority_check(X509 *authority, const struct tls_crls *crls, struct buf *errors)
{
	char name[TLS_TEXT_BYTES], what[TLS_TEXT_BYTES + 128];
	bool is_there = false;

	for (unsigned i = 0; i < crls->count; i++) {
		const struct tls_crl *crl = &crls->items[i];

		if (X509_NAME_cmp(
			    X509_CRL_get_issuer(crl->crl), X509_get_subject_name(authority)) != 0)
			continue;
		if (X509_CRL_verify(crl->crl, X509_get0_pubkey(authority)) != 1)
			return tls_file_wrong(
				errors, crl->file, "is not signed by whom it names as its issuer");
		is_there = true;
	}
	if (is_there)
		return 0;
	tls_name_print(X509_get_subject_name(authority), name);
	(void)snprintf(what, sizeof(what),
		"have no revocation list of %s: all of its clients would be refused", name);
	return tls_file_wrong(errors, "tls.client_crl_files", what);
}

int tls_crls_offer(SSL_CTX *context, const struct tls_crls *crls, struct buf *errors)
{
	X509_STORE *store = SSL_CTX_get_cert_store(context);
	STACK_OF(X509_OBJECT) *known = X509_STORE_get0_objects(store);
	int r = 0;

	for (int i = 0; r == 0 && i < sk_X509_OBJECT_num(known); i++) {
		X509 *authority = X509_OBJECT_get0_X509(sk_X509_OBJECT_value(known, i));

		if (authority)
			r = authority_check(authority, crls, errors);
	}
	for (unsigned i = 0; r == 0 && i < crls->count; i++)
		r = X509_STORE_add_crl(store, crls->items[i].crl) == 1 ? 0 : -ENOMEM;
	if (r < 0)
		return r;
	/* Of the client's certificate and of every authority above it. */
	return X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(context),
		       X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL) == 1
		       ? 0
		       : -ENOMEM;
}

void tls_crls_deinit(struct tls_crls *crls)
{
	while (crls->count)
		X509_CRL_free(crls->items[--crls->count].crl);
}
