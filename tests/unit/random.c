/* Random bytes and UUIDs. */
#include "support/test.h"

#include <pthread.h>
#include <string.h>

#include "shared/clock.h"
#include "shared/macros.h"
#include "shared/random.h"

TEST(bytes_are_written_in_full_and_no_further)
{
	/* One block of the generator, one byte more, many blocks. */
	static const size_t sizes[] = { 1, 16, 255, 256, 257, 1000 };
	unsigned char memory[1001];

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		bool was_written = false;

		/* A last byte is zero by chance once in 256; not eight times. */
		for (unsigned round = 0; round < 8; round++) {
			memset(memory, 0, sizeof(memory));
			random_bytes(memory, sizes[i]);
			was_written |= memory[sizes[i] - 1] != 0;
			assert_int_equal(memory[sizes[i]], 0);
		}
		assert_true(was_written);
	}
}

TEST(no_two_draws_are_alike)
{
	unsigned char drawn[256][16];

	for (size_t i = 0; i < ARRAY_SIZE(drawn); i++) {
		random_bytes(drawn[i], sizeof(drawn[i]));
		for (size_t j = 0; j < i; j++)
			assert_memory_not_equal(drawn[i], drawn[j], sizeof(drawn[i]));
	}
}

static void *draw(void *memory)
{
	random_bytes(memory, 32);
	return NULL;
}

TEST(threads_draw_from_blocks_of_their_own)
{
	unsigned char mine[32], theirs[32];
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, draw, theirs), 0);
	random_bytes(mine, sizeof(mine));
	pthread_join(thread, NULL);
	assert_memory_not_equal(mine, theirs, sizeof(mine));
}

TEST(a_uuid_has_version_7_and_the_time_in_front)
{
	char text[UUID_BYTES];
	struct str uuid;

	clock_fake(1, 0x0123456789ab);
	uuid = uuid_new(text);
	clock_fake_off();
	assert_true(uuid_is_valid(uuid));
	assert_true(str_starts(uuid, STR("01234567-89ab-7")));
	assert_non_null(memchr("89ab", uuid.data[19], 4));
	assert_int_equal(text[UUID_BYTES - 1], '\0');
}

TEST(uuids_of_later_milliseconds_sort_later)
{
	char first[UUID_BYTES], second[UUID_BYTES];

	clock_fake(1, 1795494580120);
	uuid_new(first);
	clock_fake_advance_ms(1);
	uuid_new(second);
	clock_fake_off();
	assert_true(strcmp(first, second) < 0);
}

TEST(only_lower_case_hex_with_dashes_in_place_is_a_uuid)
{
	static const struct str bad[] = { STR(""), STR("0190b7a6-1111-7222-8333-44445555666"),
		STR("0190b7a6-1111-7222-8333-4444555566667"),
		STR("0190b7a6x1111-7222-8333-444455556666"),
		STR("0190B7A6-1111-7222-8333-444455556666"),
		STR("0190b7a6-1111-7222-8333-44445555666g"),
		STR("0190b7a6-1111-7222-8333-44445555666\0"),
		STR("0190b7a61-111-7222-8333-444455556666") };

	assert_true(uuid_is_valid(STR("0190b7a6-1111-7222-8333-444455556666")));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(uuid_is_valid(bad[i]));
}
