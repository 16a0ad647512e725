/* From typed words to a request, and what authctl makes harmless before it prints it. */
#include "support/test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/escape.h"
#include "ctl/grammar.h"
#include "ctl/screen.h"
#include "ctl/settings.h"
#include "shared/duration.h"
#include "shared/macros.h"
#include "shared/outcome.h"

static int parse(const char *line, bool is_lenient, struct invocation *invocation)
{
	static char copy[4096];
	char *words[GRAMMAR_WORDS_MAX];
	int count;

	(void)snprintf(copy, sizeof(copy), "%s", line);
	count = grammar_split(copy, words);
	assert_true(count > 0);
	return grammar_parse(count, words, is_lenient, invocation);
}

static void assert_args(const char *line, const char *args)
{
	_cleanup_(invocation_deinit) struct invocation invocation = {};

	assert_int_equal(parse(line, false, &invocation), 0);
	assert_true(str_equal(buf_str(&invocation.args), str_cstr(args)));
}

static void assert_refused(const char *line)
{
	_cleanup_(invocation_deinit) struct invocation invocation = {};

	assert_int_equal(parse(line, false, &invocation), -EINVAL);
}

TEST(arguments_become_json_by_their_types)
{
	assert_args("status", "{}");
	assert_args("conn list --state idle --core 1 --age 10m",
		"{\"state\":\"idle\",\"core\":1,\"age\":\"10m\"}");
	assert_args("conn list --state=idle", "{\"state\":\"idle\"}");
	assert_args("conn kill 17592186044417", "{\"id\":17592186044417}");
	assert_args("health --ready", "{\"ready\":true}");
	assert_args("config set log.level debug --for 10m",
		"{\"key\":\"log.level\",\"value\":\"debug\",\"for\":\"10m\"}");
	assert_args("wait pool hash idle", "{\"condition\":\"pool hash idle\"}");
	assert_args("pool.list", "{}");
}

TEST(what_is_wrong_is_refused)
{
	static const char *const lines[] = { "pool", "pool lst", "status 1", "conn list --nope 1",
		"conn list --core", "conn list --core x", "conn list --core -1",
		"conn list --age 10", "conn list --state odd", "conn list --core 1 --core 2",
		"conn kill", "config set log.level debug", "health --ready=yes", "conn kill --id 1",
		"po list" };

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
		assert_refused(lines[i]);
}

TEST(a_secret_is_taken_from_no_word_and_kept_of_no_line)
{
	_cleanup_(invocation_deinit) struct invocation invocation = {};
	static const char *const lines[] = { "user create a@b --password hunter",
		"user create a@b --password=hunter", "user create a@b hunter",
		"user create a@b --pasword hunter" };

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		assert_int_equal(parse(lines[i], false, &invocation), -EINVAL);
		assert_true(str_equal(buf_str(&invocation.redacted), STR("user create (secret)")));
		invocation_deinit(&invocation);
	}
	assert_int_equal(parse("user create a@b", false, &invocation), 0);
	assert_false(invocation.has_instead);
	assert_int_equal(invocation_add(&invocation, "password", STR("a\"b")), 0);
	assert_true(str_equal(
		buf_str(&invocation.args), STR("{\"email\":\"a@b\",\"password\":\"a\\\"b\"}")));
	assert_true(str_equal(buf_str(&invocation.redacted), STR("user create a@b")));
	invocation_deinit(&invocation);
	assert_int_equal(parse("user create a@b --no-password", false, &invocation), 0);
	assert_true(invocation.has_instead);
}

TEST(beginnings_are_understood_in_the_shell_when_one_command_has_them)
{
	_cleanup_(invocation_deinit) struct invocation invocation = {};

	assert_int_equal(parse("po l", true, &invocation), 0);
	assert_string_equal(invocation.command->name, "pool.list");
	invocation_deinit(&invocation);
	assert_int_equal(parse("c l", true, &invocation), -EINVAL);
}

TEST(what_changes_something_has_no_short_form)
{
	static const char *const lines[] = { "u", "drai", "ca flush tokens", "cache fl tokens" };

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		_cleanup_(invocation_deinit) struct invocation invocation = {};

		assert_int_equal(parse(lines[i], true, &invocation), -EINVAL);
	}
}

TEST(lines_are_cut_at_spaces_outside_of_quotes)
{
	char line[] = "  a 'b c' \"d \\\"e\" f\\ g\th\r\n";
	char *words[GRAMMAR_WORDS_MAX];

	assert_int_equal(grammar_split(line, words), 5);
	assert_string_equal(words[1], "b c");
	assert_string_equal(words[2], "d \"e");
	assert_string_equal(words[3], "f g");
	assert_string_equal(words[4], "h");
}

