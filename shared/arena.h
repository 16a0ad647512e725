/*
 * Memory with one lifetime: everything that one request (or one authctl command) allocates, freed
 * as a whole. The first chunk is kept across resets, so a warm server allocates nothing. Not for
 * threads.
 */
#pragma once

#include <stddef.h>

#include "shared/macros.h"
#include "shared/str.h"

struct arena_chunk;

struct arena {
	struct arena_chunk *chunks; /* newest first; the last one is the kept first chunk */
	size_t bytes_used;          /* handed out since the last reset */
	size_t bytes_max;
	size_t chunk_bytes;
};

/* At most bytes_max are ever handed out between resets; chunks are chunk_bytes or larger. */
void arena_init(struct arena *arena, size_t chunk_bytes, size_t bytes_max);

/* Frees everything. Wipes first: requests carry passwords and tokens. */
void arena_deinit(struct arena *arena);

/* Takes everything back, keeps one chunk, wipes what was handed out. */
void arena_reset(struct arena *arena);

/* Zeroed memory, aligned for any type; NULL when bytes_max or the system's memory is reached. */
void *arena_alloc(struct arena *arena, size_t bytes);

/* Makes an allocation larger in place when it was the last one, else copies. NULL as arena_alloc().
 */
void *arena_grow(struct arena *arena, void *old, size_t old_bytes, size_t new_bytes);

/* A copy of s with a terminator behind it; .data is NULL when there is no room. */
struct str arena_str(struct arena *arena, struct str s);

/* Formats into the arena; .data is NULL when there is no room. */
struct str arena_printf(struct arena *arena, const char *format, ...) _printf_(2, 3);

#define arena_new(arena, type) ((type *)arena_alloc((arena), sizeof(type)))
