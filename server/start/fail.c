/* Sentences on standard error: see fail.h. */
#include "start/fail.h"

#include <stdio.h>

#include "shared/err.h"

int fail(const char *what, int error, const char *why)
{
	(void)fprintf(stderr, "authd: %s: %s\n", what, why && *why ? why : err_text(error));
	return error;
}
