/* Accept-Encoding: weights, wildcards, and what cannot be read. */
#include "support/test.h"

#include "http/accept.h"
#include "shared/macros.h"

static enum coding choose(const char *value)
{
	struct accept_codings accept;

	accept_init(&accept);
	if (value)
		accept_add(&accept, str_cstr(value));
	return accept_choose(&accept);
}

struct row {
	const char *value;
	enum coding coding;
};

static void check(const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		enum coding coding = choose(rows[i].value);

		if (coding != rows[i].coding)
			fail_msg("\"%s\" gave %s", rows[i].value, coding_name(coding).data);
	}
}
#define CHECK(...)                                                                                 \
	check((const struct row[]){ __VA_ARGS__ },                                                 \
		ARRAY_SIZE(((const struct row[]){ __VA_ARGS__ })))

TEST(who_says_nothing_gets_the_body_as_it_is)
{
	CHECK({ NULL, CODING_IDENTITY }, { "", CODING_IDENTITY }, { " , ,", CODING_IDENTITY });
}

TEST(the_coding_that_is_asked_for_is_used)
{
	CHECK({ "gzip", CODING_GZIP }, { "zstd", CODING_ZSTD }, { "GZip", CODING_GZIP },
		{ "x-gzip", CODING_GZIP }, { "br", CODING_IDENTITY }, { "br, gzip", CODING_GZIP },
		{ "gzip, deflate, br, zstd", CODING_ZSTD }, { "identity", CODING_IDENTITY },
		{ "gzipp", CODING_IDENTITY }, { "gzi", CODING_IDENTITY });
}

TEST(weights_decide)
{
	CHECK({ "gzip;q=1.0, zstd;q=0.5", CODING_GZIP },
		{ "gzip;q=0.5, zstd;q=0.501", CODING_ZSTD },
		{ "zstd;q=0.001, gzip;q=0.002", CODING_GZIP },
		{ "gzip;q=0.5, identity;q=0.8", CODING_IDENTITY },
		{ "gzip;q=0.8, identity;q=0.8", CODING_GZIP }, { "gzip;q=0.001", CODING_GZIP });
}

TEST(a_weight_of_nothing_forbids)
{
	CHECK({ "gzip;q=0", CODING_IDENTITY }, { "gzip;q=0.000", CODING_IDENTITY },
		{ "zstd;q=0, gzip", CODING_GZIP }, { "identity;q=0", CODING_IDENTITY },
		{ "identity;q=0, gzip;q=0.1", CODING_GZIP }, { "*;q=0", CODING_IDENTITY },
		{ "*;q=0, gzip", CODING_GZIP });
}

TEST(the_star_stands_for_all_that_are_not_named)
{
	CHECK({ "*", CODING_ZSTD }, { "zstd;q=0, *", CODING_GZIP },
		{ "gzip;q=0.5, *;q=0.8", CODING_ZSTD }, { "gzip;q=0.8, *;q=0.5", CODING_GZIP },
		{ "gzip;q=0, zstd;q=0, *", CODING_IDENTITY });
}

TEST(white_space_and_case_are_as_the_rfc_allows)
{
	CHECK({ " gzip ; q=0.5 ,\tzstd ;\tQ=0.4", CODING_GZIP }, { "gzip;Q=1", CODING_GZIP },
		{ "gzip;q= 1", CODING_IDENTITY }, { "gzip;q =1", CODING_IDENTITY });
}

TEST(a_weight_that_cannot_be_read_counts_as_unwanted)
{
	CHECK({ "gzip;q=", CODING_IDENTITY }, { "gzip;q=2", CODING_IDENTITY },
		{ "gzip;q=1.001", CODING_IDENTITY }, { "gzip;q=0.0001", CODING_IDENTITY },
		{ "gzip;q=-1", CODING_IDENTITY }, { "gzip;q=.5", CODING_IDENTITY },
		{ "gzip;q=0,5", CODING_IDENTITY }, { "gzip;", CODING_IDENTITY },
		{ "gzip;level=9", CODING_IDENTITY }, { "gzip;q=1;q=1", CODING_IDENTITY },
		{ "gzip;q=1x", CODING_IDENTITY }, { "gzip;q=00.5", CODING_IDENTITY },
		{ "gzip;q=1.", CODING_GZIP }, { "gzip;q=0.", CODING_IDENTITY },
		{ "gzip;q=1.000", CODING_GZIP }, { "gzip;q=x, zstd", CODING_ZSTD });
}

TEST(several_fields_are_one_list)
{
	struct accept_codings accept;

	accept_init(&accept);
	accept_add(&accept, STR("gzip;q=0.5"));
	accept_add(&accept, STR("zstd;q=0.4"));
	assert_int_equal(accept_choose(&accept), CODING_GZIP);
	accept_add(&accept, STR("gzip;q=0.3"));
	assert_int_equal(accept_choose(&accept), CODING_ZSTD);
}
