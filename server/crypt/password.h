/*
 * Password hashes: made and checked on threads of their own, because one costs a quarter of a
 * second. bcrypt is computed for several at once (bcrypt.h), everything else by libxcrypt. Which
 * passwords are allowed is decided in auth/passwords.h; this file knows bytes only. The parts:
 * password_job.c (what the answer is), password_sharing.c (equal checks share one hash),
 * password_threads.c (who computes what when).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "shared/str.h"

struct job_queue;

/* Up to so many hashes run on one thread at the same time. */
#define PASSWORD_LANES_MAX 6

/* libxcrypt's longest format and its terminator (CRYPT_OUTPUT_SIZE); bcrypt's has 60 characters. */
#define PASSWORD_HASH_BYTES 384

/* What a job can carry: 256 code points of UTF-8, at four bytes. bcrypt itself reads 72 bytes. */
#define PASSWORD_JOB_BYTES_MAX 1024
#define PASSWORD_BCRYPT_BYTES_MAX 72

#define PASSWORD_COST_MIN 4  /* bcrypt's own least */
#define PASSWORD_COST_MAX 20 /* about a minute per hash: more can only be a mistake */

/* More than any machine has cores for: hashing gains nothing from more threads than cores. */
#define PASSWORD_THREADS_MAX 256

struct password_options {
	unsigned threads;    /* 1..PASSWORD_THREADS_MAX */
	unsigned queued_max; /* waiting hashes; one more is refused with -ERR_OVERLOADED */
	unsigned cost;       /* bcrypt: 2^cost rounds; for new hashes */
};

/*
 * Tests libxcrypt and our bcrypt against published vectors, then starts the threads. 0; -EINVAL
 * (threads or cost out of range); -EOPNOTSUPP (libxcrypt's hash is wrong); -ENOMEM, -EAGAIN. A
 * wrong hash of our bcrypt is no failure: libxcrypt then hashes everything, one at a time on each
 * thread, and password_stats.is_interleaved says so. Before the cores start.
 */
int password_threads_start(const struct password_options *options);

/* Refuses new work, finishes what is queued, ends the threads. After the cores have ended. */
void password_threads_stop(void);

/* For metrics and authctl; NULL before the start. */
const struct job_queue *password_queue(void);

struct password_stats {
	bool is_interleaved; /* our bcrypt passed its test: it hashes, not libxcrypt */
	unsigned lanes;      /* that there are */
	unsigned lanes_busy;
	uint64_t hashes[PASSWORD_LANES_MAX + 1]; /* by how many ran when it ended; 0: libxcrypt */
	uint64_t shared;                         /* checks that waited for an equal one's hash */
	uint64_t left; /* hashes begun and given up, because nobody waited for them any more */
};

/* Any thread, at any time. */
void password_stats_read(struct password_stats *ret_stats);

/*
 * Does the password belong to this hash, of any format of libxcrypt ($2a$ $2b$ $2y$ $y$ $6$ $7$
 * ...)? 1 yes, 0 no; a hash that cannot be read, or a password that is too long or has a NUL byte,
 * is no, after the time that a right hash of the configured cost would take. bcrypt compares the
 * first 72 bytes only, as whoever made the hash did. -ERR_OVERLOADED (queue full, or the threads
 * are stopped), -ETIMEDOUT, -ERR_CANCELED, -ENOMEM.
 *
 * A check that equals one under way waits for its hash. A yes is answered at once. A no is answered
 * when a hash of its own would have: else one could tell by the time what somebody else is typing.
 */
int password_check_await(struct str hash, struct str password);

/*
 * A new bcrypt hash ($2b$) with a terminator. 0; -EINVAL (NUL byte, more than
 * PASSWORD_BCRYPT_BYTES_MAX bytes, bad cost); -EIO (libxcrypt failed); else as above.
 */
int password_hash_await(
	struct str password, unsigned cost, char ret_hash[static PASSWORD_HASH_BYTES]);

/* Is a hash foreign (no $2a$, $2b$ or $2y$), or weaker than cost? Then make a new one. */
bool password_needs_rehash(struct str hash, unsigned cost);

/*
 * A hash of the configured cost that belongs to no password, for a name that nobody owns; "" before
 * the start. A name always gets the same until the daemon ends, as an account would, so that checks
 * of it share hashes no more and no less than those of an account do.
 */
#define PASSWORD_DUMMY_BYTES 61
struct str password_dummy_hash(struct str name, char text[static PASSWORD_DUMMY_BYTES]);

/*
 * The same two on the calling thread, for as long as they take: for start-up, tools and tests,
 * never on a core. They need no start; before it an unreadable hash is answered at once.
 */
int password_check(struct str hash, struct str password);
int password_hash(struct str password, unsigned cost, char ret_hash[static PASSWORD_HASH_BYTES]);
