/* Lengths of time as people write them: 250ms, 30s, 10m, 24h, 30d. Kept in milliseconds. */
#pragma once

#include <stdint.h>

#include "shared/str.h"

/* "0" needs no unit. 0; -EINVAL (no number, no unit, another unit), -ERANGE. */
int duration_parse(struct str text, uint64_t *ret_ms);
