/*
 * Static tracepoints (USDT) for bpftrace, perf and SystemTap: one nop each until somebody attaches,
 * and nothing at all where sys/sdt.h is not there. Their names and arguments are an interface:
 * packaging/bpftrace/README.md is the list. Never a value of a client's.
 */
#pragma once

#ifdef HAVE_SDT
#include <sys/sdt.h>

#define PROBE1(name, a) DTRACE_PROBE1(authd, name, a)
#define PROBE2(name, a, b) DTRACE_PROBE2(authd, name, a, b)
#define PROBE3(name, a, b, c) DTRACE_PROBE3(authd, name, a, b, c)
#define PROBE4(name, a, b, c, d) DTRACE_PROBE4(authd, name, a, b, c, d)
#else
#define PROBE1(name, a) ((void)(a))
#define PROBE2(name, a, b) ((void)(a), (void)(b))
#define PROBE3(name, a, b, c) ((void)(a), (void)(b), (void)(c))
#define PROBE4(name, a, b, c, d) ((void)(a), (void)(b), (void)(c), (void)(d))
#endif
