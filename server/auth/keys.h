/*
 * The keys that tokens are signed with: one is active, others only verify until their last token
 * has expired. The set is an immutable snapshot that all threads read; it is replaced as a whole.
 * Where keys are kept is the caller's business: records come in, records go out.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "crypt/signing.h"
#include "shared/buf.h"
#include "shared/str.h"

#define KEYS_MAX 8 /* the active one, the next and the previous ones; rotation drops the oldest */
#define KEY_KID_BYTES_MAX 64

/* Borrowed input. kid: 1..64 characters of A-Z a-z 0-9 - _ . */
struct key_source {
	struct str kid;
	enum signing_algorithm algorithm;
	struct str material; /* PEM, or the secret itself for HS256 */
	bool is_active;      /* exactly one signs */
};

struct keys;

/*
 * Makes a set. 0; -EINVAL: no or too many keys, none or several active, a bad or repeated kid, or
 * material that signing_key_load() refuses; -ENOMEM. *ret_bad (may be NULL) is written on -EINVAL
 * only: the index of the source at fault, or count when the fault is the set's.
 */
int keys_load(
	const struct key_source *sources, size_t count, struct keys **ret_keys, size_t *ret_bad);

/*
 * Makes a key for a store that has none yet: appends its material to a buf that the caller wipes,
 * and writes a random kid with a terminator. 0, -ENOBUFS, -ENOMEM, -EIO.
 */
int keys_generate(enum signing_algorithm algorithm, char ret_kid[static KEY_KID_BYTES_MAX + 1],
	struct buf *material);

void keys_free(struct keys *keys); /* accepts NULL */

static inline void keys_free_p(struct keys **keys)
{
	keys_free(*keys);
}

/* The key that signs. Both results live as long as the set. */
const struct signing_key *keys_active(const struct keys *keys, struct str *ret_kid);

/* The key of that id among ours, NULL when there is none. */
const struct signing_key *keys_find(const struct keys *keys, struct str kid);

/* Visits every key: its id, how it signs, and whether it is the one that does. */
void keys_each(const struct keys *keys,
	void (*visit)(struct str kid, enum signing_algorithm algorithm, bool is_active, void *arg),
	void *arg);

/*
 * Appends {"keys":[...]} (RFC 7517) with the public keys; HS256 ones are left out. 0, or -ENOBUFS,
 * -ENOMEM with nothing appended.
 */
int keys_jwks(const struct keys *keys, struct buf *json);
