/*
 * Fields as URLs and forms carry them, application/x-www-form-urlencoded: name=value&name=value,
 * with %XX for any byte and + for a space. Strict, so that what we read is what everybody else
 * would read: an escape that is cut, bytes that are no UTF-8 or control characters, an empty field
 * and a name that comes twice are refused.
 */
#pragma once

#include "shared/arena.h"
#include "shared/str.h"

#define URLENCODED_FIELDS_MAX 16 /* four times what any of our routes understands */

struct urlencoded_field {
	struct str name, value; /* decoded */
};

struct urlencoded {
	unsigned count;
	struct urlencoded_field fields[URLENCODED_FIELDS_MAX];
};

/* Decodes into the arena. 0; -ERR_MALFORMED, also for too many fields; -ENOMEM. "" has none. */
int urlencoded_parse(struct arena *arena, struct str text, struct urlencoded *ret_fields);

/* One name or value by itself, likewise. */
int urlencoded_decode(struct arena *arena, struct str text, struct str *ret_decoded);

/* The value of a name; .data is NULL when there is no such field, and never when there is. */
struct str urlencoded_value(const struct urlencoded *fields, struct str name);