static int split_words(unsigned count)
{
	char line[2 * GRAMMAR_WORDS_MAX + 3] = "";
	char *words[GRAMMAR_WORDS_MAX];

	for (unsigned i = 0; i < count; i++)
		memcpy(line + (size_t)2 * i, "a ", 2);
	return grammar_split(line, words);
}

TEST(open_quotes_and_too_many_words_are_errors)
{
	char open[] = "a 'b";
	char *words[GRAMMAR_WORDS_MAX];

	assert_int_equal(grammar_split(open, words), -EINVAL);
	assert_int_equal(split_words(GRAMMAR_WORDS_MAX), GRAMMAR_WORDS_MAX);
	assert_int_equal(split_words(GRAMMAR_WORDS_MAX + 1), -E2BIG);
}

TEST(options_may_stand_anywhere_and_leave_the_rest_alone)
{
	char *words[] = { "conn", "list", "-ojson", "--core", "1", "--timeout=2m", "-q", "--",
		"-o" };
	struct settings settings;

	settings_init(&settings);
	assert_int_equal(settings_take(&settings, ARRAY_SIZE(words), words), 5);
	assert_int_equal(settings.format, OUTPUT_JSON);
	assert_int_equal(settings.timeout_ms, 120000);
	assert_true(settings.is_quiet);
	assert_string_equal(words[2], "--core");
	assert_string_equal(words[4], "-o");
}

TEST(options_with_wrong_values_are_refused)
{
	static const char *const wrong[] = { "--output=yaml", "--timeout=0", "--timeout=25h",
		"--timeout=x", "--watch=1ms", "--as=root", "--if-gen=x", "--quiet=1",
		"--color=red" };

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		char *words[] = { (char *)wrong[i] };
		struct settings settings;

		settings_init(&settings);
		assert_int_equal(settings_take(&settings, 1, words), -EINVAL);
	}
}

/* A command's argument with the name of an option of authctl's would never reach it, unless
 * somebody has seen to that. */
TEST(no_argument_is_named_like_an_option)
{
	for (unsigned i = 0; i < command_count; i++)
		for (const struct command_argument *a = commands[i].arguments; a && a->name; a++)
			for (unsigned j = 0; j < settings_option_count; j++)
				if (!(a->flags & (ARGUMENT_POSITIONAL | ARGUMENT_OPTION)))
					assert_string_not_equal(a->name, settings_options[j].name);
}

TEST(no_command_has_more_arguments_than_the_daemon_copies)
{
	for (unsigned i = 0; i < command_count; i++) {
		unsigned count = 0;

		for (const struct command_argument *a = commands[i].arguments; a && a->name; a++)
			count++;
		assert_true(count <= COMMAND_ARGUMENTS_MAX);
	}
}

TEST(names_for_completion_come_from_a_list_that_has_them)
{
	for (unsigned i = 0; i < command_count; i++)
		for (const struct command_argument *a = commands[i].arguments; a && a->name; a++) {
			const char *colon = a->names ? strchr(a->names, ':') : NULL;
			const struct command *list;
			bool has_field = false;

			if (!a->names)
				continue;
			assert_non_null(colon);
			list = command_find(str_of(a->names, (size_t)(colon - a->names)));
			assert_non_null(list);
			for (const struct command_column *c = list->columns; c->name; c++)
				has_field |= !strcmp(c->name, colon + 1);
			assert_true(has_field);
		}
}

static char *escaped(const char *text, unsigned flags)
{
	char *out = NULL;
	size_t bytes;
	FILE *file = open_memstream(&out, &bytes);

	escape_print(file, str_cstr(text), flags);
	(void)fclose(file);
	return out;
}

static void assert_escaped(const char *text, const char *shown)
{
	char *out = escaped(text, 0);

	assert_string_equal(out, shown);
	free(out);
}

