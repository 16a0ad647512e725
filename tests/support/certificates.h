/* Certificates for tests, made by OpenSSL and written where the daemon's own code reads them. */
#pragma once

#include <openssl/x509.h>

/* Their keys are made with it: "P-256" or a number of bits of RSA. */
struct certificate_wish {
	const char *path;     /* PATH.crt and PATH.key */
	const char *common;   /* name of the subject */
	const char *names;    /* "DNS:a.example,DNS:*.a.example"; NULL: none */
	const char *key;      /* NULL: P-256 */
	const char *password; /* of the key's file; NULL: none */
	int days;             /* it ends in; 0: 30 */
};

/* Vouches for itself. Asserts that it works; everything is readable by its owner alone. */
void certificate_write(const struct certificate_wish *wish);
