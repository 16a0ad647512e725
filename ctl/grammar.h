/* From words to a command and its arguments, by the rows of shared/commands.h. */
#pragma once

#include <stdbool.h>

#include "shared/buf.h"
#include "shared/commands.h"

#define INVOCATION_LOCALS_MAX 2

struct invocation {
	const struct command *command;
	struct buf args;     /* a JSON object, for the daemon */
	struct buf redacted; /* the words without what is secret, for the history */
	/* The ARGUMENT_LOCAL ones, in their order; NULL: not given. */
	const char *locals[INVOCATION_LOCALS_MAX];
	unsigned local_count;
	const char *subject; /* the first positional one: what the command is done to; NULL none */
	bool has_instead;    /* an ARGUMENT_INSTEAD is given: no secret is wanted */
	bool asks;           /* it wants confirmation: the command, or an argument that is given */
};

/*
 * words: NOUN [VERB] [NAME]... [--name VALUE]... With is_lenient unambiguous beginnings of nouns
 * and verbs are enough for what changes nothing: in the shell only, or a new command would break a
 * script. The words must stay. 0; -EINVAL and a sentence on standard error; then redacted is
 * nothing, or what of the words may be kept.
 */
int grammar_parse(
	int count, char *const *words, bool is_lenient, struct invocation *ret_invocation);
/* Wipes the arguments, too. */
void invocation_deinit(struct invocation *invocation);

/* One more argument, for the daemon alone. 0, -ENOBUFS, -ENOMEM. */
int invocation_add(struct invocation *invocation, const char *name, struct str value);

/* The command that the first words name and how many they are; NULL without a word about it. */
const struct command *grammar_find(int count, char *const *words, bool is_lenient, int *ret_used);

/* Cuts a line into words: spaces between, "..." and '...' around, \ before any character. How many;
 * -EINVAL: a quote is open; -E2BIG. Changes the line. */
#define GRAMMAR_WORDS_MAX 64
int grammar_split(char *line, char *words[static GRAMMAR_WORDS_MAX]);

/* "pool.list" as it is typed: "pool list". */
#define GRAMMAR_NAME_BYTES 64
const char *grammar_typed(const struct command *command, char text[static GRAMMAR_NAME_BYTES]);
