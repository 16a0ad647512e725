/*
 * mem diff: two dumps of mem profile (jemalloc's heap_v2 format), and what has grown between them,
 * by who allocated it. Runs in authctl alone: no daemon is asked.
 */
#pragma once

#include "ctl/grammar.h"
#include "ctl/output.h"

/* Prints the rows of mem.diff. An exit code. */
int heapdiff_run(const struct settings *settings, const struct invocation *invocation);
