/* Arenas: one lifetime, a maximum, wiped when taken back. */
#include "support/test.h"

#include <string.h>

#include "shared/arena.h"

TEST(what_was_handed_out_is_wiped_at_reset)
{
	struct arena arena;
	char *first, *second;

	arena_init(&arena, 1024, 4096);
	first = arena_alloc(&arena, 16);
	assert_non_null(first);
	memset(first, 'x', 16);
	arena_reset(&arena);
	second = arena_alloc(&arena, 16);
	assert_ptr_equal(first, second);
	for (int i = 0; i < 16; i++)
		assert_int_equal(second[i], 0);
	arena_deinit(&arena);
}

/* Whatever is handed out is zero, also where a text grew, and behind a chunk that is not kept. */
TEST(memory_is_zero_whatever_was_there_before)
{
	struct arena arena;

	arena_init(&arena, 256, 4096);
	for (int round = 0; round < 3; round++) {
		for (size_t bytes = 1; bytes < 400; bytes += 57) {
			char *memory = arena_alloc(&arena, bytes);

			assert_non_null(memory);
			memory = arena_grow(&arena, memory, bytes, bytes + 64);
			assert_non_null(memory);
			for (size_t i = 0; i < bytes + 64; i++)
				assert_int_equal(memory[i], 0);
			memset(memory, 'x', bytes + 64);
		}
		arena_reset(&arena);
	}
	arena_deinit(&arena);
}

TEST(nothing_is_handed_out_past_the_maximum)
{
	struct arena arena;

	arena_init(&arena, 1024, 4096);
	assert_non_null(arena_alloc(&arena, 4000));
	assert_null(arena_alloc(&arena, 1000));
	arena_reset(&arena);
	assert_non_null(arena_alloc(&arena, 1000));
	arena_deinit(&arena);
}

TEST(growing_keeps_the_content)
{
	struct arena arena;
	char *text;

	arena_init(&arena, 64, 65536);
	text = arena_alloc(&arena, 8);
	memcpy(text, "content", 8);
	assert_non_null(arena_alloc(&arena, 8));
	text = arena_grow(&arena, text, 8, 1000);
	assert_string_equal(text, "content");
	assert_non_null(arena_printf(&arena, "%s %d", text, 7).data);
	arena_deinit(&arena);
}
