/* See help.h. */
#include "ctl/help.h"

#include <stdio.h>
#include <string.h>

#include "ctl/grammar.h"
#include "ctl/locals.h"
#include "ctl/settings.h"
#include "shared/outcome.h"

#define NAME_WIDTH 20 /* user reset-password */

static void print_options(void)
{
	for (unsigned i = 0; i < settings_option_count; i++) {
		const struct settings_option *option = &settings_options[i];
		bool is_optional = option->value && *option->value == '[';
		char text[64];

		(void)snprintf(text, sizeof(text), "%s%s%s--%s%s%s", *option->letter ? "-" : "  ",
			option->letter, *option->letter ? ", " : "  ", option->name,
			option->value && !is_optional ? " "
			: is_optional                 ? "[="
						      : "",
			option->value ? option->value + is_optional : "");
		(void)printf("  %-24s %s\n", text, option->help);
	}
}

static void print_commands(const char *noun)
{
	for (unsigned i = 0; i < command_count; i++) {
		char typed[GRAMMAR_NAME_BYTES];
		size_t len = noun ? strlen(noun) : 0;

		grammar_typed(&commands[i], typed);
		if (noun && (strncmp(typed, noun, len) != 0 || (typed[len] && typed[len] != ' ')))
			continue;
		(void)printf("  %-*s %s\n", NAME_WIDTH, typed, commands[i].help);
	}
}

static void print_all(void)
{
	(void)puts("usage: authctl [options] NOUN VERB [NAME] [--argument VALUE]...\n"
		   "       authctl                  the shell, on a terminal\n");
	print_commands(NULL);
	(void)puts("\nauthctl itself:");
	for (unsigned i = 0; i < local_count; i++)
		(void)printf("  %-*s %s%s\n", NAME_WIDTH, locals[i].name, locals[i].help,
			locals[i].is_shell_only ? " (in the shell)" : "");
	(void)puts("\noptions, anywhere in the line:");
	print_options();
	(void)puts(
		"\nexit codes: 0 done, 1 refused, 2 usage, 3 no connection, 4 another protocol,\n"
		"  5 partial answer, 6 the answer is no, 7 not confirmed, 8 permission, 9 time-out,\n"
		"  130 interrupted, 141 broken pipe");
}

static void print_argument(const struct command_argument *argument)
{
	char text[64];

	if (argument->flags & (ARGUMENT_POSITIONAL | ARGUMENT_SECRET))
		(void)snprintf(text, sizeof(text), "%s", argument->name);
	else
		(void)snprintf(text, sizeof(text), "--%s%s", argument->name,
			argument->type == ARGUMENT_FLAG       ? ""
			: argument->type == ARGUMENT_DURATION ? " TIME"
			: argument->type == ARGUMENT_NUMBER   ? " N"
							      : " TEXT");
	(void)printf("  %-24s %s%s%s%s\n", text, argument->help, argument->choices ? ": " : "",
		argument->choices ? argument->choices : "",
		argument->flags & ARGUMENT_REQUIRED ? " (required)" : "");
}

static void print_usage(const struct command *command, const char *typed)
{
	(void)printf("usage: authctl %s", typed);
	for (const struct command_argument *a = command->arguments; a && a->name; a++) {
		bool is_required = a->flags & ARGUMENT_REQUIRED;

		if (!command_argument_is_word(a))
			continue;
		(void)printf(" %s%s%s%s%s", is_required ? "" : "[",
			a->flags & ARGUMENT_POSITIONAL ? "" : "--", a->name,
			a->flags & ARGUMENT_POSITIONAL || a->type == ARGUMENT_FLAG ? "" : " ...",
			is_required ? "" : "]");
	}
	(void)putchar('\n');
}

static void print_command(const struct command *command)
{
	char typed[GRAMMAR_NAME_BYTES];

	grammar_typed(command, typed);
	print_usage(command, typed);
	(void)printf("\n%s. Level: %s.\n", command->help, command_level_name(command->level));
	if (command->flags & COMMAND_ASKS_NAME)
		(void)puts("Cannot be undone: asks for the name, or --yes=NAME.");
	else if (command->flags & COMMAND_ASKS)
		(void)puts("Asks before it does it, or --yes.");
	if (command->flags & COMMAND_MUTATES)
		(void)puts("Is written into the audit file. --dry-run checks it only.");
	if (command->arguments) {
		(void)puts("\narguments:");
		for (const struct command_argument *a = command->arguments; a->name; a++)
			print_argument(a);
	}
	(void)puts("\nfields:");
	for (const struct command_column *c = command->columns; c->name; c++)
		(void)printf("  %-24s %s\n", c->name, c->help);
}

static bool is_noun(const char *word)
{
	size_t len = strlen(word);

	for (unsigned i = 0; i < command_count; i++)
		if (!strncmp(commands[i].name, word, len) && commands[i].name[len] == '.')
			return true;
	return false;
}

int help_print(int count, char *const *words)
{
	const struct command *command;
	const struct local *local;
	int used;

	if (!count) {
		print_all();
		return EXIT_DONE;
	}
	command = grammar_find(count, words, true, &used);
	local = local_find(words[0], true);
	if (command)
		print_command(command);
	else if (local)
		(void)printf("usage: authctl %s %s\n\n%s.\n", local->name, local->arguments,
			local->help);
	else if (is_noun(words[0]))
		print_commands(words[0]);
	else {
		(void)fprintf(
			stderr, "authctl: no command '%s'  (authctl help lists all)\n", words[0]);
		return EXIT_USAGE;
	}
	return EXIT_DONE;
}
