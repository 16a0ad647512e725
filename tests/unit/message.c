/* Mails as bytes: what is encoded how, and that nothing can break out of its place. */
#include "support/test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "mail/message.h"
#include "shared/err.h"
#include "shared/macros.h"

static struct buf out;

static const char *write_letter(struct letter letter)
{
	buf_deinit(&out);
	out = buf_init(65536);
	letter.from = letter.from.data ? letter.from : STR("noreply@example.org");
	letter.to = letter.to.data ? letter.to : STR("ann@example.org");
	letter.wall_ms = INT64_C(1795495180120);
	assert_int_equal(message_write(&letter, &out), 0);
	assert_int_equal(buf_append_char(&out, '\0'), 0);
	return out.data;
}

#define WRITE(...) write_letter((struct letter){ __VA_ARGS__ })

/* The value of a field with its folded lines. */
static struct str field(const char *message, const char *name)
{
	const char *at = strstr(message, name), *end;

	assert_non_null(at);
	at += strlen(name);
	for (end = strstr(at, "\r\n"); end[2] == ' '; end = strstr(end + 2, "\r\n"))
		;
	return str_of(at, (size_t)(end - at));
}

static void assert_field(const char *message, const char *name, const char *value)
{
	struct str found = field(message, name);

	if (!str_equal(found, str_cstr(value)))
		print_error("%s|" STR_FORMAT "|\n", name, STR_ARGS(found));
	assert_true(str_equal(found, str_cstr(value)));
}

TEST(a_letter_has_the_fields_that_a_mail_needs)
{
	const char *m = WRITE(.subject = STR("Hello"), .body = STR("Text\n"));

	assert_field(m, "From: ", "<noreply@example.org>");
	assert_field(m, "\r\nTo: ", "<ann@example.org>");
	assert_field(m, "\r\nSubject: ", "Hello");
	assert_field(m, "\r\nDate: ", "Tue, 24 Nov 2026 04:39:40 +0000");
	assert_field(m, "\r\nAuto-Submitted: ", "auto-generated");
	assert_true(field(m, "\r\nMessage-ID: ").len == 1 + 36 + 1 + 11 + 1);
	assert_non_null(strstr(m, "\r\n\r\nText\r\n"));
}

TEST(other_scripts_are_encoded_words_that_cut_no_character)
{
	const char *m = WRITE(.subject = STR("Gr\xc3\xbc\xc3\x9f"
					     "e"),
		.from_name = STR("J\xc3\xbcrgen"), .body = STR(""));
	struct str subject;

	assert_field(m, "\r\nSubject: ", "=?utf-8?B?R3LDvMOfZQ==?=");
	assert_field(m, "From: ", "=?utf-8?B?SsO8cmdlbg==?=\r\n <noreply@example.org>");
	/* 46 bytes: 45 would cut the second byte of the last character off. */
	m = WRITE(.subject = STR("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\xc3\xbc"),
		.body = STR(""));
	assert_field(m, "\r\nSubject: ",
		"=?utf-8?B?eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHg=?="
		"\r\n =?utf-8?B?w7w=?=");
	subject = field(m, "\r\nSubject: ");
	assert_true(subject.len > 0);
}

TEST(a_header_cannot_be_injected)
{
	const char *m = WRITE(.subject = STR("Hi\r\nBcc: all@example.org"),
		.from_name = STR("A\r\nBcc: \"all\" <all@example.org>"), .body = STR("x"));

	assert_null(strstr(m, "Bcc"));
	assert_field(m, "\r\nSubject: ", "=?utf-8?B?SGkNCkJjYzogYWxsQGV4YW1wbGUub3Jn?=");
}

TEST(what_looks_like_an_encoded_word_is_encoded)
{
	assert_field(WRITE(.subject = STR("=?utf-8?B?SGk=?="), .body = STR("")),
		"\r\nSubject: ", "=?utf-8?B?PT91dGYtOD9CP1NHaz0/PQ==?=");
}

TEST(a_name_in_quotes_stays_there)
{
	assert_field(WRITE(.from_name = STR("A \"B\" \\ C, D"), .body = STR("")),
		"From: ", "\"A \\\"B\\\" \\\\ C, D\"\r\n <noreply@example.org>");
}

TEST(addresses_that_could_break_out_are_refused)
{
	static const char *const bad[] = { "", "a", "@b", "a@", "a@b@c", "a b@c", "a@b>", "<a@b",
		"a\r\n@b", "a@b\n", "a,b@c", "a;b@c", "\"a\"@b", "a@b\xff", "a@[1.2.3.4]",
		"a\t@b" };
	static const char *const good[] = { "a@b", "a.b+c@example.org", "\xc3\xbc@example.org",
		"o'neil@example.org", "a=b@x" };
	struct letter letter = { .from = STR("a@b"), .subject = STR("x"), .body = STR("x") };

	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		assert_true(address_is_safe(str_cstr(good[i])));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_false(address_is_safe(str_cstr(bad[i])));
		letter.to = str_cstr(bad[i]);
		buf_clear(&out);
		assert_int_equal(message_write(&letter, &out), -ERR_MALFORMED);
	}
}

TEST(a_body_has_short_lines_of_plain_characters)
{
	static const char part[] = "ab \xc3\xbc";
	char text[400 * (sizeof(part) - 1)];
	const char *m, *line;
	unsigned lines = 0;

	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = i % 1500 == 1499 ? '\n' : part[i % (sizeof(part) - 1)];
	text[1498] = text[1497] = '.'; /* or the character there would have lost its end */
	m = strstr(WRITE(.subject = STR("x"), .body = str_of(text, sizeof(text))), "\r\n\r\n");
	assert_non_null(m);
	for (line = m + 4; *line; line = strstr(line, "\r\n") + 2, lines++) {
		assert_true(strstr(line, "\r\n") - line <= 76);
		for (const char *c = line; *c != '\r'; c++)
			assert_true(*c >= ' ' && *c <= '~');
	}
	assert_in_range(lines, sizeof(text) / 76, sizeof(text) / 25);
}

TEST(what_is_special_in_quoted_printable_is_quoted)
{
	const char *m = WRITE(.subject = STR("x"),
		.body = STR("a=b\ntrailing \ttab\t\n.\n\r\ncr\rin\n\xc3\xbc\n\nFrom here"));

	assert_non_null(strstr(m, "\r\n\r\na=3Db\r\ntrailing \ttab=09\r\n.\r\n\r\ncr=0Din\r\n"
				  "=C3=BC\r\n\r\nFrom here\r\n"));
}

TEST(a_full_buffer_is_an_error)
{
	struct buf small = buf_init(600);
	char text[400];

	memset(text, 'x', sizeof(text));
	assert_int_equal(message_write(&(struct letter){ .from = STR("a@b"),
					       .to = STR("a@b"),
					       .subject = STR("x"),
					       .body = str_of(text, sizeof(text)) },
				 &small),
		-ENOBUFS);
	buf_deinit(&small);
	buf_deinit(&out);
}
