/*
 * What mails say: a text for each kind, with {{fields}} in it. Built in (templates/), or read from
 * a folder of the operator's. A template is UTF-8: a line "Subject: ...", an empty line, and the
 * body.
 */
#pragma once

#include "shared/buf.h"
#include "store/mails.h"

#define TEMPLATE_BYTES_MAX 65536 /* longer files are refused */
#define LETTER_BYTES_MAX 131072  /* and so are texts with their fields filled in */

/* For {{name}} (", Ann" or nothing), {{email}}, {{base}}, {{token}}, {{valid}} ("30 minutes"). */
struct template_values {
	struct str name, email, base, token;
	int64_t valid_ms;
};

/*
 * Reads reset.txt, verify.txt and exists.txt of a folder; "" or a file that is not there: built in.
 * 0; negative and a sentence in *ret_why (static). One thread at a time.
 */
int templates_load(const char *folder, const char **ret_why);
void templates_unload(void);

/*
 * Fills a text in; control characters of values become spaces, and what looks like a field in a
 * value is no field. 0, -ENOBUFS (LETTER_BYTES_MAX), -ENOMEM.
 */
int template_fill(enum mail_kind kind, const struct template_values *values, struct buf *subject,
	struct buf *body);
