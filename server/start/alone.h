/*
 * One daemon for each SQLite file. A second one would not hear of what the first one ends: who was
 * revoked at one would be let in by the caches of the other. MongoDB tells all of them.
 */
#pragma once

#include "config/config.h"

/* Takes the lock beside the file, until the process ends. 0, also where there is nothing to lock;
 * -EBUSY after a sentence on standard error. */
int alone_begin(const struct config *config);
/* The same for a daemon that follows another one, which is about to end: waits for a moment. */
int alone_follow(const struct config *config);
