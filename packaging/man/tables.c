/*
 * Prints the tables of the manual pages as mdoc, from the tables that the programs themselves use:
 * tables TEMPLATE copies the template and puts a table where it has a line `.\" @NAME@`. Runs
 * while authd is built, so the pages cannot be out of date.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/options.h"
#include "ctl/settings.h"
#include "observe/metrics.h"
#include "shared/commands.h"
#include "shared/macros.h"
#include "shared/outcome.h"

#define LINE_BYTES_MAX 4096
#define VALUE_BYTES_MAX 512
#define WORD_BYTES_MAX 256
#define LINE_COLUMNS 60 /* escapes take some more */

/*
 * As an argument of a macro or a line of text: what mdoc would take for its own is escaped. Words
 * of one or two letters may be macros, and punctuation alone is moved by mdoc.
 */
static void put(const char *text)
{
	bool is_begin = true;

	for (; *text; text++) {
		if (*text == '\\')
			(void)fputs("\\e", stdout);
		else if (*text == '"')
			(void)fputs("\\(dq", stdout);
		else if (*text == '-')
			(void)fputs("\\-", stdout);
		else if (is_begin && (*text == '.' || *text == '\''))
			(void)printf("\\&%c", *text);
		else
			(void)putchar(*text);
		is_begin = false;
	}
}

/* One argument, also when it has spaces or is a macro's name. */
static void put_quoted(const char *text)
{
	(void)fputs("\"\\&", stdout);
	put(text);
	(void)putchar('"');
}

/* A sentence of text, in lines of a length that mdoc likes. */
static void put_sentence(const char *text)
{
	size_t len = strlen(text), column = 0;
	char word[WORD_BYTES_MAX];

	for (const char *at = text; *at;) {
		size_t bytes = strcspn(at, " ");

		(void)snprintf(word, sizeof(word), "%.*s", (int)bytes, at);
		if (column)
			(void)putchar(column + bytes > LINE_COLUMNS ? '\n' : ' ');
		column = column + bytes > LINE_COLUMNS ? bytes : column + bytes + 1;
		put(word);
		at += bytes + strspn(at + bytes, " ");
	}
	(void)fputs(len && strchr(".!?", text[len - 1]) ? "\n" : ".\n", stdout);
}

/* --- authd.conf(5) --- */

static void put_allowed(const struct option *option)
{
	_cleanup_(buf_deinit) struct buf text = buf_init(VALUE_BYTES_MAX);

	if (option_print_allowed(option, &text) < 0 || buf_append_char(&text, '\0') < 0)
		exit(EXIT_FAILURE);
	if (text.len > 1) {
		(void)fputs("Allowed: ", stdout);
		put((const char *)text.data);
		(void)fputs(".\n", stdout);
	}
}

static void print_options(void)
{
	const char *section = "";

	for (size_t i = 0; i < options_count; i++) {
		const struct option *option = &options[i];

		if (strcmp(section, option->section) != 0) {
			if (*section)
				(void)puts(".El");
			section = option->section;
			(void)printf(".Ss \\(lB%s\\(rB\n.Bl -tag -width Ds\n", section);
		}
		(void)printf(".It Cm %s No = Ar ", option->key);
		put_quoted(option->type == OPTION_CHOICE ? "word" : option->unit);
		(void)putchar('\n');
		put_sentence(option->help);
		put_allowed(option);
		if (*option->fallback) {
			(void)fputs("The default is\n.Ql ", stdout);
			put(option->fallback);
			(void)fputs(" .\n", stdout);
		} else {
			(void)puts("The default is empty.");
		}
		if (option->needs_restart)
			(void)puts("A change needs a restart.");
	}
	(void)puts(".El");
}

/* --- authctl(1) --- */

static void print_settings(void)
{
	(void)puts(".Bl -tag -width Ds");
	for (unsigned i = 0; i < settings_option_count; i++) {
		const struct settings_option *option = &settings_options[i];
		bool is_optional = option->value && *option->value == '[';

		(void)fputs(".It ", stdout);
		if (*option->letter)
			(void)printf("Fl %s , ", option->letter);
		(void)fputs("Fl \\-", stdout);
		put(option->name);
		if (is_optional)
			(void)printf(" Ns Op = Ns Ar %.*s", (int)strlen(option->value) - 2,
				option->value + 1);
		else if (option->value)
			(void)printf(" Ar %s", option->value);
		(void)putchar('\n');
		put_sentence(option->help);
	}
	(void)puts(".El");
}

static void put_argument(const struct command_argument *argument)
{
	static const char *const values[] = {
		[ARGUMENT_TEXT] = "text", [ARGUMENT_NUMBER] = "number", [ARGUMENT_DURATION] = "time"
	};
	bool is_required = argument->flags & ARGUMENT_REQUIRED;

	(void)fputs(is_required ? " " : " Oo ", stdout);
	if (argument->flags & ARGUMENT_POSITIONAL) {
		(void)printf("Ar %s", argument->name);
	} else {
		(void)fputs("Fl \\-", stdout);
		put(argument->name);
		if (argument->type != ARGUMENT_FLAG)
			(void)printf(" Ar %s", values[argument->type]);
	}
	if (!is_required)
		(void)fputs(" Oc", stdout);
}

