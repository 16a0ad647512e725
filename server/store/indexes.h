/* THE table of the indexes that a store of documents must have; nothing here talks to one. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum index_collection {
	INDEX_USERS,
	INDEX_SESSIONS,
	INDEX_STRANGERS,
	INDEX_TICKETS,
	INDEX_MAILS,
	INDEX_ENDED,
	INDEX_KEYS /* one document, found by its id: none is declared */
};

struct index {
	const char *name; /* static text: "users.email" */
	enum index_collection collection;
	/* A path with a direction, "usedAt" or "-usedAt"; one in angle brackets is a field of the
	 * map of fields: "<email>". NULL for no second. */
	const char *key, *key2;
	bool is_unique;
	bool is_without_case;
	int ttl_s;       /* removed so long after its date; -1 never */
	const char *why; /* static text, for the operator */
};

extern const struct index indexes[];
extern const size_t indexes_count;

/* By its name; NULL if there is none. */
const struct index *index_find(const char *name);
