/*
 * New signing keys in place of old ones, without a token that fails for it. A key is published
 * first, signs when every verifier has met it, and is kept until the last token of it has expired.
 * All that follows from when the keys were made, which is in the store: any number of nodes come to
 * the same result, and one of them alone makes the new key.
 */
#pragma once

#include <stdbool.h>

#include "crypt/signing.h"
#include "store/store.h"

struct keys;

/* Whoever verifies by the public keys has them for five minutes (Cache-Control); other nodes look
 * every ROTATION_TICK_MS; one minute for clocks that differ. */
#define ROTATION_TICK_MS 30000
#define KEY_LEAD_MS INT64_C(360000)
/* After its successor signs: the longest life of a token that can be configured, whatever it is now
 * (a day), and a minute for clocks. */
#define KEY_KEPT_MS INT64_C(86460000)

struct rotation_options {
	enum signing_algorithm algorithm;
	struct str secret; /* of HS256, shared with others: it is replaced by its owner only. "" */
	int64_t every_ms;  /* 0: never by itself */
	/* Makes a set the one in use: 0, or an error and the one before stays. */
	int (*apply)(const struct keys *keys);
};

/* --- the rules; keys as store_keys_load() gives them --- */

/* Which of them signs at now_ms: the newest that was published KEY_LEAD_MS ago; else, as there must
 * be one, the oldest. */
int rotation_signer(const struct store_key *keys, int count, int64_t now_ms);
/* Is it time for a new one? */
bool rotation_is_due(const struct store_key *keys, int count,
	const struct rotation_options *options, int64_t now_ms);
/* Has no token of this one any time left? */
bool rotation_is_over(const struct store_key *keys, int count, int i, int64_t now_ms);

/* --- running --- */

/*
 * Before the cores start: sees to it that there is a key of the configured algorithm, and gives the
 * set to begin with, which is rotation's until rotation_stop(). options->secret must stay. 0, or an
 * error.
 */
int rotation_init(const struct rotation_options *options, const struct keys **ret_keys);

/* A thread that looks every ROTATION_TICK_MS. 0 or -errno. */
int rotation_start(void);
/* After the cores have ended, before store_close(): also when the start has failed. */
void rotation_stop(void);

/* Any thread: a new key now. It is made within a moment, and signs as one that was due.
 * -EOPNOTSUPP: the secret is shared, replace it in its file. */
int rotation_request(void);
/* What that would say. */
int rotation_check(void);

/* What the thread does each time; for tests. 0, or an error of the store. */
int rotation_tick(void);
