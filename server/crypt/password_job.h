/*
 * A password on its way to be checked or hashed: copies of all that is needed, wiped when the job
 * is released. Private to crypt/password*.c. Who computes the hash is not decided here:
 * password_threads.c, or password_job_run_here().
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/job.h"
#include "crypt/password.h"
#include "shared/siphash.h"

enum password_work { PASSWORD_CHECK, PASSWORD_HASH };

struct password_job {
	struct job job;
	enum password_work work;
	bool is_damaged; /* the answer is no, whatever the hash becomes */
	size_t password_len;
	char hash[PASSWORD_HASH_BYTES]; /* what it is checked against; or a setting, then the hash
					 */
	char password[PASSWORD_JOB_BYTES_MAX + 1];
	struct {
		uint64_t tag;                        /* of hash and password */
		struct password_job *next_in_bucket; /* of those whose hash others may wait for */
		struct password_job *first;          /* who waits for this one's hash */
		struct password_job *next;           /* who waits for the same hash */
		unsigned count;                      /* how many wait for this one's */
		uint64_t wait_ns; /* how long a hash of its own would have stood in the queue */
		uint64_t not_before_ns; /* when that one would have been done */
	} sharing; /* private to password_sharing.c but for not_before_ns and next */
};

/* 0, -ENOMEM. What cannot be read or carried is damaged, and its hash one of the dummy's. */
int password_job_check_new(struct str hash, struct str password, struct password_job **ret_job);

/* 0, -ENOMEM, -EINVAL: see password_hash_await(). */
int password_job_hash_new(struct str password, unsigned cost, struct password_job **ret_job);

/* For whoever made it and has not given it to job_await_by(); NULL is allowed. */
void password_job_free(struct password_job *p);

/* What must be hashed by what: lives as long as the job and itself. "" by "" when a damaged hash
 * needs none, because no dummy exists yet. */
struct password_what {
	const char *setting, *password;
	char dummy[PASSWORD_DUMMY_BYTES];
};
void password_job_what(const struct password_job *p, struct password_what *ret_what);

/*
 * It could not be hashed. 1: because its hash is damaged, so that the answer is no, but as late as
 * a right hash would give it: hash what password_job_what() says now. 0: job.result has the error.
 */
int password_job_failed(struct password_job *p, int error);

/* `made` is the hash of what was asked: leaves the answer in job.result. */
void password_job_finish(struct password_job *p, const char *made);

/* Computes it with libxcrypt and finishes it. */
void password_job_run_here(struct password_job *p);

/* Draws the secret that dummy hashes are made from, of this cost; before the threads start. */
int password_dummy_init(unsigned cost);
void password_dummy_deinit(void);
