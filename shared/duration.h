/* Numbers with units as people write them, above all lengths of time: 250ms, 30s, 10m, 24h, 30d. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "shared/str.h"

struct unit {
	struct str name; /* "" for a bare number */
	uint64_t factor;
};

/* "0" needs no unit. 0; -EINVAL (no number, no unit, another unit), -ERANGE. */
int units_parse(struct str text, const struct unit *units, size_t count, uint64_t *ret_value);

/* Into milliseconds. As units_parse(). */
int duration_parse(struct str text, uint64_t *ret_ms);
