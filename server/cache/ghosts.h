/*
 * Whom a cache has turned away lately: fingerprints of keys without their values, four bytes each.
 * A key that is remembered here was asked for twice within a cache's length, and is worth more than
 * a new one. Sets of eight, each a queue of its own, stand for one long queue: no links, no chains.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "shared/macros.h"

struct ghosts;

/* For about `count` keys, rounded up to a power of two. 0 or -ENOMEM. */
int ghosts_new(uint32_t count, struct ghosts **ret_ghosts);
void ghosts_free(struct ghosts *ghosts); /* accepts NULL */
CLEANUP_P(ghosts_free, struct ghosts)

/* hash: 64 bits of a good hash of the key. */
void ghosts_add(struct ghosts *ghosts, uint64_t hash);

/* Was it there? It is not any more. */
bool ghosts_take(struct ghosts *ghosts, uint64_t hash);

void ghosts_clear(struct ghosts *ghosts);
