/* Fuzzing configuration files: an error says where, and leaves the configuration as it was. */
#include "config/config.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "config/options.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was accepted is within the bounds of its row, and texts have their terminator. */
static void check_bounds(const struct config *config)
{
	for (size_t i = 0; i < options_count; i++) {
		const struct option *option = &options[i];
		const void *field = (const char *)config + option->offset;
		const struct config_list *list = field;
		const struct config_rate *rate = field;
		const uint64_t *number = field;

		if (option->type == OPTION_TEXT)
			assert(strnlen(field, CONFIG_TEXT_BYTES) <= option->max);
		else if (option->type == OPTION_LIST)
			assert(list->count >= option->min && list->count <= option->max);
		else if (option->type == OPTION_RATE)
			assert(!rate->window_ms ||
				(rate->count >= option->min && rate->count <= option->max));
		else if (option->type != OPTION_BOOL)
			assert(*number >= option->min && *number <= option->max);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct config config, before;
	struct buf errors = buf_init(CONFIG_ERRORS_BYTES_MAX);
	int r;

	if (size > 16384)
		return 0;
	config_defaults(&config);
	before = config;
	r = config_parse("fuzz.conf", str_of((const char *)data, size), &config, &errors);
	assert(r == 0 || r == -EINVAL);
	if (r == 0) {
		assert(errors.len == 0);
		check_bounds(&config);
	} else {
		assert(errors.len > 0 && str_starts(buf_str(&errors), STR("fuzz.conf:")));
		assert(memcmp(&config, &before, sizeof(config)) == 0);
	}
	buf_deinit(&errors);
	return 0;
}
