/* Rotating keys: which one signs, when another is due and when one is over; and all of it together
 * on the store in memory under a clock that is set. */
#include "auth/rotation.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "auth/keys.h"
#include "shared/clock.h"
#include "shared/err.h"
#include "shared/macros.h"
#include "store/faults.h"
#include "support/store_scene.h"

#define NOW SCENE_NOW
#define DAY_MS INT64_C(86400000)

static struct store_key key(const char *kid, int64_t created_ms, bool is_active)
{
	struct store_key made = { .is_active = is_active, .created_ms = created_ms };

	(void)snprintf(made.kid, sizeof(made.kid), "%s", kid);
	return made;
}

TEST(the_only_key_signs_however_new)
{
	struct store_key keys[] = { key("a", NOW, true) };

	assert_int_equal(rotation_signer(keys, 1, NOW), 0);
}

TEST(a_new_key_signs_when_it_was_published_long_enough)
{
	struct store_key keys[] = { key("new", NOW, true), key("old", NOW - DAY_MS, false) };

	assert_int_equal(rotation_signer(keys, 2, NOW), 1);
	assert_int_equal(rotation_signer(keys, 2, NOW + KEY_LEAD_MS - 1), 1);
	assert_int_equal(rotation_signer(keys, 2, NOW + KEY_LEAD_MS), 0);
}

TEST(of_several_new_ones_the_oldest_signs_meanwhile)
{
	struct store_key keys[] = { key("c", NOW, true), key("b", NOW - 1000, false),
		key("a", NOW - 2000, false) };

	assert_int_equal(rotation_signer(keys, 3, NOW), 2);
	assert_int_equal(rotation_signer(keys, 3, NOW - 1000 + KEY_LEAD_MS), 1);
}

TEST(keys_of_one_moment_are_told_apart)
{
	struct store_key keys[] = { key("b", NOW, true), key("a", NOW, false) };

	assert_int_equal(rotation_signer(keys, 2, NOW), 1);
	assert_int_equal(rotation_signer(keys, 2, NOW + KEY_LEAD_MS), 0);
	assert_false(rotation_is_over(keys, 2, 0, NOW + 10 * DAY_MS));
	assert_true(rotation_is_over(keys, 2, 1, NOW + 10 * DAY_MS));
}

TEST(a_key_is_due_by_the_age_of_the_active_one)
{
	struct rotation_options options = { .every_ms = 90 * DAY_MS };
	struct store_key keys[] = { key("b", NOW, true), key("a", NOW - 100 * DAY_MS, false) };

	assert_false(rotation_is_due(keys, 2, &options, NOW + 90 * DAY_MS - 1));
	assert_true(rotation_is_due(keys, 2, &options, NOW + 90 * DAY_MS));
	options.secret = STR("shared");
	assert_false(rotation_is_due(keys, 2, &options, NOW + 90 * DAY_MS));
	options = (struct rotation_options){};
	assert_false(rotation_is_due(keys, 2, &options, NOW + 9000 * DAY_MS));
	assert_true(rotation_is_due(keys, 0, &options, NOW));
}

TEST(a_key_is_over_when_the_last_token_of_it_must_have_expired)
{
	struct store_key keys[] = { key("c", NOW + DAY_MS, true), key("b", NOW, false),
		key("a", NOW - DAY_MS, false) };
	int64_t end_ms = NOW + KEY_LEAD_MS + KEY_KEPT_MS;

	assert_false(rotation_is_over(keys, 3, 2, end_ms - 1));
	assert_true(rotation_is_over(keys, 3, 2, end_ms));
	assert_false(rotation_is_over(keys, 3, 1, end_ms));
	assert_false(rotation_is_over(keys, 3, 0, NOW + 1000 * DAY_MS));
}

/* --- all together --- */

static const struct keys *used;
static int apply_result;

static int apply(const struct keys *keys)
{
	if (apply_result == 0)
		used = keys;
	return apply_result;
}

static void begin(const struct rotation_options *options)
{
	apply_result = 0;
	clock_fake(clock_now_ns(), NOW);
	assert_int_equal(rotation_init(options, &used), 0);
}

static void end(void)
{
	rotation_stop();
	clock_fake_off();
}

static void pass(int64_t ms)
{
	clock_fake(clock_now_ns(), clock_wall_ms() + ms);
	assert_int_equal(rotation_tick(), 0);
}

static void signer(char kid[static KEY_KID_BYTES_MAX + 1])
{
	struct str active;

	(void)keys_active(used, &active);
	memcpy(kid, active.data, active.len);
	kid[active.len] = '\0';
}

static bool has(const char *kid)
{
	return keys_find(used, str_cstr(kid));
}

