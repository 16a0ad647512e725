/*
 * Path patterns of routes: "/sessions/{id}". One part of a pattern may be {id}, which stands for
 * the id of a record. Matching compares bytes where they are: nothing is decoded, copied or
 * allocated.
 */
#pragma once

#include <stdbool.h>

#include "shared/str.h"

#define PATH_ID_BYTES_MAX 64 /* that of the store */

/*
 * Does the path follow the pattern? Then *ret_id is the part that stands for {id}, borrowed from
 * the path, or "" when the pattern has none. An id is 1..PATH_ID_BYTES_MAX of A-Z a-z 0-9 - . _ ~,
 * which nobody has to escape (RFC 3986 section 2.3): with anything else the path is nothing.
 */
bool path_match(struct str pattern, struct str path, struct str *ret_id);
