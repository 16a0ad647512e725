/* Common passwords: the built-in list, the operator's, and who chooses what. */
#include "support/test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "auth/common.h"
#include "auth/passwords.h"
#include "shared/err.h"
#include "shared/macros.h"

static const char built_in[] = {
#include "common_passwords.inc"
};

static struct arena arena;
static const char *why;

/* What somebody at ann@example.org is told who chooses this password. */
static int choose(const char *password)
{
	struct str chosen;
	int r;

	arena_init(&arena, 4096, 65536);
	r = password_choose(&arena, str_cstr(password), 4, "ann.miller@example.org", &chosen, &why);
	if (r == 0)
		assert_true(chosen.len > 0);
	arena_deinit(&arena);
	return r;
}

static int load(const char *text, size_t bytes, unsigned *ret_line)
{
	char path[] = "/tmp/authd-common-XXXXXX";
	int fd = mkstemp(path), r;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, bytes), bytes);
	close(fd);
	r = common_load(path, ret_line);
	assert_int_equal(unlink(path), 0);
	return r;
}

TEST(every_line_of_the_built_in_list_is_found)
{
	struct str list = str_of(built_in, sizeof(built_in)), line;
	unsigned count = 0;

	for (; str_split(&list, '\n', &line) && line.len; count++)
		assert_true(common_has(line));
	assert_int_equal(count, 30000);
}

TEST(what_is_only_near_to_a_line_is_not_found)
{
	static const char *const words[] = { "", "passwordpass word", "passwordpassword",
		"password\n", "123456\n123456", "~~~~~~~~~~~", "\x01", "\xff",
		"correct horse battery", "!qaz2ws" };

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		assert_false(common_has(str_cstr(words[i])));
}

TEST(a_common_password_is_refused_in_any_case)
{
	assert_int_equal(choose("PassWord"), -ERR_MALFORMED);
	assert_string_equal(why, "is one of those that are guessed first");
	assert_int_equal(choose("QWERTYUIOP"), -ERR_MALFORMED);
	assert_int_equal(choose("correct horse battery"), 0);
}

TEST(nobody_chooses_his_own_address)
{
	assert_int_equal(choose("ann.miller"), -ERR_MALFORMED);
	assert_string_equal(why, "must not be your address");
	assert_int_equal(choose("ANN.Miller@Example.org"), -ERR_MALFORMED);
	assert_int_equal(choose("ann.miller2"), 0);
	assert_int_equal(choose("miller@example.org"), 0);
}

TEST(a_short_password_is_short_before_it_is_common)
{
	assert_int_equal(choose("abc"), -ERR_MALFORMED);
	assert_string_equal(why, "is too short");
}

TEST(the_operators_list_is_folded_sorted_and_used_beside_the_other)
{
	static const char list[] = "zebra crossing\r\nStra\xc3\x9f"
				   "enbahn\n\nAcme2026\nAcme2026\nno end";
	unsigned line;

	assert_int_equal(load(list, sizeof(list) - 1, &line), 0);
	assert_int_equal(choose("zebra crossing"), -ERR_MALFORMED);
	assert_int_equal(choose("STRASSENBAHN"), -ERR_MALFORMED);
	assert_int_equal(choose("acme2026"), -ERR_MALFORMED);
	assert_int_equal(choose("No End"), -ERR_MALFORMED);
	assert_int_equal(choose("password"), -ERR_MALFORMED);
	assert_int_equal(choose("acme2027"), 0);
	common_unload();
	assert_int_equal(choose("acme2026"), 0);
}

TEST(a_list_that_is_no_text_names_its_line)
{
	unsigned line;

	assert_int_equal(load("one\ntwo\nthr\xff"
			      "ee\n",
				 14, &line),
		-EINVAL);
	assert_int_equal(line, 3);
	assert_int_equal(common_load("/nonexistent", &line), -ENOENT);
	assert_int_equal(line, 0);
	assert_int_equal(load("", 0, &line), 0);
	assert_int_equal(common_load("", &line), 0);
}

TEST(a_list_has_a_largest_size)
{
	size_t bytes = COMMON_LIST_BYTES_MAX + 1;
	char *text = malloc(bytes);
	unsigned line;

	assert_non_null(text);
	memset(text, 'x', bytes);
	assert_int_equal(load(text, bytes, &line), -EFBIG);
	free(text);
}
