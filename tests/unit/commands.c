/* The table of commands: what authctl and the daemon rely on in its rows. */
#include "support/test.h"

#include <stdio.h>
#include <string.h>

#include "shared/commands.h"

static bool is_name(const char *text)
{
	return text[0] && text[strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_")] == '\0';
}

TEST(a_command_is_found_by_its_whole_name_only)
{
	for (unsigned i = 0; i < command_count; i++)
		assert_ptr_equal(command_find(str_cstr(commands[i].name)), &commands[i]);
	assert_null(command_find(STR("pool")));
	assert_null(command_find(STR("pool.list ")));
	assert_null(command_find(STR("POOL.LIST")));
	assert_null(command_find(STR("")));
}

TEST(names_are_said_once)
{
	for (unsigned i = 0; i < command_count; i++)
		for (unsigned j = 0; j < i; j++)
			assert_string_not_equal(commands[i].name, commands[j].name);
}

TEST(every_command_says_what_it_does_and_who_may)
{
	for (unsigned i = 0; i < command_count; i++) {
		assert_true(strlen(commands[i].help) > 0);
		assert_null(strchr(commands[i].help, '\n'));
		assert_true(commands[i].level >= LEVEL_VIEWER && commands[i].level <= LEVEL_ADMIN);
	}
}

TEST(a_schema_is_the_name_with_a_version)
{
	for (unsigned i = 0; i < command_count; i++) {
		const char *schema = commands[i].schema, *slash = strrchr(schema, '/');

		assert_non_null(slash);
		assert_true(slash[1] >= '1' && slash[1] <= '9');
	}
}

TEST(columns_have_distinct_json_names_and_help)
{
	for (unsigned i = 0; i < command_count; i++) {
		const struct command_column *columns = commands[i].columns;

		assert_non_null(columns);
		for (unsigned j = 0; columns[j].name; j++) {
			assert_true(is_name(columns[j].name));
			assert_true(strlen(columns[j].help) > 0);
			for (unsigned k = 0; k < j; k++)
				assert_string_not_equal(columns[j].name, columns[k].name);
		}
	}
}

TEST(arguments_have_distinct_names_and_help)
{
	for (unsigned i = 0; i < command_count; i++) {
		const struct command_argument *arguments = commands[i].arguments;

		for (unsigned j = 0; arguments && arguments[j].name; j++) {
			assert_true(strlen(arguments[j].help) > 0);
			for (unsigned k = 0; k < j; k++)
				assert_string_not_equal(arguments[j].name, arguments[k].name);
		}
	}
}

TEST(levels_have_names)
{
	assert_string_equal(command_level_name(LEVEL_NONE), "none");
	assert_string_equal(command_level_name(LEVEL_VIEWER), "viewer");
	assert_string_equal(command_level_name(LEVEL_OPERATOR), "operator");
	assert_string_equal(command_level_name(LEVEL_ADMIN), "admin");
}
