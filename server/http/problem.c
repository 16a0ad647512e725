/* The table of errors: see problem.h. */
#include "http/problem.h"

#include <assert.h>
#include <errno.h>

#include "shared/err.h"

/* clang-format off */
static const struct problem_row rows[PROBLEMS] = {
	[PROBLEM_NONE] = { 200, "OK", "OK" },
	[PROBLEM_MALFORMED_REQUEST] = { 400, "MALFORMED_REQUEST", "The request does not follow HTTP" },
	[PROBLEM_MALFORMED_JSON] = { 400, "MALFORMED_JSON", "The body is not a JSON object" },
	[PROBLEM_INVALID_CREDENTIALS] = { 401, "INVALID_CREDENTIALS", "Email or password is wrong" },
	[PROBLEM_INVALID_TOKEN] = { 401, "INVALID_TOKEN", "The token is missing or not valid" },
	[PROBLEM_TOKEN_EXPIRED] = { 401, "TOKEN_EXPIRED", "The token has expired" },
	[PROBLEM_TOKEN_REVOKED] = { 401, "TOKEN_REVOKED", "The session of this token has ended" },
	[PROBLEM_ACCOUNT_SUSPENDED] = { 403, "ACCOUNT_SUSPENDED", "This account is suspended" },
	[PROBLEM_EMAIL_NOT_VERIFIED] = { 403, "EMAIL_NOT_VERIFIED", "The email address is not verified yet" },
	[PROBLEM_FORBIDDEN] = { 403, "FORBIDDEN", "This is not allowed" },
	[PROBLEM_NOT_FOUND] = { 404, "NOT_FOUND", "There is nothing here" },
	[PROBLEM_METHOD_NOT_ALLOWED] = { 405, "METHOD_NOT_ALLOWED", "This method is not served here" },
	[PROBLEM_REQUEST_TIMEOUT] = { 408, "REQUEST_TIMEOUT", "Request took too long to process" },
	[PROBLEM_EMAIL_TAKEN] = { 409, "EMAIL_TAKEN", "An account with this email exists" },
	[PROBLEM_LENGTH_REQUIRED] = { 411, "LENGTH_REQUIRED", "The request needs a body with a length" },
	[PROBLEM_BODY_TOO_LARGE] = { 413, "BODY_TOO_LARGE", "The body is too large" },
	[PROBLEM_URI_TOO_LONG] = { 414, "URI_TOO_LONG", "The request target is too long" },
	[PROBLEM_UNSUPPORTED_MEDIA_TYPE] = { 415, "UNSUPPORTED_MEDIA_TYPE", "The body must be application/json" },
	[PROBLEM_EXPECTATION_FAILED] = { 417, "EXPECTATION_FAILED", "Only 100-continue can be expected" },
	[PROBLEM_VALIDATION_FAILED] = { 422, "VALIDATION_FAILED", "A field is not valid" },
	[PROBLEM_TOO_MANY_ATTEMPTS] = { 429, "TOO_MANY_ATTEMPTS", "Too many failed attempts, try again later" },
	[PROBLEM_RATE_LIMITED] = { 429, "RATE_LIMITED", "Too many requests, try again later" },
	[PROBLEM_HEADERS_TOO_LARGE] = { 431, "HEADERS_TOO_LARGE", "The header fields are too large" },
	[PROBLEM_INTERNAL] = { 500, "INTERNAL", "Something went wrong on our side" },
	[PROBLEM_NOT_IMPLEMENTED] = { 501, "NOT_IMPLEMENTED", "This method or transfer coding is not known here" },
	[PROBLEM_SERVICE_UNAVAILABLE] = { 503, "SERVICE_UNAVAILABLE", "Server is overloaded" },
	[PROBLEM_STORE_UNAVAILABLE] = { 503, "STORE_UNAVAILABLE", "Service temporarily unavailable" },
	[PROBLEM_VERSION_NOT_SUPPORTED] = { 505, "VERSION_NOT_SUPPORTED", "Only HTTP/1.0 and HTTP/1.1 are spoken" },
};
/* clang-format on */

const struct problem_row *problem_row(enum problem problem)
{
	assert(problem < PROBLEMS);
	return &rows[problem];
}

enum problem problem_of_error(int error)
{
	switch (-error) {
	case ERR_OVERLOADED:
	case ERR_DRAINING:
	case ERR_CANCELED:
	case ETIMEDOUT:
		return PROBLEM_SERVICE_UNAVAILABLE;
	case ERR_STORE_DOWN:
		return PROBLEM_STORE_UNAVAILABLE;
	default:
		return PROBLEM_INTERNAL;
	}
}
