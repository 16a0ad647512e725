/*
 * Which llhttp runs: the one that looks at sixteen bytes of a field at a time, or the plain one.
 * Only where llhttp is built from its sources for x86-64; else there is no choice. Next:
 * llhttp_cpu.c, and parser.c, which uses whichever it is.
 */
#pragma once

#include <stdbool.h>

#ifdef HAVE_LLHTTP_SSE42
/* For tests, which try both: the plain one though the processor could do better. Of all threads. */
void llhttp_plain_set(bool is_plain);
#else
static inline void llhttp_plain_set(bool is_plain)
{
	(void)is_plain;
}
#endif
