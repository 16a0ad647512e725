/*
 * Our bcrypt against libxcrypt's and against published hashes: every number of lanes, lanes of
 * different cost and age. bcrypt_expand() is wrapped by the linker, to make it fail on demand.
 * BCRYPT_TEST_CASES in the environment: how many random cases (4,000 when not set).
 */
#include "crypt/bcrypt.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <crypt.h>

#include "shared/macros.h"
#include "support/test.h"

#define TEST_CASES 4000 /* four seconds, nearly all of them libxcrypt's */
#define PASSWORD_BYTES 80
#define HASH_BYTES (BCRYPT_HASH_CHARS + 1)

/* --- the kernel, and its failures --- */

static struct {
	unsigned broken_count; /* with so many lanes one bit is wrong */
	bool is_used[BCRYPT_LANES_MAX + 1];
} kernel;

void __real_bcrypt_expand(struct bcrypt_lane *lanes, unsigned count);
void __wrap_bcrypt_expand(struct bcrypt_lane *lanes, unsigned count);

void __wrap_bcrypt_expand(struct bcrypt_lane *lanes, unsigned count)
{
	__real_bcrypt_expand(lanes, count);
	kernel.is_used[count] = true;
	if (count == kernel.broken_count)
		lanes[count - 1].state.words[BLOWFISH_WORDS - 1] ^= 1;
}

static bool is_every_count_used(void)
{
	bool is_used = true;

	for (unsigned count = 1; count <= BCRYPT_LANES_MAX; count++)
		is_used &= kernel.is_used[count];
	return is_used;
}

/* --- helpers --- */

static struct bcrypt_batch *batch_new(void)
{
	struct bcrypt_batch *batch = bcrypt_batch_new();

	assert_non_null(batch);
	return batch;
}

static void add(struct bcrypt_batch *batch, const char *setting, const char *password)
{
	assert_int_equal(bcrypt_batch_add(batch, setting, password, NULL), 0);
}

/* The hash of a lane that is done, which is removed. */
static void take(struct bcrypt_batch *batch, unsigned lane, char hash[static HASH_BYTES])
{
	assert_true(bcrypt_batch_is_done(batch, lane));
	bcrypt_batch_hash(batch, lane, hash);
	bcrypt_batch_remove(batch, lane);
}

static void expect_hash(const char *password, const char *expected)
{
	struct bcrypt_batch *batch = batch_new();
	char hash[HASH_BYTES];

	add(batch, expected, password);
	bcrypt_batch_run(batch, UINT32_MAX);
	take(batch, 0, hash);
	assert_string_equal(hash, expected);
	bcrypt_batch_free(batch);
}

static bool is_zero(const void *memory, size_t bytes)
{
	const unsigned char *p = memory;

	while (bytes && *p == 0)
		p++, bytes--;
	return bytes == 0;
}

/* --- vectors --- */

