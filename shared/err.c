/* Names of error codes: see err.h. */
#include "shared/err.h"

#include <string.h>

#include "shared/macros.h"

static const struct {
	int code;
	const char *name;
	const char *text;
} errors[] = {
	{ ERR_OVERLOADED, "ERR_OVERLOADED", "a bounded queue is full" },
	{ ERR_STORE_DOWN, "ERR_STORE_DOWN", "the store cannot be reached" },
	{ ERR_CANCELED, "ERR_CANCELED", "nobody waits for the result" },
	{ ERR_MALFORMED, "ERR_MALFORMED", "the input does not follow its grammar" },
	{ ERR_DRAINING, "ERR_DRAINING", "the process is shutting down" },
};

const char *err_name(int code)
{
	const char *name;

	for (size_t i = 0; i < ARRAY_SIZE(errors); i++)
		if (errors[i].code == -code)
			return errors[i].name;
	name = strerrorname_np(-code);
	return name ? name : "E?";
}

const char *err_text(int code)
{
	const char *text;

	for (size_t i = 0; i < ARRAY_SIZE(errors); i++)
		if (errors[i].code == -code)
			return errors[i].text;
	text = strerrordesc_np(-code);
	return text ? text : "unknown error";
}
