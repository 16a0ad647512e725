/* Which origins may be listed: what a browser would never send can never match. */
#include "support/test.h"

#include "api/cors.h"

TEST(an_origin_is_a_scheme_a_host_and_perhaps_a_port)
{
	assert_true(cors_is_origin(STR("https://app.example")));
	assert_true(cors_is_origin(STR("http://localhost:3000")));
	assert_true(cors_is_origin(STR("http://127.0.0.1:8080")));
	assert_true(cors_is_origin(STR("http://[::1]:8080")));
	assert_true(cors_is_origin(STR("https://[2001:db8::1]")));
}

TEST(what_no_browser_sends_is_no_origin)
{
	assert_false(cors_is_origin(STR("")));
	assert_false(cors_is_origin(STR("*")));
	assert_false(cors_is_origin(STR("null")));
	assert_false(cors_is_origin(STR("app.example")));
	assert_false(cors_is_origin(STR("https://")));
	assert_false(cors_is_origin(STR("https://:443")));
	assert_false(cors_is_origin(STR("https://app.example/")));
	assert_false(cors_is_origin(STR("https://App.example")));
	assert_false(cors_is_origin(STR("https://*.example")));
	assert_false(cors_is_origin(STR("https://a@app.example")));
	assert_false(cors_is_origin(STR("https://app.example:")));
	assert_false(cors_is_origin(STR("https://app.example:0")));
	assert_false(cors_is_origin(STR("https://app.example:123456")));
	assert_false(cors_is_origin(STR("https://[::1")));
	assert_false(cors_is_origin(STR("https://[::1]x")));
	assert_false(cors_is_origin(STR("ftp://app.example")));
}

TEST(the_default_port_is_never_written)
{
	assert_false(cors_is_origin(STR("https://app.example:443")));
	assert_false(cors_is_origin(STR("http://app.example:80")));
	assert_true(cors_is_origin(STR("https://app.example:80")));
}
