/* Lengths of time: see duration.h. */
#include "shared/duration.h"

#include <errno.h>

#include "shared/macros.h"

static const struct {
	struct str name;
	uint64_t ms;
} units[] = {
	{ STR("ms"), 1 },
	{ STR("s"), 1000 },
	{ STR("m"), 60 * 1000 },
	{ STR("h"), 3600 * 1000 },
	{ STR("d"), 86400 * 1000 },
};

int duration_parse(struct str text, uint64_t *ret_ms)
{
	size_t digits = 0;
	uint64_t value;
	int r;

	while (digits < text.len && text.data[digits] >= '0' && text.data[digits] <= '9')
		digits++;
	r = str_to_u64(str_of(text.data, digits), &value);
	if (r < 0)
		return r;
	if (value == 0 && digits == text.len) { /* nothing is nothing in every unit */
		*ret_ms = 0;
		return 0;
	}
	for (size_t i = 0; i < ARRAY_SIZE(units); i++)
		if (str_equal(units[i].name, str_skip(text, digits)))
			return __builtin_mul_overflow(value, units[i].ms, ret_ms) ? -ERANGE : 0;
	return -EINVAL;
}
