/*
 * From a configuration to the parts that it concerns, at the start and again while the daemon runs:
 * what live_apply() does is what options that need no restart mean.
 */
#pragma once

#include <stdint.h>

#include "config/config.h"

struct keys;

/* Before the cores start; keys must stay. 0, -ENOMEM. */
int live_start(const struct config *config, const struct keys *keys);

/*
 * Takes over every option that needs no restart: cores get messages, so it is in force everywhere
 * when each of them has answered the next one. The control thread. 0; -ENOMEM: nothing has changed.
 */
int live_apply(const struct config *config);

/* Other keys sign and verify from now on; they must stay while they are in use. Any thread. 0,
 * -ENOMEM: nothing has changed. */
int live_keys(const struct keys *keys);

/* 0, or -EINVAL and *errors says what is wrong with the certificates and what goes with them. Not
 * looked at when they are those of in_force (may be NULL). */
int live_tls_try(const struct config *config, const struct config *in_force, struct buf *errors);

/* Forgets keys and certificates, when nothing is served any more. */
void live_stop(void);

/* What is in force now: any thread. */
uint64_t live_drain_timeout_ms(void);
