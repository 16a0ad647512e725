/*
 * What every handshake is like, whatever the certificate: versions, ciphers, groups, tickets, whom
 * we ask for a certificate. The choices are Mozilla's "intermediate" configuration
 * (https://wiki.mozilla.org/Security/Server_Side_TLS, version 5.7).
 */
#include <errno.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "shared/macros.h"
#include "tls/tls_parts.h"

/* 112 bits: RSA of 2048 and above, no SHA-1 in signatures (OpenSSL's SSL_CTX_set_security_level).
 */
#define SECURITY_LEVEL 2
/* Without that configuration's finite-field groups, which need parameters of their own and serve no
 * client that these do not. All have forward secrecy and authenticated encryption. */
#define CIPHERS                                                                                    \
	"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"                               \
	"ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"                               \
	"ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
#define CIPHERSUITES "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
#define GROUPS "X25519:prime256v1:secp384r1"
/* A client's chain: three certificates with RSA of 4096 bits are 6 KiB. */
#define CLIENT_CHAIN_BYTES_MAX (16 * 1024)
#define CLIENT_CHAIN_DEPTH_MAX 4

/* What a browser that may speak it offers; anything else is a client of another protocol, which
 * would send us what means something else there (ALPACA). RFC 7301 section 3.2. */
static int on_protocols(_unused_ SSL *ssl, const unsigned char **ret_chosen, unsigned char *ret_len,
	const unsigned char *offered, unsigned len, _unused_ void *arg)
{
	static const unsigned char ours[] = "\x08http/1.1";
	unsigned char *chosen;

	if (SSL_select_next_proto(&chosen, ret_len, ours, sizeof(ours) - 1, offered, len) !=
		OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	*ret_chosen = chosen;
	return SSL_TLSEXT_ERR_OK;
}

/* --- whom we ask for a certificate --- */

static int authorities_add(SSL_CTX *context, struct str pem, const char *path, struct buf *errors)
{
	BIO *bio = BIO_new_mem_buf(pem.data, (int)pem.len);
	unsigned count = 0;
	X509 *authority;
	int r = bio ? 0 : -ENOMEM;

	while (r == 0 && (authority = PEM_read_bio_X509(bio, NULL, NULL, NULL))) {
		if (X509_STORE_add_cert(SSL_CTX_get_cert_store(context), authority) != 1 ||
			SSL_CTX_add_client_CA(context, authority) != 1)
			r = tls_file_wrong(errors, path, "an authority is not accepted");
		X509_free(authority);
		count++;
	}
	if (r == 0 && ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
		r = tls_file_wrong(errors, path, "a certificate in it is wrong");
	ERR_clear_error();
	if (r == 0 && !count)
		r = tls_file_wrong(errors, path, "has no certificate in PEM");
	BIO_free(bio);
	return r;
}

/*
 * Tickets of sessions that began under other rules for clients must not be taken: a session id
 * context that is made of these rules says so.
 */
static int rules_bind(SSL_CTX *context, enum tls_clients clients, struct str authorities,
	const struct tls_crls *crls)
{
	unsigned char digest[EVP_MAX_MD_SIZE], list[EVP_MAX_MD_SIZE];
	EVP_MD_CTX *all = EVP_MD_CTX_new();
	unsigned len = 0;
	int ok;

	ok = all && EVP_DigestInit_ex(all, EVP_sha256(), NULL) == 1 &&
	     EVP_DigestUpdate(all, authorities.data ? authorities.data : "", authorities.len) == 1;
	for (unsigned i = 0; ok && i < crls->count; i++)
		ok = X509_CRL_digest(crls->items[i].crl, EVP_sha256(), list, &len) == 1 &&
		     EVP_DigestUpdate(all, list, len) == 1;
	ok = ok && EVP_DigestFinal_ex(all, digest, &len) == 1;
	EVP_MD_CTX_free(all);
	if (!ok)
		return -ENOMEM;
	digest[0] = (unsigned char)clients;
	return SSL_CTX_set_session_id_context(context, digest, MIN(len, SSL_MAX_SID_CTX_LENGTH)) ==
			       1
		       ? 0
		       : -ENOMEM;
}

static int clients_ask(SSL_CTX *context, const struct tls_options *options, struct str authorities,
	const struct tls_crls *crls, struct buf *errors)
{
	static const int modes[] = { [TLS_CLIENTS_OFF] = SSL_VERIFY_NONE,
		[TLS_CLIENTS_OPTIONAL] = SSL_VERIFY_PEER,
		[TLS_CLIENTS_REQUIRED] = SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT };
	int r = rules_bind(context, options->clients, authorities, crls);

	if (r < 0 || options->clients == TLS_CLIENTS_OFF)
		return r;
	SSL_CTX_set_verify(context, modes[options->clients], NULL);
	SSL_CTX_set_verify_depth(context, CLIENT_CHAIN_DEPTH_MAX);
	SSL_CTX_set_max_cert_list(context, CLIENT_CHAIN_BYTES_MAX);
	r = authorities_add(context, authorities, options->client_ca_file, errors);
	return r == 0 && crls->count ? tls_crls_offer(context, crls, errors) : r;
}

/* --- all of it --- */

static void tickets_set(SSL_CTX *context, bool has_tickets)
{
	/* Only tickets, no cache of ours: nothing is kept for clients that have gone. */
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_timeout(context, TLS_TICKET_MS / 1000);
	SSL_CTX_set_tlsext_ticket_key_evp_cb(context, tls_ticket_key);
	if (has_tickets)
		return;
	SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
	SSL_CTX_set_num_tickets(context, 0); /* of 1.3, which would number them instead */
}

static int wrong(struct buf *errors, const char *option)
{
	return tls_file_wrong(errors, option, "OpenSSL does not know one of these");
}

int tls_offer_make(const struct tls_options *options, struct str authorities,
	const struct tls_crls *crls, struct buf *errors, SSL_CTX **ret_context)
{
	SSL_CTX *context = SSL_CTX_new(TLS_server_method());
	int r = 0;

	if (!context)
		return -ENOMEM;
	SSL_CTX_set_security_level(context, SECURITY_LEVEL);
	/* The client chooses the cipher: it knows whether it has AES in hardware, and none of ours
	 * is bad. A renegotiation is work that nobody asked for, and compression tells secrets
	 * (CRIME). What was decrypted is wiped: passwords pass here. */
	SSL_CTX_set_options(
		context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_SINGLE_ECDH_USE);
	/* An idle connection holds no buffers. */
	SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_max_early_data(context, 0); /* 0-RTT can be replayed */
	SSL_CTX_set_alpn_select_cb(context, on_protocols, NULL);
	tickets_set(context, options->has_tickets);
	if (SSL_CTX_set_min_proto_version(
		    context, options->is_1_3_only ? TLS1_3_VERSION : TLS1_2_VERSION) != 1 ||
		SSL_CTX_set1_groups_list(context, GROUPS) != 1)
		r = tls_file_wrong(errors, "tls.min_version", "OpenSSL cannot do this");
	if (r == 0 && SSL_CTX_set_cipher_list(
			      context, options->ciphers[0] ? options->ciphers : CIPHERS) != 1)
		r = wrong(errors, "tls.ciphers");
	if (r == 0 && SSL_CTX_set_ciphersuites(context,
			      options->ciphersuites[0] ? options->ciphersuites : CIPHERSUITES) != 1)
		r = wrong(errors, "tls.ciphersuites");
	if (r == 0)
		r = clients_ask(context, options, authorities, crls, errors);
	if (r < 0) {
		SSL_CTX_free(context);
		return r;
	}
	*ret_context = context;
	return 0;
}
