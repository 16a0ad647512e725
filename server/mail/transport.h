/*
 * How a mail leaves: into a folder (folder.c), or to an SMTP server (smtp.c, a module: libcurl and
 * its thirty libraries are loaded by those alone who send mail). All on one thread, which may wait.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "shared/str.h"

#define TRANSPORT_WHY_BYTES 256

enum transport_tls { TLS_REQUIRED, TLS_OPTIONAL, TLS_OFF, TLS_IMPLICIT };

/* The texts stay until close. */
struct transport_options {
	const char *folder;
	const char *host;
	unsigned port;
	enum transport_tls tls;
	const char *ca_file;         /* "": the system's */
	const char *user, *password; /* "": none */
	const char *hello;           /* who we say we are */
	unsigned timeout_ms;
	const _Atomic bool *is_closing; /* gives up what is under way */
};

struct envelope {
	const char *from, *to;
	struct str message; /* as message_write() makes it */
};

enum transport_outcome {
	TRANSPORT_SENT,
	TRANSPORT_REFUSED, /* for good: this mail will never be taken */
	TRANSPORT_LATER,   /* not now: this mail, by a server that works */
	TRANSPORT_DOWN,    /* the server cannot be reached, or does not work as it should */
};

struct transport {
	const char *name;
	/* 0; negative and a sentence in why. */
	int (*open)(const struct transport_options *options, char why[static TRANSPORT_WHY_BYTES]);
	/* An outcome and, but for SENT, a sentence in why, without secrets. */
	enum transport_outcome (*send)(
		const struct envelope *envelope, char why[static TRANSPORT_WHY_BYTES]);
	void (*close)(void);
};

extern const struct transport transport_folder;
