/*
 * One connection's TLS, on the server's side: bytes of the wire go in, plain ones come out, and the
 * other way round. It knows no sockets and never waits. OpenSSL is included by the files of this
 * folder alone; certificates and what is offered are tls_settings.h.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "shared/buf.h"
#include "shared/macros.h"
#include "shared/str.h"

struct ssl_st; /* OpenSSL's */
struct tls_settings;
struct tls_certificate;

/* The largest record's content (RFC 8446 section 5.1): tls_read() into so much needs no second
 * call for it. */
#define TLS_PLAIN_BYTES 16384
/* A subject that is longer is cut: it is for logs. */
#define TLS_SUBJECT_BYTES 256
#define TLS_ERROR_BYTES 64
/* Of a ClientHello: with keys for post-quantum groups and a ticket it has 2 to 4 KiB. OpenSSL would
 * take 128, and make room for what is announced before any of it has come. */
#define TLS_HELLO_BYTES_MAX 16384
/* What it begins with: a record's header, and its own with type and length (RFC 8446 sections 5.1
 * and 4). */
#define TLS_HELLO_FRONT_BYTES 9

enum tls_version { TLS_VERSION_NONE, TLS_VERSION_1_2, TLS_VERSION_1_3, TLS_VERSIONS };

struct tls {
	struct ssl_st *ssl;
	struct tls_settings *settings;
	struct str wire;                      /* lent by tls_feed(), what is left of it */
	struct buf *out;                      /* for the wire; the caller sends and empties it */
	_Atomic int64_t *account;             /* of what OpenSSL has allocated for it */
	uint8_t front[TLS_HELLO_FRONT_BYTES]; /* of the wire */
	uint8_t front_bytes;
	size_t dirty_bytes; /* of the wire, in the buffer where they are decrypted */
	char *subject;      /* of the client's certificate; NULL: it showed none */
	bool is_established;
	bool is_broken;              /* nothing may be written any more but what is in `out` */
	bool is_finished;            /* close_notify is written */
	char error[TLS_ERROR_BYTES]; /* what broke it: a word of a closed set, "no_shared_cipher" */
};

/*
 * Begins a session with the settings in force. out must have its maximum and stay while calls are
 * made; account (may be NULL) is counted up and down on this thread alone. 0; -ENOENT: there are no
 * settings; -ENOMEM.
 */
int tls_begin(struct tls *tls, struct buf *out, _Atomic int64_t *account);
/* Accepts what tls_begin() has never seen, if it is zeroed. */
void tls_end(struct tls *tls);

/* Lends bytes of the wire to the calls that follow: until one of them says that it needs more. */
void tls_feed(struct tls *tls, struct str wire);

/*
 * Goes on with the handshake. 1: it is done; 0: more bytes are needed; -EPROTO: it failed, and an
 * alert may be in `out`.
 */
int tls_handshake(struct tls *tls);

/*
 * Plain bytes, once the handshake is done. n > 0; 0: more bytes of the wire are needed; -ESHUTDOWN:
 * the peer has said that it sends no more (close_notify); -EPROTO: as above.
 */
int tls_read(struct tls *tls, char *plain, size_t bytes);

/* Encrypts all of it into `out`. 0; -ENOBUFS, -ENOMEM, -EPROTO: the session is broken. */
int tls_write(struct tls *tls, struct str plain);

/* Says that nothing follows (close_notify), once; a session that never began or broke says nothing.
 */
void tls_finish(struct tls *tls);

/* Of an established session, or as far as it came. "1.2", "1.3"; "" for none. */
enum tls_version tls_version(const struct tls *tls);
const char *tls_version_name(enum tls_version version);
bool tls_is_resumed(const struct tls *tls);

/* Was it plain HTTP that the peer sent? For an answer that it understands. */
bool tls_is_plain_http(const struct tls *tls);

/*
 * Called once, before OpenSSL is used for the first time: from then on what it allocates in the
 * calls above is counted. false: too late, nothing is counted.
 */
bool tls_account_init(void);
