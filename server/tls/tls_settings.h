/*
 * What is offered to clients: certificates, versions, ciphers, who must show a certificate. Made
 * from files as a whole and replaced as a whole: sessions keep the settings that they began with,
 * and files that are wrong leave those in force alone. Any thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "shared/buf.h"
#include "shared/clock.h"

#define TLS_CERTIFICATES_MAX 8
#define TLS_TICKET_KEYS_MAX 8
#define TLS_CRL_FILES_MAX 8
#define TLS_CRLS_MAX 32
/* A list has 40 bytes in DER for each certificate: a hundred thousand of them. */
#define TLS_CRL_FILE_BYTES_MAX (6 * 1024 * 1024)
#define TLS_NAMES_MAX 100               /* of one certificate: what public authorities allow */
#define TLS_FILE_BYTES_MAX (256 * 1024) /* a bundle of a hundred authorities; a chain has 8 KiB */
#define TLS_TEXT_BYTES 256
#define TLS_KEY_TYPE_BYTES 32
/* For the caller's buffer of errors. */
#define TLS_ERRORS_BYTES_MAX 16384
/* A ticket is good for this long. Its key is replaced as often, and stays for as long again. */
#define TLS_TICKET_MS (2 * 3600 * INT64_C(1000))
/* Whoever renews certificates does it a month before; half of that is late. */
#define TLS_EXPIRES_SOON_MS (14 * 86400 * INT64_C(1000))
/* A list of an hour's life is renewed each hour, one of a month's each month: the last tenth of it
 * is late. */
#define TLS_CRL_LATE_PART 10

enum tls_clients { TLS_CLIENTS_OFF, TLS_CLIENTS_OPTIONAL, TLS_CLIENTS_REQUIRED };

/* Texts are borrowed for the call, and copied. */
struct tls_options {
	unsigned certificates;
	const char *certificate_files[TLS_CERTIFICATES_MAX]; /* each with its chain, in PEM */
	unsigned keys; /* 0: the keys are in the files of the certificates */
	const char *key_files[TLS_CERTIFICATES_MAX];
	bool is_1_3_only;
	const char *ciphers;      /* of 1.2; "": Mozilla's choice, see tls_offer.c */
	const char *ciphersuites; /* of 1.3; likewise */
	enum tls_clients clients;
	const char *client_ca_file; /* who vouches for clients */
	unsigned crls;              /* 0: nobody is asked what was revoked */
	const char *crl_files[TLS_CRL_FILES_MAX];
	bool has_tickets;
	unsigned ticket_keys; /* 0: drawn at random */
	const char *ticket_key_files[TLS_TICKET_KEYS_MAX];
};

/*
 * All three: 0; -EINVAL, and *errors has a sentence on a line for everything that is wrong;
 * -ENOMEM. tls_settings_try() changes nothing; tls_settings_use() takes them over for the sessions
 * that begin from now on; tls_settings_reload() reads the files of those in force again, -ENOENT:
 * there are none.
 */
int tls_settings_try(const struct tls_options *options, struct buf *errors);
int tls_settings_use(const struct tls_options *options, struct buf *errors);
int tls_settings_reload(bool is_dry_run, struct buf *errors);
/* Are any in force? */
bool tls_settings_are_there(void);
/* For tests and the end of the process. */
void tls_settings_drop(void);

struct tls_certificate_info {
	const char *names; /* between spaces; "" when it has none */
	const char *name;  /* the first of them, or its subject's */
	const char *file, *issuer;
	const char *key_type; /* "EC P-256", "RSA 2048" */
	int64_t not_before_ms, not_after_ms;
	uint64_t served; /* full handshakes that have shown it */
	bool is_first;   /* for clients that name nobody whom we know */
};

/* Visits the certificates in force; info is valid during the call. */
void tls_certificates_each(
	void (*visit)(const struct tls_certificate_info *info, void *arg), void *arg);

struct tls_crl_info {
	const char *file, *issuer;
	int64_t this_update_ms, next_update_ms; /* good between these */
	uint64_t revoked;                       /* certificates on it */
};

/* The same for the lists of what was revoked. */
void tls_crls_each(void (*visit)(const struct tls_crl_info *info, void *arg), void *arg);

/* Days until then, rounded down; negative: it is over. */
int64_t tls_days_left(int64_t not_after_ms, int64_t now_ms);