STORE_TEST(a_rotation_publishes_then_signs_then_forgets)
{
	const struct rotation_options options = {
		.algorithm = SIGNING_ES256, .every_ms = 90 * DAY_MS, .apply = apply
	};
	char first[KEY_KID_BYTES_MAX + 1], now[KEY_KID_BYTES_MAX + 1];
	struct store_key stored[STORE_KEYS_MAX];

	begin(&options);
	signer(first);
	pass(90 * DAY_MS - 1);
	assert_int_equal(store_keys_load(stored), 1);
	pass(1);
	assert_int_equal(store_keys_load(stored), 2);
	assert_true(has(stored[0].kid) && has(first));
	signer(now);
	assert_string_equal(now, first);
	pass(KEY_LEAD_MS);
	signer(now);
	assert_string_equal(now, stored[0].kid);
	assert_true(has(first));
	pass(KEY_KEPT_MS - 1);
	assert_true(has(first));
	pass(1);
	assert_false(has(first));
	assert_int_equal(store_keys_load(stored), 1);
	end();
}

STORE_TEST(a_new_key_at_an_operators_wish_once)
{
	const struct rotation_options options = { .algorithm = SIGNING_ES256, .apply = apply };
	struct store_key stored[STORE_KEYS_MAX];

	begin(&options);
	assert_int_equal(rotation_request(), 0);
	pass(1);
	assert_int_equal(store_keys_load(stored), 2);
	pass(1);
	assert_int_equal(store_keys_load(stored), 2);
	end();
}

STORE_TEST(a_wish_outlives_a_store_that_is_down)
{
	const struct rotation_options options = { .algorithm = SIGNING_ES256, .apply = apply };
	struct store_key stored[STORE_KEYS_MAX];

	begin(&options);
	assert_int_equal(rotation_request(), 0);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(fault_set(&(struct fault){ .point = FAULT_BEGIN,
					 .op = FAULT_EVERY_OP,
					 .error = -ERR_STORE_DOWN }),
			0);
		assert_true(rotation_tick() < 0);
		faults_clear();
	}
	pass(1);
	assert_int_equal(store_keys_load(stored), 2);
	pass(1);
	assert_int_equal(store_keys_load(stored), 2);
	end();
}

STORE_TEST(another_algorithm_takes_over_with_overlap)
{
	struct rotation_options options = { .algorithm = SIGNING_ES256, .apply = apply };
	char first[KEY_KID_BYTES_MAX + 1], now[KEY_KID_BYTES_MAX + 1];

	begin(&options);
	signer(first);
	rotation_stop();
	options.algorithm = SIGNING_EDDSA;
	clock_fake(clock_now_ns(), NOW + DAY_MS);
	assert_int_equal(rotation_init(&options, &used), 0);
	signer(now);
	assert_string_equal(now, first);
	pass(KEY_LEAD_MS);
	signer(now);
	assert_string_not_equal(now, first);
	assert_true(has(first));
	end();
}

STORE_TEST(a_shared_secret_is_replaced_by_its_owner_only)
{
	struct rotation_options options = { .algorithm = SIGNING_HS256,
		.secret = STR("0123456789abcdef0123456789abcdef"),
		.every_ms = DAY_MS,
		.apply = apply };
	struct store_key stored[STORE_KEYS_MAX];

	begin(&options);
	assert_int_equal(rotation_request(), -EOPNOTSUPP);
	pass(10 * DAY_MS);
	assert_int_equal(store_keys_load(stored), 1);
	rotation_stop();
	options.secret = STR("another secret, also of 32 bytes");
	assert_int_equal(rotation_init(&options, &used), 0);
	assert_int_equal(store_keys_load(stored), 2);
	assert_int_equal(rotation_tick(), 0);
	assert_int_equal(store_keys_load(stored), 2);
	end();
}

STORE_TEST(what_another_node_has_made_is_taken_over)
{
	const struct rotation_options options = {
		.algorithm = SIGNING_ES256, .every_ms = DAY_MS, .apply = apply
	};
	_cleanup_(buf_wipe) struct buf material = buf_init(STORE_KEY_BYTES_MAX);
	struct store_key other = { .algorithm = "ES256", .created_ms = NOW + DAY_MS };
	struct store_key stored[STORE_KEYS_MAX];

	begin(&options);
	assert_int_equal(keys_generate(SIGNING_ES256, other.kid, &material), 0);
	memcpy(other.material, material.data, material.len);
	other.material_bytes = material.len;
	assert_int_equal(store_keys_load(stored), 1);
	assert_int_equal(store_key_add(&other, stored[0].created_ms), 1);
	assert_int_equal(store_key_add(&other, stored[0].created_ms), 0);
	pass(DAY_MS); /* due, but the other was first */
	assert_int_equal(store_keys_load(stored), 2);
	assert_true(has(other.kid));
	end();
}

STORE_TEST(keys_that_cannot_be_applied_are_tried_again)
{
	const struct rotation_options options = {
		.algorithm = SIGNING_ES256, .every_ms = DAY_MS, .apply = apply
	};
	const struct keys *before;

	begin(&options);
	before = used;
	clock_fake(clock_now_ns(), NOW + DAY_MS);
	apply_result = -ENOMEM;
	assert_int_equal(rotation_tick(), -ENOMEM);
	assert_ptr_equal(used, before);
	apply_result = 0;
	assert_int_equal(rotation_tick(), 0);
	assert_ptr_not_equal(used, before);
	end();
}
