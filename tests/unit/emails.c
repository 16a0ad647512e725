/* Email addresses: what folds to the same key, what is refused. */
#include "support/test.h"

#include <string.h>

#include "auth/emails.h"
#include "shared/err.h"
#include "shared/macros.h"

static const char *key_of(const char *text)
{
	static char key[EMAIL_BYTES_MAX + 1];
	struct str email;

	return email_fold(str_cstr(text), key, &email) == 0 ? key : NULL;
}

TEST(case_and_spaces_around_do_not_matter)
{
	assert_string_equal(key_of("  Ann@Example.ORG "), "ann@example.org");
}

TEST(an_internationalised_domain_has_one_key)
{
	assert_string_equal(key_of("a@b\xc3\xbc"
				   "cher.example"),
		"a@xn--bcher-kva.example");
	assert_string_equal(key_of("a@XN--BCHER-KVA.example"), "a@xn--bcher-kva.example");
}

TEST(local_parts_end_at_64_bytes)
{
	char text[128];

	memset(text, 'x', 64);
	strcpy(text + 64, "@example.org");
	assert_non_null(key_of(text));
	memset(text, 'x', 65);
	strcpy(text + 65, "@example.org");
	assert_null(key_of(text));
}

TEST(what_no_mail_could_be_sent_to_is_refused)
{
	static const char *const bad[] = { "", "@", "a@", "@b.org", "a@b", "a b@c.org",
		"a..b@c.org", ".a@c.org", "a@-b.org", "a@b..org", "a@b.org@c.org", "\"q\"@b.org",
		"a\n@b.org" };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_null(key_of(bad[i]));
}
