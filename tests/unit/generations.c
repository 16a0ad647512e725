/* Generations of the configuration: numbers, undoing, how many are kept; and options as text. */
#include "support/test.h"

#include <errno.h>
#include <string.h>

#include "config/generations.h"
#include "config/options.h"

static struct generation with_min(uint64_t min)
{
	struct generation generation = { .cause = "reload", .uid = 1000 };

	config_defaults(&generation.config);
	generation.config.password.min = min;
	return generation;
}

static uint64_t add(uint64_t min)
{
	struct generation generation = with_min(min);
	uint64_t number = 0;

	assert_int_equal(generation_add(&generation, &number), 0);
	return number;
}

TEST(numbers_grow_and_the_latest_is_current)
{
	assert_null(generation_current());
	assert_int_equal(add(8), 1);
	assert_int_equal(add(9), 2);
	assert_int_equal(generation_current()->number, 2);
	assert_int_equal(generation_find(1)->config.password.min, 8);
	assert_null(generation_find(3));
	generations_deinit();
}

TEST(undoing_leads_to_the_one_before_that_was_not_undone)
{
	add(8);
	add(9);
	assert_int_equal(generation_undo(), 0);
	assert_int_equal(generation_current()->number, 1);
	assert_true(generation_find(2)->is_undone);
	assert_int_equal(add(10), 3);
	assert_int_equal(generation_undo(), 0);
	assert_int_equal(generation_current()->number, 1);
	assert_int_equal(generation_undo(), -ENOENT);
	assert_int_equal(generation_current()->number, 1);
	generations_deinit();
}

TEST(the_oldest_is_forgotten_but_never_the_current_one)
{
	add(8);
	for (unsigned i = 1; i < GENERATIONS_MAX; i++) {
		add(9);
		assert_int_equal(generation_undo(), 0);
	}
	assert_non_null(generation_find(1));
	add(10);
	assert_int_equal(generation_find(1)->number, 1);
	assert_null(generation_find(2));
	assert_non_null(generation_at(GENERATIONS_MAX - 1));
	assert_null(generation_at(GENERATIONS_MAX));
	generations_deinit();
}

static void assert_printed(const char *name, const char *text)
{
	const struct option *option = option_find_name(str_cstr(name));
	_cleanup_(buf_deinit) struct buf printed = buf_init(4096);
	struct config config;

	assert_non_null(option);
	config_defaults(&config);
	assert_int_equal(option_set(option, str_cstr(text), &config), 0);
	assert_int_equal(option_print(option, &config, &printed), 0);
	assert_true(str_equal(buf_str(&printed), str_cstr(text)));
}

TEST(values_are_printed_as_they_are_written)
{
	assert_printed("http.idle_timeout", "75s");
	assert_printed("session.idle", "30d");
	assert_printed("lockout.base", "1500ms");
	assert_printed("core.stack", "64KiB");
	assert_printed("password.min", "12");
	assert_printed("accounts.hide_existing", "yes");
	assert_printed("log.level", "warn");
	assert_printed("limits.login", "300/1m");
	assert_printed("limits.verify", "off");
	assert_printed("token.issuer", "me");
	assert_printed("http.listen", "127.0.0.1:80 [::1]:81");
}

TEST(every_default_is_printed_so_that_it_reads_back_equal)
{
	struct config defaults, again;

	config_defaults(&defaults);
	for (size_t i = 0; i < options_count; i++) {
		_cleanup_(buf_deinit) struct buf text = buf_init(4096);

		if (options[i].type == OPTION_SECRET)
			continue;
		memset(&again, 0x55, sizeof(again));
		assert_int_equal(option_print(&options[i], &defaults, &text), 0);
		assert_int_equal(option_set(&options[i], buf_str(&text), &again), 0);
		if (options[i].type != OPTION_LIST) /* what is behind its items does not count */
			assert_true(option_is_equal(&options[i], &defaults, &again));
	}
}

TEST(an_option_has_a_name_of_two_parts)
{
	assert_null(option_find_name(STR("password")));
	assert_null(option_find_name(STR("password.")));
	assert_null(option_find_name(STR(".min")));
	assert_null(option_find_name(STR("")));
	assert_non_null(option_find_name(STR("password.min")));
}

TEST(a_copied_option_is_equal_and_nothing_else_changes)
{
	const struct option *option = option_find_name(STR("token.issuer"));
	struct config a, b;

	config_defaults(&a);
	config_defaults(&b);
	assert_int_equal(option_set(option, STR("other"), &a), 0);
	assert_false(option_is_equal(option, &a, &b));
	option_copy(option, &a, &b);
	assert_memory_equal(&a, &b, sizeof(a));
}
