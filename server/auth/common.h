/*
 * Passwords that are tried first by whoever guesses (NIST SP 800-63B-4 section 3.1.1.2): the list
 * that is built in (data/README.md) and one of the operator's own.
 */
#pragma once

#include <stdbool.h>

#include "shared/str.h"

#define COMMON_LIST_BYTES_MAX (16 * 1024 * 1024) /* a million passwords; it is kept in memory */

/*
 * Reads the operator's list, one password a line in UTF-8, and uses it beside the built-in one; ""
 * for none. Before the cores start. 0; -EINVAL and the line in *ret_line (0: none); -EFBIG;
 * -ENOMEM; -errno of the file.
 */
int common_load(const char *path, unsigned *ret_line);
void common_unload(void); /* after the cores */

/* Is it on a list? Of a folded password (unicode_fold()); about half a microsecond. */
bool common_has(struct str folded);
