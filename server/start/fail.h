/* How the start of a part ends badly: a sentence for whoever started authd. */
#pragma once

/* "authd: what: why" on standard error; without why (NULL or "") the error's own words. Returns the
 * error. */
int fail(const char *what, int error, const char *why);
