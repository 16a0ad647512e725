/* From words to a command and its arguments, by the rows of shared/commands.h. */
#pragma once

#include "shared/buf.h"
#include "shared/commands.h"

/*
 * words: NOUN [VERB] [--name VALUE]... Appends the arguments as a JSON object to args. 0; -EINVAL
 * and a sentence on stderr.
 */
int grammar_parse(
	int count, char *const *words, const struct command **ret_command, struct buf *args);

/* Every command with its help line. */
void grammar_help(void);
