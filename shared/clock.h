/*
 * Time: a monotonic clock for deadlines, a wall clock for records, and RFC 3339 text. Tests set
 * both clocks by hand and never sleep. Nanoseconds (uint64_t) for the first, milliseconds since the
 * epoch (int64_t) for the second.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "shared/str.h"

#define NS_PER_US UINT64_C(1000)
#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S UINT64_C(1000000000)

/* Later than anything: "no deadline". */
#define CLOCK_NEVER UINT64_MAX

uint64_t clock_now_ns(void);
int64_t clock_wall_ms(void);
/* clock_now_ns() as it was at the kernel's last tick, milliseconds ago: several times cheaper. */
uint64_t clock_lately_ns(void);

/* now + ms, saturating below CLOCK_NEVER. */
uint64_t clock_after_ms(uint64_t now_ns, uint64_t ms);

/* For tests: freezes both clocks; clock_fake_advance_ms() moves them together. */
void clock_fake(uint64_t monotonic_ns, int64_t wall_ms);
void clock_fake_advance_ms(uint64_t ms);
void clock_fake_off(void);

/* "2026-11-24T04:39:40.120Z": 24 characters and the terminator. Years 0..9999. */
#define CLOCK_RFC3339_BYTES 25
struct str clock_rfc3339(int64_t wall_ms, char text[static CLOCK_RFC3339_BYTES]);

/* "Tue, 24 Nov 2026 04:39:40 GMT" (RFC 9110 section 5.6.7): 29 characters and the terminator. */
#define CLOCK_HTTP_BYTES 30
struct str clock_http(int64_t wall_ms, char text[static CLOCK_HTTP_BYTES]);
