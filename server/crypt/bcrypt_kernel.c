/*
 * Blowfish key schedules in lock step: see bcrypt_kernel.h. One function for each number of lanes,
 * with loops over the lanes that the compiler unrolls, so that each half block is a local variable.
 * Built with options of its own (meson.build): a vectorizer would gather single words at great
 * cost, and reassociation would put the subkey behind the look-ups instead of beside them.
 */
#include "crypt/bcrypt_kernel.h"

#include <assert.h>
#include <stddef.h>

static_assert(offsetof(struct bcrypt_lane, state.tables) % 64 == 0, "cache lines");
static_assert(BCRYPT_LANES_MAX * sizeof(struct bcrypt_lane) <= 30 * 1024, "first-level cache");

#define UNROLL _Pragma("GCC unroll 16")
#define EACH_LANE UNROLL for (int i = 0; i < LANES; i++)

/* The look-ups of a round on half block x of lane i. */
#define BOX(table, x) lanes[i].state.tables[table][(x) >> (24 - 8 * (table)) & 255]
#define F(x) (((BOX(0, x) + BOX(1, x)) ^ BOX(2, x)) + BOX(3, x))

/* The body of a function with LANES lanes: a constant there, not a parameter. */
#define EXPAND                                                                                     \
	uint32_t left[LANES] = {}, right[LANES] = {};                                              \
                                                                                                   \
	for (size_t word = 0; word < BLOWFISH_WORDS; word += 2) {                                  \
		EACH_LANE left[i] ^= lanes[i].state.subkeys[0];                                    \
		UNROLL for (int round = 1; round <= 16; round += 2)                                \
		{                                                                                  \
			EACH_LANE right[i] =                                                       \
				(right[i] ^ lanes[i].state.subkeys[round]) ^ F(left[i]);           \
			EACH_LANE left[i] =                                                        \
				(left[i] ^ lanes[i].state.subkeys[round + 1]) ^ F(right[i]);       \
		}                                                                                  \
		EACH_LANE                                                                          \
		{                                                                                  \
			uint32_t swapped = left[i];                                                \
                                                                                                   \
			left[i] = right[i] ^ lanes[i].state.subkeys[17];                           \
			right[i] = swapped;                                                        \
			lanes[i].state.words[word] = left[i];                                      \
			lanes[i].state.words[word + 1] = right[i];                                 \
		}                                                                                  \
	}

static void expand_1(struct bcrypt_lane *lanes)
{
	enum { LANES = 1 };
	EXPAND
}

static void expand_2(struct bcrypt_lane *lanes)
{
	enum { LANES = 2 };
	EXPAND
}

static void expand_3(struct bcrypt_lane *lanes)
{
	enum { LANES = 3 };
	EXPAND
}

static void expand_4(struct bcrypt_lane *lanes)
{
	enum { LANES = 4 };
	EXPAND
}

static void expand_5(struct bcrypt_lane *lanes)
{
	enum { LANES = 5 };
	EXPAND
}

static void expand_6(struct bcrypt_lane *lanes)
{
	enum { LANES = 6 };
	EXPAND
}

void bcrypt_expand(struct bcrypt_lane *lanes, unsigned count)
{
	static void (*const kernels[])(struct bcrypt_lane *) = { expand_1, expand_2, expand_3,
		expand_4, expand_5, expand_6 };

	static_assert(sizeof(kernels) / sizeof(kernels[0]) == BCRYPT_LANES_MAX, "one for each");
	assert(count >= 1 && count <= BCRYPT_LANES_MAX);
	kernels[count - 1](lanes);
}
