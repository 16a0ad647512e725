/*
 * From the configuration to the parts of authd, each with what it wants to know. main.c has the
 * order. Where nothing else is said: 0, or an error after a sentence on standard error.
 */
#pragma once

#include "config/config.h"

struct keys;

/* How many threads that many are: a configured 0 means one for each processor. */
unsigned processors(uint64_t configured);

/* The store is open. 0 or an error; *ret_keys sign and verify. */
int keys_make(const struct config *config, const struct keys **ret_keys);

/* Passwords that everybody tries first; clients of /oauth2. */
int common_start(const struct config *config);
int oauth_start(const struct config *config);

/* Threads that hash; what the interface says of itself. 0 or an error. */
int hashing_start(const struct config *config);
int documents_start(const struct config *config);

/* How much may be in progress; after the store and the hashing threads, whose queues it looks at.
 */
void admission_start(const struct config *config);

/* Changes of circuit breakers are logged and can be traced. */
void breakers_watch(void);
