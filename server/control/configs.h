/* Options as rows of an answer: for configs.c and overrides.c. */
#pragma once

#include "config/options.h"
#include "control/request.h"

/* The longest value, a full list, as text. */
#define VALUE_BYTES_MAX (CONFIG_LISTEN_MAX * CONFIG_TEXT_BYTES + 64)

void option_row(struct control_request *request, const struct option *option);
void option_put_value(struct json_writer *w, const char *key, const struct option *option,
	const struct config *config);
/* There is none of that name: the request fails and says which may have been meant. */
void option_unknown(struct control_request *request, struct str name);
