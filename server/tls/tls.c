/*
 * Sessions: see tls.h. OpenSSL reads and writes through a BIO of ours, which lends it the bytes
 * that the loop has received and appends to the buffer that the connection sends: nothing is copied
 * that need not be, and nothing is kept between two calls but half a record.
 */
#include "tls/tls.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "tls/tls_account.h"
#include "tls/tls_parts.h"

/* --- between OpenSSL and the connection's bytes --- */

/* Looks at the length that a hello announces, however its bytes drip; it must be in one record, as
 * every client has it. What is no hello is left to OpenSSL. */
static bool hello_is_too_long(struct tls *tls, struct str next)
{
	const uint8_t *front = tls->front;

	if (tls->front_bytes == TLS_HELLO_FRONT_BYTES)
		return false;
	while (next.len && tls->front_bytes < TLS_HELLO_FRONT_BYTES) {
		tls->front[tls->front_bytes++] = (uint8_t)next.data[0];
		next = str_skip(next, 1);
	}
	return tls->front_bytes == TLS_HELLO_FRONT_BYTES && front[0] == SSL3_RT_HANDSHAKE &&
	       front[5] == SSL3_MT_CLIENT_HELLO &&
	       ((front[3] << 8 | front[4]) < SSL3_HM_HEADER_LENGTH ||
		       (front[6] << 16 | front[7] << 8 | front[8]) > TLS_HELLO_BYTES_MAX);
}

static int bio_read(BIO *bio, char *bytes, size_t max, size_t *ret_count)
{
	struct tls *tls = BIO_get_data(bio);
	size_t count = MIN(max, tls->wire.len);

	BIO_clear_retry_flags(bio);
	if (!count) {
		BIO_set_retry_read(bio);
		return 0;
	}
	if (hello_is_too_long(tls, str_of(tls->wire.data, count))) {
		ERR_raise(ERR_LIB_SSL, SSL_R_LENGTH_TOO_LONG);
		return 0; /* an error, not a wait: the session ends */
	}
	memcpy(bytes, tls->wire.data, count);
	tls->dirty_bytes += count;
	tls->wire = str_skip(tls->wire, count);
	*ret_count = count;
	return 1;
}

static int bio_write(BIO *bio, const char *bytes, size_t count, size_t *ret_count)
{
	struct tls *tls = BIO_get_data(bio);

	BIO_clear_retry_flags(bio);
	if (buf_append(tls->out, str_of(bytes, count)) < 0)
		return 0; /* an error, not a wait: the session ends */
	*ret_count = count;
	return 1;
}

static long bio_control(
	_unused_ BIO *bio, int command, _unused_ long number, _unused_ void *pointer)
{
	return command == BIO_CTRL_FLUSH; /* all else is for sockets and files */
}

static BIO_METHOD *bio_method;

static void bio_method_make(void)
{
	BIO_METHOD *method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "connection");

	if (method && BIO_meth_set_read_ex(method, bio_read) &&
		BIO_meth_set_write_ex(method, bio_write) && BIO_meth_set_ctrl(method, bio_control))
		bio_method = method;
}

static BIO *bio_new(struct tls *tls)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	BIO *bio;

	(void)pthread_once(&once, bio_method_make);
	bio = bio_method ? BIO_new(bio_method) : NULL;
	if (bio) {
		BIO_set_data(bio, tls);
		BIO_set_init(bio, 1);
	}
	return bio;
}

/* --- beginning and end --- */

static int session_new(struct tls *tls)
{
	BIO *bio = bio_new(tls);

	tls->ssl = bio ? SSL_new(tls_settings_context(tls->settings)) : NULL;
	if (!tls->ssl) {
		BIO_free(bio);
		return -ENOMEM;
	}
	SSL_set_bio(tls->ssl, bio, bio);
	SSL_set_app_data(tls->ssl, tls);
	SSL_set_accept_state(tls->ssl);
	return 0;
}

int tls_begin(struct tls *tls, struct buf *out, _Atomic int64_t *account)
{
	int r;

	*tls = (struct tls){ .out = out, .account = account, .settings = tls_settings_get() };
	if (!tls->settings)
		return -ENOENT;
	tls_account_begin(account);
	r = session_new(tls);
	tls_account_end();
	if (r < 0)
		tls_end(tls);
	return r;
}

void tls_end(struct tls *tls)
{
	tls_account_begin(tls->account);
	tls_account_wipe(&tls->dirty_bytes);
	SSL_free(tls->ssl);
	tls_account_end();
	tls_settings_put(tls->settings);
	free(tls->subject);
	*tls = (struct tls){};
}

void tls_feed(struct tls *tls, struct str wire)
{
	assert(!tls->wire.len);
	tls->wire = wire;
}

