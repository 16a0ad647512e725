/* Error codes have names and sentences, ours and the system's. */
#include "support/test.h"

#include <errno.h>
#include <string.h>

#include "shared/err.h"
#include "shared/macros.h"

static const int own[] = { ERR_OVERLOADED, ERR_STORE_DOWN, ERR_CANCELED, ERR_MALFORMED,
	ERR_DRAINING };

TEST(our_codes_have_their_own_name_and_sentence)
{
	for (size_t i = 0; i < ARRAY_SIZE(own); i++) {
		assert_true(strncmp(err_name(-own[i]), "ERR_", 4) == 0);
		assert_true(strlen(err_text(-own[i])) > 0);
		for (size_t j = 0; j < i; j++) {
			assert_string_not_equal(err_name(-own[i]), err_name(-own[j]));
			assert_string_not_equal(err_text(-own[i]), err_text(-own[j]));
		}
	}
}

TEST(our_codes_are_none_of_the_system)
{
	for (size_t i = 0; i < ARRAY_SIZE(own); i++) {
		assert_true(own[i] > 4095);
		assert_null(strerrorname_np(own[i]));
	}
}

TEST(the_systems_codes_keep_their_names)
{
	assert_string_equal(err_name(-ENOMEM), "ENOMEM");
	assert_string_equal(err_text(-ENOENT), strerrordesc_np(ENOENT));
}

TEST(an_unknown_code_is_said_to_be_one)
{
	assert_string_equal(err_name(-4000), "E?");
	assert_string_equal(err_text(-4000), "unknown error");
	assert_string_equal(err_name(-ERR_BASE), "E?");
}
