/* Numbers with units: see duration.h. */
#include "shared/duration.h"

#include <errno.h>

#include "shared/macros.h"

int units_parse(struct str text, const struct unit *units, size_t count, uint64_t *ret_value)
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
		*ret_value = 0;
		return 0;
	}
	for (size_t i = 0; i < count; i++)
		if (str_equal(units[i].name, str_skip(text, digits)))
			return __builtin_mul_overflow(value, units[i].factor, ret_value) ? -ERANGE
											 : 0;
	return -EINVAL;
}

int duration_parse(struct str text, uint64_t *ret_ms)
{
	static const struct unit units[] = {
		{ STR("ms"), 1 },
		{ STR("s"), 1000 },
		{ STR("m"), 60 * 1000 },
		{ STR("h"), 3600 * 1000 },
		{ STR("d"), 86400 * 1000 },
	};

	return units_parse(text, units, ARRAY_SIZE(units), ret_ms);
}