/* --- errors --- */

/* OpenSSL's reasons are static texts: "no shared cipher" becomes no_shared_cipher,
 * "CRL has expired" crl_has_expired. */
static void error_set(struct tls *tls)
{
	unsigned long code = ERR_peek_last_error();
	const char *reason = code ? ERR_reason_error_string(code) : NULL;
	size_t i = 0;

	tls->is_broken = true;
	if (!reason)
		reason = "unknown";
	if (ERR_GET_REASON(code) == SSL_R_CERTIFICATE_VERIFY_FAILED) /* why? */
		reason = X509_verify_cert_error_string(SSL_get_verify_result(tls->ssl));
	for (; reason[i] && i < sizeof(tls->error) - 1; i++) {
		char c = ascii_lower(reason[i]);

		tls->error[i] = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ? c : '_';
	}
	tls->error[i] = '\0';
}

/* What a call's result means: 0 for "more bytes are needed", or a negative error. */
static int outcome_of(struct tls *tls, int result)
{
	switch (SSL_get_error(tls->ssl, result)) {
	case SSL_ERROR_WANT_READ:
		return 0;
	case SSL_ERROR_ZERO_RETURN:
		return -ESHUTDOWN;
	default:
		error_set(tls);
		return -EPROTO;
	}
}

bool tls_is_plain_http(const struct tls *tls)
{
	return strcmp(tls->error, "http_request") == 0;
}

/* --- the handshake --- */

/* RFC 4514; what is no printable ASCII is escaped, so it can be shown anywhere. */
static void subject_set(struct tls *tls)
{
	X509 *certificate = SSL_get0_peer_certificate(tls->ssl);
	BIO *text = certificate ? BIO_new(BIO_s_mem()) : NULL;

	if (text && X509_NAME_print_ex(text, X509_get_subject_name(certificate), 0,
			    XN_FLAG_RFC2253 & ~ASN1_STRFLGS_UTF8_CONVERT) >= 0) {
		tls->subject = calloc(1, TLS_SUBJECT_BYTES);
		if (tls->subject)
			(void)BIO_read(text, tls->subject, TLS_SUBJECT_BYTES - 1);
	}
	BIO_free(text);
}

int tls_handshake(struct tls *tls)
{
	int r;

	tls_account_begin(tls->account);
	ERR_clear_error();
	r = SSL_do_handshake(tls->ssl);
	if (r == 1) {
		tls->is_established = true;
		subject_set(tls);
		tls_settings_served(tls->settings, tls->ssl);
	} else {
		r = outcome_of(tls, r);
		r = r == -ESHUTDOWN ? -EPROTO : r;
	}
	tls_account_end();
	return r;
}

/* --- data --- */

int tls_read(struct tls *tls, char *plain, size_t bytes)
{
	size_t count = 0;
	int r;

	assert(bytes <= INT_MAX);
	/* It would make a buffer only to find out. */
	if (!tls->wire.len && !SSL_pending(tls->ssl))
		return 0;
	tls_account_begin(tls->account);
	tls_account_wipe(&tls->dirty_bytes);
	ERR_clear_error();
	r = SSL_read_ex(tls->ssl, plain, bytes, &count);
	r = r == 1 ? (int)count : outcome_of(tls, r);
	tls_account_end();
	return r;
}

int tls_write(struct tls *tls, struct str plain)
{
	size_t written = 0;
	int r;

	if (tls->is_broken)
		return -EPROTO;
	tls_account_begin(tls->account);
	ERR_clear_error();
	r = SSL_write_ex(tls->ssl, plain.data, plain.len, &written);
	if (r != 1 || written != plain.len)
		error_set(tls);
	tls_account_end();
	return tls->is_broken ? -EPROTO : 0;
}

void tls_finish(struct tls *tls)
{
	if (!tls->is_established || tls->is_broken || tls->is_finished)
		return;
	tls->is_finished = true;
	tls_account_begin(tls->account);
	ERR_clear_error();
	if (SSL_shutdown(tls->ssl) < 0)
		error_set(tls);
	tls_account_end();
}

/* --- what became of it --- */

enum tls_version tls_version(const struct tls *tls)
{
	switch (tls->ssl ? SSL_version(tls->ssl) : 0) {
	case TLS1_2_VERSION:
		return TLS_VERSION_1_2;
	case TLS1_3_VERSION:
		return TLS_VERSION_1_3;
	default:
		return TLS_VERSION_NONE;
	}
}

const char *tls_version_name(enum tls_version version)
{
	static const char *const names[TLS_VERSIONS] = { "", "1.2", "1.3" };

	return names[version];
}

bool tls_is_resumed(const struct tls *tls)
{
	return SSL_session_reused(tls->ssl);
}
