/* Bump allocation with one lifetime: see arena.h. */
#include "shared/arena.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARENA_ALIGN 16

/* Behind `len` all is zero: a new chunk is, and what was handed out is wiped when it comes back. So
 * nobody has to clear what he hands out. */
struct arena_chunk {
	struct arena_chunk *next;
	size_t cap;
	size_t len;
	_Alignas(ARENA_ALIGN) char data[];
};

void arena_init(struct arena *arena, size_t chunk_bytes, size_t bytes_max)
{
	assert(chunk_bytes && chunk_bytes <= bytes_max);
	*arena = (struct arena){ .bytes_max = bytes_max, .chunk_bytes = chunk_bytes };
}

static void chunk_free(struct arena_chunk *chunk)
{
	explicit_bzero(chunk->data, chunk->len);
	free(chunk);
}

void arena_deinit(struct arena *arena)
{
	arena_reset(arena);
	if (arena->chunks)
		chunk_free(arena->chunks);
	arena->chunks = NULL;
}

void arena_reset(struct arena *arena)
{
	struct arena_chunk *chunk = arena->chunks;

	while (chunk && chunk->next) {
		arena->chunks = chunk->next;
		chunk_free(chunk);
		chunk = arena->chunks;
	}
	if (chunk) {
		explicit_bzero(chunk->data, chunk->len);
		chunk->len = 0;
	}
	arena->bytes_used = 0;
}

static size_t round_up(size_t bytes)
{
	return (bytes + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
}

/* Rarely: kept out of arena_alloc(), which then needs no stack. */
_noinline_ static struct arena_chunk *chunk_new(struct arena *arena, size_t bytes)
{
	size_t cap = MAX(bytes, arena->chunk_bytes);
	struct arena_chunk *chunk = calloc(1, sizeof(*chunk) + cap);

	if (!chunk)
		return NULL;
	chunk->next = arena->chunks;
	chunk->cap = cap;
	arena->chunks = chunk;
	return chunk;
}

void *arena_alloc(struct arena *arena, size_t bytes)
{
	struct arena_chunk *chunk;
	void *memory;

	if (bytes > arena->bytes_max)
		return NULL;
	bytes = round_up(bytes ? bytes : 1);
	if (bytes > arena->bytes_max - arena->bytes_used)
		return NULL;
	chunk = arena->chunks;
	if (!chunk || chunk->cap - chunk->len < bytes)
		chunk = chunk_new(arena, bytes);
	if (!chunk)
		return NULL;
	memory = chunk->data + chunk->len;
	chunk->len += bytes;
	arena->bytes_used += bytes;
	return memory;
}

/* Widens the newest allocation where it stands, if it is `old` and its chunk has the room. */
static bool grow_in_place(struct arena *arena, char *old, size_t old_bytes, size_t more)
{
	struct arena_chunk *chunk = arena->chunks;

	if (!chunk || old + old_bytes != chunk->data + chunk->len)
		return false;
	if (chunk->cap - chunk->len < more || arena->bytes_max - arena->bytes_used < more)
		return false;
	chunk->len += more;
	arena->bytes_used += more;
	return true;
}

void *arena_grow(struct arena *arena, void *old, size_t old_bytes, size_t new_bytes)
{
	void *memory;

	if (old && new_bytes <= round_up(old_bytes))
		return old;
	if (new_bytes > arena->bytes_max)
		return NULL;
	old_bytes = old ? round_up(old_bytes ? old_bytes : 1) : 0;
	if (old && grow_in_place(arena, old, old_bytes, round_up(new_bytes) - old_bytes))
		return old;
	memory = arena_alloc(arena, new_bytes);
	if (memory && old)
		memcpy(memory, old, old_bytes);
	return memory;
}

struct str arena_str(struct arena *arena, struct str s)
{
	char *copy = arena_alloc(arena, s.len + 1);

	if (!copy)
		return (struct str){ NULL, 0 };
	if (s.len)
		memcpy(copy, s.data, s.len);
	return str_of(copy, s.len);
}

struct str arena_printf(struct arena *arena, const char *format, ...)
{
	va_list args;
	char *text;
	int length;

	va_start(args, format);
	length = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (length < 0)
		return (struct str){ NULL, 0 };
	text = arena_alloc(arena, (size_t)length + 1);
	if (!text)
		return (struct str){ NULL, 0 };
	va_start(args, format);
	vsnprintf(text, (size_t)length + 1, format, args);
	va_end(args);
	return str_of(text, (size_t)length);
}