TEST(what_moves_a_terminal_is_shown_and_not_obeyed)
{
	assert_escaped("plain \xc3\xa4 \xe2\x82\xac", "plain \xc3\xa4 \xe2\x82\xac");
	assert_escaped("\x1b[31m", "\\x1b[31m");
	assert_escaped("a\nb\tc\x7f", "a\\x0ab\\x09c\\x7f");
	assert_escaped("\xc2\x9b", "\\xc2\\x9b");                   /* C1: CSI in one character */
	assert_escaped("\xe2\x80\xae", "\\xe2\\x80\\xae");          /* U+202E turns text around */
	assert_escaped("\xe2\x81\xa6", "\\xe2\\x81\\xa6");          /* U+2066 */
	assert_escaped("\xd8\x9c", "\\xd8\\x9c");                   /* U+061C */
	assert_escaped("\xe2\x80\x8b", "\\xe2\\x80\\x8b");          /* U+200B hides */
	assert_escaped("\xef\xbb\xbf", "\\xef\\xbb\\xbf");          /* U+FEFF */
	assert_escaped("\xc2\xad", "\\xc2\\xad");                   /* U+00AD */
	assert_escaped("\xf3\xa0\x81\x81", "\\xf3\\xa0\\x81\\x81"); /* U+E0041 */
}

TEST(lines_are_kept_only_where_they_are_wanted)
{
	char *out = escaped("a\nb\x1b", ESCAPE_KEEP_LINES);

	assert_string_equal(out, "a\nb\\x1b");
	free(out);
}

static void assert_duration(const char *text, int result, uint64_t ms)
{
	uint64_t found = 0;

	assert_int_equal(duration_parse(str_cstr(text), &found), result);
	if (result == 0)
		assert_int_equal(found, ms);
}

TEST(durations_have_a_number_and_a_unit)
{
	assert_duration("0", 0, 0);
	assert_duration("250ms", 0, 250);
	assert_duration("30s", 0, 30000);
	assert_duration("10m", 0, 600000);
	assert_duration("24h", 0, 86400000);
	assert_duration("30d", 0, UINT64_C(2592000000));
	assert_duration("10", -EINVAL, 0);
	assert_duration("s", -EINVAL, 0);
	assert_duration("", -EINVAL, 0);
	assert_duration("-1s", -EINVAL, 0);
	assert_duration("1 s", -EINVAL, 0);
	assert_duration("1w", -EINVAL, 0);
	assert_duration("213503982334d", 0, UINT64_C(213503982334) * 86400000);
	assert_duration("213503982335d", -ERANGE, 0);
}

TEST(outcomes_have_exit_codes_and_unknown_ones_are_refusals)
{
	assert_int_equal(outcome_exit_code(STR("ok")), 0);
	assert_int_equal(outcome_exit_code(STR("not_found")), 1);
	assert_int_equal(outcome_exit_code(STR("bad_argument")), 2);
	assert_int_equal(outcome_exit_code(STR("bad_config")), 2);
	assert_int_equal(outcome_exit_code(STR("bad_frame")), 4);
	assert_int_equal(outcome_exit_code(STR("unconfirmed")), 7);
	assert_int_equal(outcome_exit_code(STR("forbidden")), 8);
	assert_int_equal(outcome_exit_code(STR("timeout")), 9);
	assert_int_equal(outcome_exit_code(STR("of_tomorrow")), 1);
}

static void assert_cut(const char *text, unsigned columns, const char *shown, unsigned used)
{
	char *out = NULL;
	size_t bytes;
	FILE *file = open_memstream(&out, &bytes);

	assert_int_equal(screen_print_cut(file, text, columns), used);
	(void)fclose(file);
	assert_string_equal(out, shown);
	free(out);
}

TEST(columns_are_counted_as_a_terminal_does)
{
	assert_int_equal(screen_width("plain"), 5);
	assert_int_equal(screen_width("\033[1mbold\033[0m"), 4);
	assert_int_equal(screen_width("M\xc3\xbcller"), 6);
	assert_int_equal(screen_width("e\xcc\x81"), 1);                /* an accent that combines */
	assert_int_equal(screen_width("\xe6\x97\xa5\xe6\x9c\xac"), 4); /* two of Japanese */
	assert_int_equal(screen_width("\xf0\x9f\x98\x80"), 2);         /* an emoji */
}

TEST(what_is_too_wide_is_cut_at_a_whole_character)
{
	assert_cut("abcd", 4, "abcd", 4);
	assert_cut("abcde", 4, "abc~", 4);
	assert_cut("\xe6\x97\xa5\xe6\x9c\xac", 4, "\xe6\x97\xa5\xe6\x9c\xac", 4);
	assert_cut("\xe6\x97\xa5\xe6\x9c\xac", 3, "\xe6\x97\xa5~", 3);
	assert_cut("\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e", 4, "\xe6\x97\xa5~", 3);
	assert_cut("\033[1mabcde\033[0mf", 3, "\033[1mab~\033[0m", 3);
	assert_cut("abc", 0, "", 0);
}
