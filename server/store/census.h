/*
 * How many sessions there are: counted on the keeper's connection, and only while somebody asks.
 * Counting may read a whole index, so it is given a hundredth of the time at most.
 */
#pragma once

#include "store/store_backend.h"

#define CENSUS_EVERY_MS 10000
#define CENSUS_SHARE 100 /* it rests so many times as long as it took */

/* The keeper's thread, every few seconds: counts when it is time to and somebody has asked. */
void census_turn(const struct store_backend *backend, void *connection);
/* Before the first turn: nothing is known. */
void census_reset(void);