TEST(published_hashes_of_2a_2b_and_2y_are_made)
{
	expect_hash("U*U", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW");
	expect_hash("", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.7uG0VCzI2bS7j6ymqJi9CdcdxiRTWNy");
	expect_hash(
		"wT4fHJa2N9WSW", "$2b$04$YYjtiq4Uh88yUsExO0RNTuEJ.tZlsONac16A8OcLHleWFjVawfGvO");
	expect_hash("\xff\xff\xa3", "$2y$05$/OK.fbVrR/bpIqNJ5ianF.CE5elHaaO4EbggVDjb8P19RukzXSM3e");
}

/* crypt_blowfish publishes these: with the old error the first two had one hash. */
TEST(what_the_old_sign_error_confused_is_told_apart)
{
	expect_hash("\xff\xa3"
		    "34\xff\xff\xff\xa3"
		    "345",
		"$2a$05$/OK.fbVrR/bpIqNJ5ianF.ZC1JEJ8Z4gPfpe1JOr/oyPXTWl9EFd.");
	expect_hash("\xff\xa3"
		    "345",
		"$2a$05$/OK.fbVrR/bpIqNJ5ianF.nRht2l/HRhr6zmCp9vYUvvsqynflf9e");
	/* Of this one the error changed nothing but could have: the mark makes another hash. */
	expect_hash("\xff\xff\xa3", "$2a$05$/OK.fbVrR/bpIqNJ5ianF.nqd1wy.pTMdcvrRWxyiGL2eMz.2a85.");
	expect_hash("\xff\xff\xa3", "$2y$05$/OK.fbVrR/bpIqNJ5ianF.CE5elHaaO4EbggVDjb8P19RukzXSM3e");
}

TEST(bytes_behind_the_72nd_do_not_count)
{
	const char letters[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
			       "0123456789chars after 72 are ignored";

	expect_hash(letters, "$2a$05$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui");
}

TEST(the_self_test_uses_every_number_of_lanes)
{
	memset(&kernel, 0, sizeof(kernel));
	assert_int_equal(bcrypt_self_test(), 0);
	assert_true(is_every_count_used());
}

TEST(the_self_test_finds_one_wrong_bit_with_any_number_of_lanes)
{
	for (unsigned count = 1; count <= BCRYPT_LANES_MAX; count++) {
		kernel.broken_count = count;
		assert_int_equal(bcrypt_self_test(), -EOPNOTSUPP);
	}
	kernel.broken_count = 0;
	assert_int_equal(bcrypt_self_test(), 0);
}

/* --- settings --- */

TEST(what_is_no_bcrypt_setting_is_refused)
{
	static const char *const settings[] = { "", "$2b$", "$2b$04$CCCCCCCCCCCCCCCCCCCCC",
		"$2x$04$CCCCCCCCCCCCCCCCCCCCC.", "$2$04$CCCCCCCCCCCCCCCCCCCCC..",
		"$2b$03$CCCCCCCCCCCCCCCCCCCCC.", "$2b$32$CCCCCCCCCCCCCCCCCCCCC.",
		"$2b$4$CCCCCCCCCCCCCCCCCCCCC..", "$2b$0:$CCCCCCCCCCCCCCCCCCCCC.",
		"$2b$04.CCCCCCCCCCCCCCCCCCCCC.", "$2b$04$CCCCCCCCCC:CCCCCCCCCC.",
		"$2b$04$CCCCCCCCCCCCCCCCCCCCC$", "$6$salt$CCCCCCCCCCCCCCCCCCCCC.",
		"$3b$04$CCCCCCCCCCCCCCCCCCCCC.", ".2b$04$CCCCCCCCCCCCCCCCCCCCC.",
		"$2b.04$CCCCCCCCCCCCCCCCCCCCC.", "$2b$04$ZZZZ\xc3\xa4ZZZZZZZZZZZZZZZ." };
	struct bcrypt_batch *batch = batch_new();

	for (size_t i = 0; i < ARRAY_SIZE(settings); i++)
		assert_int_equal(bcrypt_batch_add(batch, settings[i], "x", NULL), -EINVAL);
	assert_int_equal(batch->count, 0);
	bcrypt_batch_free(batch);
}

TEST(the_least_and_the_greatest_cost_are_accepted)
{
	struct bcrypt_batch *batch = batch_new();

	add(batch, "$2b$04$CCCCCCCCCCCCCCCCCCCCC.", "x");
	add(batch, "$2b$31$CCCCCCCCCCCCCCCCCCCCC.", "x");
	assert_int_equal(batch->lanes[0].iterations, 16);
	assert_int_equal(batch->lanes[1].iterations, UINT32_C(1) << 31);
	bcrypt_batch_free(batch);
}

TEST(one_more_than_the_lanes_is_refused)
{
	struct bcrypt_batch *batch = batch_new();

	for (int i = 0; i < BCRYPT_LANES_MAX; i++)
		add(batch, "$2b$04$CCCCCCCCCCCCCCCCCCCCC.", "x");
	assert_int_equal(
		bcrypt_batch_add(batch, "$2b$04$CCCCCCCCCCCCCCCCCCCCC.", "x", NULL), -EBUSY);
	bcrypt_batch_free(batch);
}

/* --- lanes --- */

TEST(an_empty_batch_runs_nothing)
{
	struct bcrypt_batch *batch = batch_new();

	bcrypt_batch_run(batch, 1);
	assert_int_equal(batch->count, 0);
	bcrypt_batch_free(batch);
}

TEST(a_run_ends_with_the_first_lane_that_is_done)
{
	struct bcrypt_batch *batch = batch_new();

	add(batch, "$2b$05$CCCCCCCCCCCCCCCCCCCCC.", "x");
	add(batch, "$2b$04$CCCCCCCCCCCCCCCCCCCCC.", "x");
	bcrypt_batch_run(batch, 10);
	assert_int_equal(batch->lanes[1].iterations, 6);
	bcrypt_batch_run(batch, 10);
	assert_true(bcrypt_batch_is_done(batch, 1));
	assert_int_equal(batch->lanes[0].iterations, 16);
	bcrypt_batch_free(batch);
}

TEST(the_last_lane_takes_the_place_of_a_removed_one)
{
	struct bcrypt_batch *batch = batch_new();
	int owners[3];
	char hash[HASH_BYTES];

	for (int i = 0; i < 3; i++)
		assert_int_equal(bcrypt_batch_add(batch, "$2b$04$CCCCCCCCCCCCCCCCCCCCC.",
					 i == 2 ? "U*U" : "x", &owners[i]),
			0);
	bcrypt_batch_run(batch, 7);
	bcrypt_batch_remove(batch, 0);
	assert_int_equal(batch->count, 2);
	assert_ptr_equal(batch->owners[0], &owners[2]);
	assert_ptr_equal(batch->owners[1], &owners[1]);
	bcrypt_batch_run(batch, 9);
	take(batch, 0, hash);
	assert_string_equal(hash, crypt("U*U", "$2b$04$CCCCCCCCCCCCCCCCCCCCC."));
	bcrypt_batch_free(batch);
}

TEST(a_lane_is_wiped_when_it_is_removed)
{
	struct bcrypt_batch *batch = batch_new();

	add(batch, "$2b$04$CCCCCCCCCCCCCCCCCCCCC.", "first");
	add(batch, "$2b$04$CCCCCCCCCCCCCCCCCCCCC.", "second");
	bcrypt_batch_run(batch, 1);
	for (unsigned left = 2; left-- > 0;) {
		assert_false(is_zero(&batch->lanes[left], sizeof(batch->lanes[left])));
		bcrypt_batch_remove(batch, 0);
		assert_true(is_zero(&batch->lanes[left], sizeof(batch->lanes[left])));
		assert_true(is_zero(batch->settings[left], sizeof(batch->settings[left])));
	}
	bcrypt_batch_free(batch);
}

/* --- random cases against libxcrypt --- */

struct random_case {
	char setting[BCRYPT_SETTING_CHARS + 1];
	char password[PASSWORD_BYTES + 1];
};

static unsigned random_below(unsigned bound)
{
	static uint64_t state = 0x9e3779b97f4a7c15; /* the same cases every time */

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (unsigned)(state >> 32) % bound;
}

/* Any salt: libxcrypt must agree also where the last digit has bits that do not count. */
static void random_case(struct random_case *c)
{
	/* One in three passwords is made of what the old sign error stumbled over. */
	static const char signs[] = { '\xff', '\xff', '\xff', '\xa3', 'x', '\x80' };
	bool is_signs = random_below(3) == 0;
	size_t len = random_below(is_signs ? 9 : PASSWORD_BYTES + 1);

	(void)snprintf(c->setting, sizeof(c->setting), "$2%c$04$", "aby"[random_below(3)]);
	for (size_t i = strlen(c->setting); i < BCRYPT_SETTING_CHARS; i++)
		c->setting[i] = bcrypt_digits[random_below(64)];
	c->setting[BCRYPT_SETTING_CHARS] = '\0';
	for (size_t i = 0; i < len; i++)
		c->password[i] = is_signs ? signs[random_below(sizeof(signs))]
					  : (char)(1 + random_below(255));
	c->password[len] = '\0';
}

static void expect_as_libxcrypt(const struct random_case *c, const char *hash)
{
	static struct crypt_data data;

	assert_string_equal(hash, crypt_rn(c->password, c->setting, &data, sizeof(data)));
}

static unsigned cases_count(void)
{
	const char *text = getenv("BCRYPT_TEST_CASES");

	return text ? (unsigned)strtoul(text, NULL, 10) : TEST_CASES;
}

/* Lanes are filled at random moments, so that their ages differ, and some are dropped half-way. */
TEST(random_hashes_are_those_of_libxcrypt_whatever_lanes_they_share)
{
	struct random_case cases[BCRYPT_LANES_MAX];
	struct bcrypt_batch *batch = batch_new();
	unsigned compared = 0, wanted = cases_count(), room = 1;
	char hash[HASH_BYTES];

	memset(&kernel, 0, sizeof(kernel));
	while (compared < wanted || !is_every_count_used()) {
		if (random_below(64) == 0)
			room = 1 + random_below(BCRYPT_LANES_MAX);
		while (batch->count < room && random_below(4)) {
			struct random_case *c = &cases[batch->count];

			random_case(c);
			assert_int_equal(bcrypt_batch_add(batch, c->setting, c->password, c), 0);
		}
		bcrypt_batch_run(batch, 1 + random_below(20));
		for (unsigned i = batch->count; i-- > 0;) {
			if (bcrypt_batch_is_done(batch, i)) {
				bcrypt_batch_hash(batch, i, hash);
				expect_as_libxcrypt(&cases[i], hash);
				compared++;
			} else if (random_below(50)) {
				continue;
			}
			bcrypt_batch_remove(batch, i);
			cases[i] = cases[batch->count];
		}
	}
	bcrypt_batch_free(batch);
}

/* Costs 4 to 8 beside each other, each from start to end. */
TEST(lanes_of_different_cost_do_not_disturb_each_other)
{
	struct random_case cases[5];
	struct bcrypt_batch *batch = batch_new();
	char hash[HASH_BYTES];

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		random_case(&cases[i]);
		cases[i].setting[5] = (char)('4' + i);
		assert_int_equal(
			bcrypt_batch_add(batch, cases[i].setting, cases[i].password, &cases[i]), 0);
	}
	for (unsigned left = ARRAY_SIZE(cases); left > 0; left--) {
		unsigned lane = 0;

		bcrypt_batch_run(batch, UINT32_MAX);
		while (!bcrypt_batch_is_done(batch, lane))
			lane++;
		bcrypt_batch_hash(batch, lane, hash);
		expect_as_libxcrypt(batch->owners[lane], hash);
		bcrypt_batch_remove(batch, lane);
	}
	bcrypt_batch_free(batch);
}
