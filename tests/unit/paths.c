/* Which paths a pattern of the route table means, and what is taken for an id. */
#include "api/paths.h"

#include <string.h>

#include "support/test.h"

static bool matches(const char *pattern, const char *path)
{
	struct str id;

	return path_match(str_cstr(pattern), str_cstr(path), &id);
}

TEST(a_pattern_without_an_id_is_the_path_itself)
{
	struct str id = STR("before");

	assert_true(path_match(STR("/me"), STR("/me"), &id));
	assert_int_equal(id.len, 0);
	assert_false(matches("/me", "/me/"));
	assert_false(matches("/me", "/m"));
	assert_false(matches("/me", ""));
}

TEST(an_id_is_found_at_the_end_and_in_the_middle)
{
	struct str id;

	assert_true(path_match(STR("/sessions/{id}"), STR("/sessions/a-1_B.~"), &id));
	assert_true(str_equal(id, STR("a-1_B.~")));
	assert_true(path_match(STR("/users/{id}/suspend"), STR("/users/7/suspend"), &id));
	assert_true(str_equal(id, STR("7")));
}

TEST(an_id_may_look_like_what_follows_it)
{
	struct str id;

	assert_true(path_match(STR("/u/{id}/suspend"), STR("/u/suspend/suspend"), &id));
	assert_true(str_equal(id, STR("suspend")));
	assert_false(matches("/u/{id}/suspend", "/u/suspend"));
}

TEST(what_an_id_may_not_have_makes_the_path_unknown)
{
	const char *const paths[] = { "/u/", "/u/a/b", "/u/a/", "/u//", "/u/a%2fb", "/u/a b",
		"/u/a?b", "/u/\xc3\xa4", "/u/a\x01", "/u/a+b", "/u/'", "/U/a", "u/a" };

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		assert_false(matches("/u/{id}", paths[i]));
	assert_false(matches("/u/{id}/x", "/u//x"));
	assert_false(path_match(STR("/u/{id}"), STR("/u/a\0b"), &(struct str){}));
}

TEST(an_id_has_64_characters_at_most)
{
	char path[3 + PATH_ID_BYTES_MAX + 2] = "/u/";

	memset(path + 3, 'a', PATH_ID_BYTES_MAX);
	assert_true(matches("/u/{id}", path));
	path[3 + PATH_ID_BYTES_MAX] = 'a';
	assert_false(matches("/u/{id}", path));
}
