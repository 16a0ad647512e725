/*
 * How a command ended: the error codes that the daemon sends, and the exit code that authctl makes
 * of each. Both are API: never renamed, never renumbered.
 */
#pragma once

#include "shared/str.h"

enum exit_code {
	EXIT_DONE = 0,
	EXIT_REFUSED = 1,    /* the daemon refused or failed the command */
	EXIT_USAGE = 2,      /* bad command, argument, or configuration file */
	EXIT_CONNECTION = 3, /* cannot connect, or lost before the end */
	EXIT_PROTOCOL = 4,   /* another version of the protocol */
	EXIT_PARTIAL = 5,    /* some core was silent */
	EXIT_ANSWER_NO = 6,  /* asked a question, and the answer is bad */
	EXIT_UNCONFIRMED = 7,
	EXIT_PERMISSION = 8,
	EXIT_TIMEOUT = 9,
	EXIT_INTERRUPTED = 130,
	EXIT_PIPE = 141,
};

enum outcome {
	OUTCOME_OK,
	OUTCOME_BAD_FRAME,
	OUTCOME_UNKNOWN_COMMAND,
	OUTCOME_BAD_ARGUMENT,
	OUTCOME_BAD_CONFIG,
	OUTCOME_FORBIDDEN,
	OUTCOME_UNCONFIRMED, /* wants --yes */
	OUTCOME_NOT_FOUND,
	OUTCOME_CONFLICT, /* somebody else was first, or the same key came with another command */
	OUTCOME_BUSY,     /* a maximum is reached */
	OUTCOME_UNAVAILABLE,
	OUTCOME_TIMEOUT,
	OUTCOME_CANCELED,
	OUTCOME_FAILED,
	OUTCOMES
};

/* "ok", "not_found", ... */
const char *outcome_name(enum outcome outcome);
/* What authctl ends with; an unknown code of a newer daemon is a refusal. */
enum exit_code outcome_exit_code(struct str name);
