/*
 * THE table of errors that a client can be told: status, stable code, sentence. Some rows are about
 * accounts, of which http/ knows nothing else: the codes are one published vocabulary, and one
 * table keeps it consistent.
 */
#pragma once

enum problem {
	PROBLEM_NONE,
	PROBLEM_MALFORMED_REQUEST,
	PROBLEM_MALFORMED_JSON,
	PROBLEM_INVALID_CREDENTIALS,
	PROBLEM_INVALID_TOKEN,
	PROBLEM_TOKEN_EXPIRED,
	PROBLEM_TOKEN_REVOKED,
	PROBLEM_ACCOUNT_SUSPENDED,
	PROBLEM_EMAIL_NOT_VERIFIED,
	PROBLEM_FORBIDDEN,
	PROBLEM_NOT_FOUND,
	PROBLEM_METHOD_NOT_ALLOWED,
	PROBLEM_REQUEST_TIMEOUT,
	PROBLEM_EMAIL_TAKEN,
	PROBLEM_LENGTH_REQUIRED,
	PROBLEM_BODY_TOO_LARGE,
	PROBLEM_URI_TOO_LONG,
	PROBLEM_UNSUPPORTED_MEDIA_TYPE,
	PROBLEM_EXPECTATION_FAILED,
	PROBLEM_VALIDATION_FAILED,
	PROBLEM_TOO_MANY_ATTEMPTS,
	PROBLEM_RATE_LIMITED,
	PROBLEM_HEADERS_TOO_LARGE,
	PROBLEM_INTERNAL,
	PROBLEM_NOT_IMPLEMENTED,
	PROBLEM_SERVICE_UNAVAILABLE,
	PROBLEM_STORE_UNAVAILABLE,
	PROBLEM_VERSION_NOT_SUPPORTED,
	PROBLEMS
};

struct problem_row {
	unsigned short status;
	const char *code;    /* UPPER_SNAKE, never renamed */
	const char *message; /* one sentence for people */
};

const struct problem_row *problem_row(enum problem problem);

/* Which problem a failed call (negative errno or shared/err.h code) is to the client. */
enum problem problem_of_error(int error);
