/* Text from outside (user names, addresses, errors of a database) made harmless for a terminal. */
#pragma once

#include <stdio.h>

#include "shared/str.h"

enum escape_flag {
	ESCAPE_KEEP_LINES = 1 << 0, /* '\n' and '\t' stay */
};

/* C0, DEL, C1 and what turns the direction of text around: as \xNN, never raw. */
void escape_print(FILE *out, struct str text, unsigned flags);
