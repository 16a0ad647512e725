/* What the files of this folder share and nobody else needs, as it speaks of OpenSSL's types. */
#pragma once

#include <openssl/ssl.h>

#include "tls/tls_settings.h"

/* tls_settings.c: a reference to those in force, or NULL; given back with tls_settings_put(), which
 * accepts NULL. Any thread. */
struct tls_settings *tls_settings_get(void);
void tls_settings_put(struct tls_settings *settings);
/* What sessions begin with: the first certificate's. */
SSL_CTX *tls_settings_context(const struct tls_settings *settings);
/* Counts the certificate that a full handshake has shown. */
void tls_settings_served(struct tls_settings *settings, const SSL *ssl);

/* tls_crls.c: what was revoked. */
struct tls_crl {
	const char *file;
	char issuer[TLS_TEXT_BYTES];
	int64_t this_update_ms, next_update_ms;
	uint64_t revoked;
	X509_CRL *crl;
};

struct tls_crls {
	unsigned count;
	struct tls_crl items[TLS_CRLS_MAX];
};

/* Adds all lists of a file, which stays the caller's text. 0; -EINVAL: *errors says why not. */
int tls_crls_read(const char *file, struct tls_crls *crls, struct buf *errors);
/* Whom the context's authorities have revoked is refused. 0; -EINVAL: *errors says whose list is
 * missing or forged. */
int tls_crls_offer(SSL_CTX *context, const struct tls_crls *crls, struct buf *errors);
void tls_crls_deinit(struct tls_crls *crls);

/* tls_offer.c: a context with everything but certificate and key. Clients' authorities are in PEM.
 * 0; -EINVAL: *errors says why. */
int tls_offer_make(const struct tls_options *options, struct str authorities,
	const struct tls_crls *crls, struct buf *errors, SSL_CTX **ret_context);

/* tls_certificate.c: what a certificate says of itself. */
struct tls_certificate {
	const char *file;
	char *names[TLS_NAMES_MAX]; /* of hosts, in lower case */
	unsigned name_count;
	char issuer[TLS_TEXT_BYTES], key_type[TLS_KEY_TYPE_BYTES], shown[TLS_TEXT_BYTES];
	int64_t not_before_ms, not_after_ms;
	X509 *x509;
	SSL_CTX *context;
	_Atomic uint64_t served;
};

/*
 * Fills it from files (key_file may be the same) and puts certificate, key and chain into
 * certificate->context, which the caller has set. 0; -EINVAL: *errors says what is wrong.
 */
int tls_certificate_load(
	struct tls_certificate *certificate, const char *key_file, struct buf *errors);
void tls_certificate_deinit(struct tls_certificate *certificate);
/* Does one of its names cover this host (lower case)? "*" stands for one label: RFC 9525 section
 * 6.3. */
bool tls_certificate_covers(const struct tls_certificate *certificate, const char *host);
/* RFC 2253; what is no printable ASCII is escaped. */
void tls_name_print(const X509_NAME *name, char text[static TLS_TEXT_BYTES]);
/* Since the epoch; 0 when it is none. */
int64_t tls_time_ms(const ASN1_TIME *time);

/* tls_files.c. Appends the file's content; *errors says why not. is_secret: refused when everybody
 * may read it. */
int tls_file_read(const char *path, bool is_secret, struct buf *text, struct buf *errors);
/* "error: PATH: what" and OpenSSL's reason, if it has one. -EINVAL. */
int tls_file_wrong(struct buf *errors, const char *path, const char *what);

#define TLS_TICKET_NAME_BYTES 16 /* OpenSSL's layout of a ticket */
#define TLS_TICKET_SECRET_BYTES 32

struct tls_ticket_key {
	unsigned char name[TLS_TICKET_NAME_BYTES], cipher[TLS_TICKET_SECRET_BYTES],
		mac[TLS_TICKET_SECRET_BYTES];
	uint8_t secret_bytes; /* of each: 32, or 16 with AES-128; 0: there is no key */
	uint64_t made_ns;     /* of one that was drawn */
};

/* tls_tickets.c: for SSL_CTX_set_tlsext_ticket_key_evp_cb(). */
int tls_ticket_key(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
	EVP_MAC_CTX *mac, int is_encrypting);
/* From a file that nginx would take. 0; -EINVAL: *errors says what is wrong. */
int tls_ticket_key_read(const char *path, struct tls_ticket_key *ret_key, struct buf *errors);
/* tls_settings.c: those that files brought, the one that makes tickets first. */
const struct tls_ticket_key *tls_settings_ticket_keys(
	const struct tls_settings *settings, unsigned *ret_count);
