/* What mails say: fields, and which templates of an operator are refused. */
#include "support/test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mail/templates.h"
#include "shared/macros.h"

static char subject[1024], body[4096];

static int fill(enum mail_kind kind, struct template_values values)
{
	_cleanup_(buf_deinit) struct buf head = buf_init(LETTER_BYTES_MAX);
	_cleanup_(buf_deinit) struct buf text = buf_init(LETTER_BYTES_MAX);
	int r = template_fill(kind, &values, &head, &text);

	(void)snprintf(subject, sizeof(subject), STR_FORMAT, STR_ARGS(buf_str(&head)));
	(void)snprintf(body, sizeof(body), STR_FORMAT, STR_ARGS(buf_str(&text)));
	return r;
}

static const char *why;

/* Loads this text as reset.txt. */
static int load(const char *text, size_t bytes)
{
	char folder[] = "/tmp/authd-templates-XXXXXX", path[64];
	FILE *file;
	int r;

	assert_non_null(mkdtemp(folder));
	(void)snprintf(path, sizeof(path), "%s/reset.txt", folder);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, bytes, file), bytes);
	assert_int_equal(fclose(file), 0);
	r = templates_load(folder, &why);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(folder), 0);
	return r;
}
#define LOAD(text) load(text, sizeof(text) - 1)

TEST(the_built_in_texts_have_their_fields_filled_in)
{
	const struct template_values values = { .name = STR("Ann"),
		.email = STR("ann@example.org"),
		.base = STR("https://example.org"),
		.token = STR("TOKEN"),
		.valid_ms = 1800000 };

	assert_int_equal(templates_load("", &why), 0);
	for (int kind = 0; kind < MAIL_KINDS; kind++) {
		assert_int_equal(fill((enum mail_kind)kind, values), 0);
		assert_non_null(strstr(body, "Hello, Ann,"));
		assert_non_null(strstr(body, "ann@example.org"));
		assert_null(strstr(body, "{{"));
	}
	assert_int_equal(fill(MAIL_RESET, values), 0);
	assert_non_null(strstr(body, "\nhttps://example.org/reset-password#token=TOKEN\n"));
	assert_non_null(strstr(body, "for 30 minutes."));
	assert_string_equal(subject, "A new password");
	assert_int_equal(fill(MAIL_VERIFY, values), 0);
	assert_non_null(strstr(body, "\nhttps://example.org/verify-email#token=TOKEN\n"));
	assert_int_equal(fill(MAIL_EXISTS, values), 0);
	assert_null(strstr(body, "TOKEN"));
}

TEST(who_has_no_name_is_greeted_without)
{
	assert_int_equal(templates_load("", &why), 0);
	assert_int_equal(fill(MAIL_RESET, (struct template_values){}), 0);
	assert_non_null(strstr(body, "Hello,\n"));
}

TEST(a_value_is_neither_a_field_nor_a_line)
{
	assert_int_equal(LOAD("Subject: {{name}}\n\n{{ name }}|{{token}}"), 0);
	assert_int_equal(
		fill(MAIL_RESET, (struct template_values){ .name = STR("{{token}}\r\nBcc: x"),
					 .token = STR("T") }),
		0);
	assert_string_equal(subject, ", {{token}}  Bcc: x");
	assert_string_equal(body, ", {{token}}  Bcc: x|T");
}

TEST(times_are_said_in_their_largest_unit)
{
	static const struct {
		int64_t ms;
		const char *text;
	} times[] = { { 60000, "1 minute" }, { 5400000, "90 minutes" }, { 3600000, "1 hour" },
		{ 86400000, "1 day" }, { 172800000, "2 days" } };

	assert_int_equal(LOAD("Subject: x\n\n{{valid}}"), 0);
	for (size_t i = 0; i < ARRAY_SIZE(times); i++) {
		assert_int_equal(
			fill(MAIL_RESET, (struct template_values){ .valid_ms = times[i].ms }), 0);
		assert_string_equal(body, times[i].text);
	}
}

TEST(files_that_are_not_there_are_built_in)
{
	assert_int_equal(LOAD("Subject: mine\r\n\r\nMine {{email}} }} {{"), 0);
	assert_int_equal(fill(MAIL_VERIFY, (struct template_values){}), 0);
	assert_string_equal(subject, "Is this your address?");
	assert_int_equal(fill(MAIL_RESET, (struct template_values){ .email = STR("a@b") }), 0);
	assert_string_equal(subject, "mine");
	assert_string_equal(body, "Mine a@b }} {{");
}

static void assert_refused(const char *text, size_t bytes, const char *what)
{
	assert_int_equal(load(text, bytes), -EINVAL);
	assert_non_null(strstr(why, "reset.txt"));
	assert_non_null(strstr(why, what));
}
#define REFUSED(text, what) assert_refused(text, sizeof(text) - 1, what)

TEST(a_template_that_is_none_says_why)
{
	char *large = calloc(1, TEMPLATE_BYTES_MAX + 1);

	REFUSED("Hello\n\nx", "does not begin");
	REFUSED("Subject:  \n\nx", "empty subject");
	REFUSED("Subject: x\ny\n\nx", "no empty line");
	REFUSED("Subject: x", "no empty line");
	REFUSED("Subject: x\n\n{{nmae}}", "{{field}}");
	REFUSED("Subject: {{}}\n\n", "{{field}}");
	REFUSED("Subject: x\n\n\xff", "no UTF-8");
	REFUSED("Subject: x\n\n\0", "no UTF-8");
	assert_int_equal(load(large, TEMPLATE_BYTES_MAX + 1), -EFBIG);
	free(large);
	templates_unload();
}
