/* The table of routes is documented, and its document says what the table says. */
#include "support/test.h"

#include <stdio.h>
#include <string.h>

#include "api/openapi.h"
#include "api/routes.h"
#include "http/compress.h"

static const struct openapi_options options = { .base = STR("/v1/auth"), .password_points_min = 8 };

TEST(every_route_says_what_it_answers)
{
	for (size_t i = 0; i < routes_count; i++) {
		const struct route *route = &routes[i];

		assert_true(route->answers[0].status >= 200 && route->answers[0].status < 300);
		assert_true(strlen(route->help) > 0);
		for (unsigned j = 0; j < ROUTE_ANSWERS_MAX; j++)
			assert_true(route->answers[j].shape < SHAPES);
	}
}

TEST(fields_are_said_once_and_only_of_bodies)
{
	for (size_t i = 0; i < routes_count; i++) {
		const struct field *fields = routes[i].fields;

		assert_true(!fields || routes[i].body_bytes_max);
		for (const struct field *field = fields; field && field->name; field++) {
			assert_true(strlen(field->help) > 0);
			assert_ptr_equal(route_field(&routes[i], field->name), field);
		}
	}
}

TEST(problems_stand_in_the_order_of_their_statuses)
{
	for (unsigned i = 2; i < PROBLEMS; i++)
		assert_true(problem_row(i - 1)->status <= problem_row(i)->status);
}

TEST(an_answer_that_the_row_does_not_know_is_told)
{
	const struct route route = { .answers = { { 204, SHAPE_NONE, NULL } },
		.problems = PROBLEM_BIT(EMAIL_TAKEN) };
	struct response response = { .status = 204 };

	assert_true(route_has_answer(&route, &response));
	response.status = 200;
	assert_false(route_has_answer(&route, &response));
	response = (struct response){ .status = 409, .problem = PROBLEM_EMAIL_TAKEN };
	assert_true(route_has_answer(&route, &response));
	response = (struct response){ .status = 403, .problem = PROBLEM_FORBIDDEN };
	assert_false(route_has_answer(&route, &response));
	response = (struct response){ .status = 500, .problem = PROBLEM_INTERNAL };
	assert_true(route_has_answer(&route, &response));
}

TEST(what_a_row_has_brings_its_problems)
{
	struct route route = { .auth = AUTH_NONE };

	assert_false(route_problems(&route) & PROBLEM_BIT(STORE_UNAVAILABLE));
	assert_false(route_problems(&route) & PROBLEM_BIT(RATE_LIMITED));
	route = (struct route){ .auth = AUTH_BEARER, .limit = LIMIT_OTHER };
	assert_true(route_problems(&route) & PROBLEM_BIT(TOKEN_REVOKED));
	assert_true(route_problems(&route) & PROBLEM_BIT(RATE_LIMITED));
	route = (struct route){ .body_bytes_max = 1 };
	assert_true(route_problems(&route) & PROBLEM_BIT(LENGTH_REQUIRED));
	assert_false(route_problems(&route) & PROBLEM_BIT(VALIDATION_FAILED));
}

TEST(the_document_has_every_path_and_is_compressed_once)
{
	struct buf document = buf_init(OPENAPI_BYTES_MAX);

	static_assert(OPENAPI_BYTES_MAX <= COMPRESS_KEPT_BYTES_MAX, "kept in its coded form");
	assert_int_equal(openapi_write(&options, &document), 0);
	for (size_t i = 0; i < routes_count; i++) {
		char path[128];
		int n = snprintf(path, sizeof(path), "\"%s%s\":{",
			routes[i].is_under_base ? "/v1/auth" : "", routes[i].path);

		assert_non_null(memmem(document.data, document.len, path, (size_t)n));
	}
	buf_deinit(&document);
}

TEST(a_document_without_room_is_an_error)
{
	struct buf document = buf_init(1024);

	assert_true(openapi_write(&options, &document) < 0);
	buf_deinit(&document);
}
