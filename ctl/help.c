/* See help.h. */
#include "ctl/help.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/grammar.h"
#include "ctl/locals.h"
#include "ctl/screen.h"
#include "ctl/settings.h"
#include "shared/macros.h"
#include "shared/outcome.h"

#define NAME_WIDTH 20 /* user reset-password */

static void print_options(FILE *out)
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
		(void)fprintf(out, "  %-24s %s\n", text, option->help);
	}
}

static void print_commands(FILE *out, const char *noun)
{
	for (unsigned i = 0; i < command_count; i++) {
		char typed[GRAMMAR_NAME_BYTES];
		size_t len = noun ? strlen(noun) : 0;

		grammar_typed(&commands[i], typed);
		if (noun && (strncmp(typed, noun, len) != 0 || (typed[len] && typed[len] != ' ')))
			continue;
		(void)fprintf(out, "  %-*s %s\n", NAME_WIDTH, typed, commands[i].help);
	}
}

static void print_all(FILE *out)
{
	(void)fputs("usage: authctl [options] NOUN VERB [NAME] [--argument VALUE]...\n"
		    "       authctl                  the shell, on a terminal\n\n",
		out);
	print_commands(out, NULL);
	(void)fputs("\nauthctl itself:\n", out);
	for (unsigned i = 0; i < local_count; i++)
		(void)fprintf(out, "  %-*s %s%s\n", NAME_WIDTH, locals[i].name, locals[i].help,
			locals[i].is_shell_only ? " (in the shell)" : "");
	(void)fputs("\noptions, anywhere in the line:\n", out);
	print_options(out);
	(void)fputs(
		"\nexit codes: 0 done, 1 refused, 2 usage, 3 no connection, 4 another protocol,\n"
		"  5 partial answer, 6 the answer is no, 7 not confirmed, 8 permission, 9 time-out,\n"
		"  130 interrupted, 141 broken pipe\n",
		out);
}

static void print_argument(FILE *out, const struct command_argument *argument)
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
	(void)fprintf(out, "  %-24s %s%s%s%s%s%s\n", text, argument->help,
		argument->choices ? ": " : "", argument->choices ? argument->choices : "",
		argument->flags & ARGUMENT_REQUIRED ? " (required)" : "",
		argument->flags & ARGUMENT_ADMIN ? " (level admin)" : "",
		argument->flags & ARGUMENT_ASKS ? " (asks, or --yes)" : "");
}

static void print_usage(FILE *out, const struct command *command, const char *typed)
{
	(void)fprintf(out, "usage: authctl %s", typed);
	for (const struct command_argument *a = command->arguments; a && a->name; a++) {
		bool is_required = a->flags & ARGUMENT_REQUIRED;

		if (!command_argument_is_word(a))
			continue;
		(void)fprintf(out, " %s%s%s%s%s", is_required ? "" : "[",
			a->flags & ARGUMENT_POSITIONAL ? "" : "--", a->name,
			a->flags & ARGUMENT_POSITIONAL || a->type == ARGUMENT_FLAG ? "" : " ...",
			is_required ? "" : "]");
	}
	(void)fputc('\n', out);
}

static void print_command(FILE *out, const struct command *command)
{
	char typed[GRAMMAR_NAME_BYTES];

	grammar_typed(command, typed);
	print_usage(out, command, typed);
	(void)fprintf(out, "\n%s. Level: %s.\n", command->help, command_level_name(command->level));
	if (command->flags & COMMAND_ASKS_NAME)
		(void)fprintf(
			out, "%s. Asks for the name, or --yes=NAME.\n", command_warning(command));
	else if (command->flags & COMMAND_ASKS)
		(void)fputs("Asks before it does it, or --yes.\n", out);
	if (command->flags & COMMAND_MUTATES)
		(void)fputs("Is written into the audit file. --dry-run checks it only.\n", out);
	if (command->arguments) {
		(void)fputs("\narguments:\n", out);
		for (const struct command_argument *a = command->arguments; a->name; a++)
			print_argument(out, a);
	}
	(void)fputs("\nfields:\n", out);
	for (const struct command_column *c = command->columns; c->name; c++)
		(void)fprintf(out, "  %-24s %s\n", c->name, c->help);
}

static bool is_noun(const char *word)
{
	size_t len = strlen(word);

	for (unsigned i = 0; i < command_count; i++)
		if (!strncmp(commands[i].name, word, len) && commands[i].name[len] == '.')
			return true;
	return false;
}

static int print_named(FILE *out, int count, char *const *words)
{
	const struct command *command;
	const struct local *local;
	int used;

	command = grammar_find(count, words, true, &used);
	local = local_find(words[0], true);
	if (command)
		print_command(out, command);
	else if (local)
		(void)fprintf(out, "usage: authctl %s %s\n\n%s.\n", local->name, local->arguments,
			local->help);
	else if (is_noun(words[0]))
		print_commands(out, words[0]);
	else
		return -ENOENT;
	return 0;
}

/* --- for a terminal --- */

/* Where what stands behind the last wide gap begins: there its other lines begin, too. */
static size_t indent_of(const char *line, size_t len)
{
	size_t indent = 2;

	for (size_t i = 2; i + 1 < len; i++)
		if (line[i] != ' ' && line[i - 1] == ' ' && line[i - 2] == ' ')
			indent = i;
	return indent;
}

static void line_wrap(FILE *out, const char *line, size_t len, size_t columns)
{
	size_t indent = indent_of(line, len), room = columns, cut;

	while (len > room) {
		for (cut = room; cut > 0 && line[cut] != ' '; cut--)
			;
		if (!cut || (room == columns && cut < indent))
			break; /* one long word */
		(void)fprintf(out, "%.*s\n%*s", (int)cut, line, (int)indent, "");
		line += cut + 1;
		len -= cut + 1;
		room = columns - MIN(indent, columns / 2);
	}
	(void)fprintf(out, "%.*s\n", (int)len, line);
}

static void text_wrap(FILE *out, const char *text)
{
	unsigned columns, lines;

	screen_size(&columns, &lines);
	while (*text) {
		size_t len = strcspn(text, "\n");

		line_wrap(out, text, len, columns ? columns : SIZE_MAX);
		text += len + (text[len] == '\n');
	}
}

int help_print(const struct settings *settings, int count, char *const *words)
{
	char *text = NULL, *wrapped = NULL;
	size_t bytes;
	FILE *out = open_memstream(&text, &bytes);
	int r = 0;

	if (!out)
		abort();
	if (count)
		r = print_named(out, count, words);
	else
		print_all(out);
	(void)fclose(out);
	out = open_memstream(&wrapped, &bytes);
	if (!out)
		abort();
	text_wrap(out, text);
	(void)fclose(out);
	if (r < 0)
		(void)fprintf(
			stderr, "authctl: no command '%s'  (authctl help lists all)\n", words[0]);
	else if (settings)
		screen_print(settings, wrapped, bytes);
	else
		(void)fwrite(wrapped, 1, bytes, stdout);
	free(text);
	free(wrapped);
	return r < 0 ? EXIT_USAGE : EXIT_DONE;
}
