/* The table of outcomes: see outcome.h. */
#include "shared/outcome.h"

static const struct {
	const char *name;
	enum exit_code code;
} outcomes[OUTCOMES] = {
	[OUTCOME_OK] = { "ok", EXIT_DONE },
	[OUTCOME_BAD_FRAME] = { "bad_frame", EXIT_PROTOCOL },
	[OUTCOME_UNKNOWN_COMMAND] = { "unknown_command", EXIT_USAGE },
	[OUTCOME_BAD_ARGUMENT] = { "bad_argument", EXIT_USAGE },
	[OUTCOME_BAD_CONFIG] = { "bad_config", EXIT_USAGE },
	[OUTCOME_FORBIDDEN] = { "forbidden", EXIT_PERMISSION },
	[OUTCOME_UNCONFIRMED] = { "unconfirmed", EXIT_UNCONFIRMED },
	[OUTCOME_NOT_FOUND] = { "not_found", EXIT_REFUSED },
	[OUTCOME_CONFLICT] = { "conflict", EXIT_REFUSED },
	[OUTCOME_BUSY] = { "busy", EXIT_REFUSED },
	[OUTCOME_UNAVAILABLE] = { "unavailable", EXIT_REFUSED },
	[OUTCOME_TIMEOUT] = { "timeout", EXIT_TIMEOUT },
	[OUTCOME_CANCELED] = { "canceled", EXIT_INTERRUPTED },
	[OUTCOME_FAILED] = { "failed", EXIT_REFUSED },
};

const char *outcome_name(enum outcome outcome)
{
	return outcomes[outcome].name;
}

enum exit_code outcome_exit_code(struct str name)
{
	for (enum outcome outcome = 0; outcome < OUTCOMES; outcome++)
		if (str_equal(name, str_cstr(outcomes[outcome].name)))
			return outcomes[outcome].code;
	return EXIT_REFUSED;
}
