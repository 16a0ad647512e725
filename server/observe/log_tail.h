/* The lines that were written last, for whoever reads along: log.h has its readers' side. Private
 * to the log. */
#pragma once

#include "shared/str.h"

/* The writer: whole lines. */
void log_tail_add(struct str lines, uint64_t count);
