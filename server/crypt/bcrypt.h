/*
 * bcrypt ($2a$, $2b$, $2y$), up to six hashes at once on one thread, bit for bit what libxcrypt
 * makes. A batch holds hashes in progress; it advances them together by a number of iterations, and
 * between two such steps hashes may join, end or be dropped, whatever their cost and age. One alone
 * is as fast as libxcrypt's; six together take 1.6 times as long as one. Other formats, salts and
 * random bytes: libxcrypt.h. Who fills the batches: password_threads.c.
 */
#pragma once

#include <stdbool.h>

#include "crypt/bcrypt_kernel.h"

#define BCRYPT_SETTING_CHARS 29 /* "$2b$12$" and 22 characters of salt */
#define BCRYPT_HASH_CHARS 60    /* the setting and 31 characters of digest */
#define BCRYPT_SALT_BYTES 16
#define BCRYPT_PASSWORD_BYTES 72 /* what follows is not read */
#define BCRYPT_COST_MIN 4
#define BCRYPT_COST_MAX 31

/* The 64 digits of salts and digests. */
extern const char bcrypt_digits[64 + 1];

/* The cost that a setting names, or a hash that begins with one; -EINVAL for anything else. */
int bcrypt_setting_cost(const char *setting);

/* Of one thread at a time. Its memory is wiped wherever a hash was. */
struct bcrypt_batch {
	struct bcrypt_lane lanes[BCRYPT_LANES_MAX]; /* the first `count` are in use */
	char settings[BCRYPT_LANES_MAX][BCRYPT_SETTING_CHARS + 1];
	void *owners[BCRYPT_LANES_MAX]; /* what bcrypt_batch_add() was given */
	unsigned count;
};

/* NULL: no memory. 26 KiB; free accepts NULL. */
struct bcrypt_batch *bcrypt_batch_new(void);
void bcrypt_batch_free(struct bcrypt_batch *batch);

/*
 * Begins a hash: its setting is the first BCRYPT_SETTING_CHARS of a hash or a setting. 0; -EINVAL
 * (no $2a$, $2b$ or $2y$ setting: nothing changed); -EBUSY (all lanes are in use).
 */
int bcrypt_batch_add(
	struct bcrypt_batch *batch, const char *setting, const char *password, void *owner);

/* Advances every lane by the same number of iterations: as many as asked, or until one is done. */
void bcrypt_batch_run(struct bcrypt_batch *batch, unsigned iterations);

/* lane < batch->count in all of these. */
static inline bool bcrypt_batch_is_done(const struct bcrypt_batch *batch, unsigned lane)
{
	return batch->lanes[lane].iterations == 0;
}

/* The hash of a lane that is done, with a terminator. The lane stays. */
void bcrypt_batch_hash(
	struct bcrypt_batch *batch, unsigned lane, char ret_hash[static BCRYPT_HASH_CHARS + 1]);

/* Wipes a lane, done or not, and gives it up; the last lane takes its place. */
void bcrypt_batch_remove(struct bcrypt_batch *batch, unsigned lane);

/*
 * Published vectors through every number of lanes, in 2 ms: 0; -EOPNOTSUPP (a hash differs:
 * this build or this processor must not be trusted with any); -ENOMEM.
 */
int bcrypt_self_test(void);
