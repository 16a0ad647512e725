/* Clients of OAuth: what the file may say, and whose secret is right. */
#include "auth/clients.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/test.h"

#define SECRET "0123456789abcdef"
/* printf 0123456789abcdef | sha256sum */
#define DIGEST "9f9f5111f7b27a781f1f1ddde5ebc2dd2b796bfc7365c9c28b548e564176929f"

static unsigned bad_line;
static const char *why;

static int load_with(const char *text, mode_t mode)
{
	char path[] = "/tmp/authd-clients-XXXXXX";
	int fd = mkstemp(path), r;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
	r = clients_load(path, &bad_line, &why);
	unlink(path);
	return r;
}

static int load(const char *text)
{
	return load_with(text, 0600);
}

static bool is_right(const char *id, const char *secret)
{
	return client_check(str_cstr(id), str_cstr(secret));
}

TEST(a_secret_is_right_for_its_own_client_only)
{
	assert_int_equal(load("# comment\n\na " SECRET "\n b  " SECRET "2 \nc sha256:" DIGEST), 0);
	assert_true(is_right("a", SECRET));
	assert_true(is_right("b", SECRET "2"));
	assert_true(is_right("c", SECRET));
	assert_false(is_right("a", SECRET "2"));
	assert_false(is_right("b", SECRET));
	assert_false(is_right("d", SECRET));
	assert_false(is_right("", SECRET));
	assert_false(is_right("a", ""));
	assert_false(is_right("c", "sha256:" DIGEST));
	clients_unload();
	assert_false(is_right("a", SECRET));
}

TEST(without_a_file_nobody_is_a_client)
{
	assert_int_equal(clients_load("", &bad_line, &why), 0);
	assert_false(is_right("", ""));
	assert_int_equal(clients_load("/nonexistent/clients", &bad_line, &why), -ENOENT);
	assert_int_equal(bad_line, 0);
}

TEST(a_bad_line_is_named_and_nothing_is_kept)
{
	static const char *const lines[] = { "a", "a short", "a " SECRET " more", "a:b " SECRET,
		"good " SECRET, "a sha256:00", "a sha256:" DIGEST "0",
		"12345678901234567890123456789012345678901234567890123456789012345 " SECRET };
	char text[1024];

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		(void)snprintf(text, sizeof(text), "good " SECRET "\n%s\n", lines[i]);
		assert_int_equal(load(text), -EINVAL);
		assert_int_equal(bad_line, 2);
		assert_non_null(why);
		assert_false(is_right("good", SECRET));
	}
}

TEST(there_are_64_clients_at_most)
{
	char text[(CLIENTS_MAX + 1) * 32] = "";
	size_t len = 0;

	for (int i = 0; i < CLIENTS_MAX; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "c%d " SECRET "%d\n", i, i);
	assert_int_equal(load(text), 0);
	assert_true(is_right("c63", SECRET "63"));
	(void)snprintf(text + len, sizeof(text) - len, "more " SECRET "\n");
	assert_int_equal(load(text), -EINVAL);
	assert_int_equal(bad_line, CLIENTS_MAX + 1);
}

TEST(a_file_that_everybody_may_read_is_refused)
{
	assert_int_equal(load_with("a " SECRET "\n", 0644), -EINVAL);
	assert_int_equal(bad_line, 0);
	assert_int_equal(load_with("a " SECRET "\n", 0640), 0);
}