/* What each argument means, below its command. */
static void put_arguments(const struct command *command)
{
	const struct command_argument *argument = command->arguments;

	if (!argument || !argument->name)
		return;
	(void)puts(".Bl -tag -width Ds -compact");
	for (; argument->name; argument++) {
		bool is_positional = argument->flags & (ARGUMENT_POSITIONAL | ARGUMENT_SECRET);

		(void)printf(".It %s %s", is_positional ? "Ar" : "Fl", is_positional ? "" : "\\-");
		put(argument->name);
		(void)putchar('\n');
		put_sentence(argument->help);
		if (argument->choices) {
			(void)fputs("One of ", stdout);
			put(argument->choices);
			(void)puts(".");
		}
		if (argument->flags & ARGUMENT_ADMIN)
			(void)puts("Needs the level admin.");
		if (argument->flags & ARGUMENT_ASKS)
			(void)puts("Wants\n.Fl \\-yes .");
	}
	(void)puts(".El");
}

static void put_typed(const char *name)
{
	for (; *name; name++)
		(void)putchar(*name == '.' ? ' ' : *name);
}

static void put_flags(const struct command *command)
{
	(void)printf("Level: %s.\n", command_level_name(command->level));
	if (command->flags & COMMAND_ASKS)
		(void)puts("Wants\n.Fl \\-yes .");
	if (command->flags & COMMAND_ASKS_NAME) {
		(void)puts("Wants\n.Fl \\-yes Ns = Ns Ar NAME\nof its first argument.");
		put_sentence(command_warning(command));
	}
}

static void print_commands(void)
{
	(void)puts(".Bl -tag -width Ds");
	for (unsigned i = 0; i < command_count; i++) {
		const struct command_argument *argument = commands[i].arguments;

		(void)fputs(".It Ic ", stdout);
		put_typed(commands[i].name);
		for (; argument && argument->name; argument++)
			if (command_argument_is_word(argument))
				put_argument(argument);
		(void)putchar('\n');
		put_sentence(commands[i].help);
		put_flags(&commands[i]);
		put_arguments(&commands[i]);
	}
	(void)puts(".El");
}

/* --- authd-protocol(7) --- */

static void print_schemas(void)
{
	for (unsigned i = 0; i < command_count; i++) {
		const struct command_column *column = commands[i].columns;

		(void)printf(".Ss %s (%s)\n", commands[i].name, commands[i].schema);
		put_sentence(commands[i].help);
		if (!column || !column->name)
			continue;
		(void)puts(".Bl -column -compact \"generation_unconfirmed\" \"integer\" \"x\"");
		for (; column->name; column++) {
			(void)printf(
				".It %s Ta %s Ta ", column->name, column_type_name(column->type));
			put_quoted(column->help);
			(void)putchar('\n');
		}
		(void)puts(".El");
	}
}

static void print_outcomes(void)
{
	(void)puts(".Bl -column \"unknown_command\" \"exit code\"\n.It Sy code Ta Sy exit code");
	for (enum outcome i = OUTCOME_OK; i < OUTCOMES; i++)
		(void)printf(".It %s Ta %d\n", outcome_name(i),
			(int)outcome_exit_code(str_cstr(outcome_name(i))));
	(void)puts(".El");
}

/* --- authd-metrics(7) --- */

static void print_metrics(void)
{
	(void)puts(".Bl -tag -width Ds");
	for (enum metric i = 0; i < METRICS; i++) {
		const struct metric_row *row = &metrics[i];

		(void)printf(".It Sy %s Pq %s", row->name, metric_type_name(row->type));
		(void)putchar('\n');
		put_sentence(row->help);
		put_sentence(row->reading);
		for (unsigned j = 0; j < METRIC_LABELS_MAX && row->labels[j]; j++)
			(void)printf("%s%s", j ? ", " : "Labels: ", row->labels[j]);
		if (row->labels[0])
			(void)puts(".");
	}
	(void)puts(".El");
}

static const struct {
	const char *line;
	void (*print)(void);
} tables[] = {
	{ ".\\\" @options@\n", print_options },
	{ ".\\\" @settings@\n", print_settings },
	{ ".\\\" @commands@\n", print_commands },
	{ ".\\\" @schemas@\n", print_schemas },
	{ ".\\\" @outcomes@\n", print_outcomes },
	{ ".\\\" @metrics@\n", print_metrics },
};

static void copy(const char *line)
{
	for (size_t i = 0; i < ARRAY_SIZE(tables); i++)
		if (!strcmp(line, tables[i].line)) {
			tables[i].print();
			return;
		}
	(void)fputs(line, stdout);
}

int main(int argc, char **argv)
{
	FILE *file = argc == 2 ? fopen(argv[1], "re") : NULL;
	char line[LINE_BYTES_MAX];

	if (!file) {
		(void)fputs("usage: tables TEMPLATE\n", stderr);
		return EXIT_FAILURE;
	}
	while (fgets(line, sizeof(line), file))
		copy(line);
	(void)fclose(file);
	return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
