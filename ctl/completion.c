/*
 * See completion.h. The scripts know nouns, verbs, arguments and choices by heart; live names they
 * ask the daemon for, with a deadline of 150 ms.
 */
#include "ctl/completion.h"

#include <stdio.h>
#include <string.h>

#include "ctl/complete.h"
#include "ctl/grammar.h"
#include "ctl/locals.h"
#include "ctl/settings.h"
#include "shared/outcome.h"

static void print_words(const char *choices)
{
	for (; *choices; choices++)
		(void)putchar(*choices == '|' ? ' ' : *choices);
}

/* "pool.list:pool" as a call: authctl ... -o value -F pool pool list. `typed` is what the shell
 * calls the word that is being typed. */
static void print_names_call(const char *names, const char *typed)
{
	const char *colon = strchr(names, ':');
	const struct command *command = command_find(str_of(names, (size_t)(colon - names)));

	(void)printf("authctl --timeout 0.15 -q -o value -F %s ", colon + 1);
	for (const char *at = names; at < colon; at++)
		(void)putchar(*at == '.' ? ' ' : *at);
	if (command_argument_find(command, STR("prefix")))
		(void)printf(" --limit %d --prefix=%s", COMPLETE_NAMES_MAX, typed);
	(void)fputs(" 2>/dev/null", stdout);
}

/* Has an earlier command the same noun? */
static bool is_noun_repeated(unsigned index)
{
	size_t len = strcspn(commands[index].name, ".");

	for (unsigned i = 0; i < index; i++)
		if (strcspn(commands[i].name, ".") == len &&
			!strncmp(commands[i].name, commands[index].name, len))
			return true;
	return false;
}

static void print_nouns(void)
{
	for (unsigned i = 0; i < command_count; i++)
		if (!is_noun_repeated(i))
			(void)printf(
				"%.*s ", (int)strcspn(commands[i].name, "."), commands[i].name);
	for (unsigned i = 0; i < local_count; i++)
		if (!locals[i].is_shell_only)
			(void)printf("%s ", locals[i].name);
}

static void print_verbs(const char *noun, size_t len)
{
	for (unsigned i = 0; i < command_count; i++)
		if (!strncmp(commands[i].name, noun, len) && commands[i].name[len] == '.')
			(void)printf("%s ", commands[i].name + len + 1);
}

static void print_flags(const struct command *command)
{
	for (const struct command_argument *a = command->arguments; a && a->name; a++)
		if (!(a->flags & ARGUMENT_POSITIONAL) && command_argument_is_word(a))
			(void)printf("--%s ", a->name);
}

static void print_globals(void)
{
	for (unsigned i = 0; i < settings_option_count; i++)
		(void)printf("--%s ", settings_options[i].name);
}

/* What may stand in the place of a value: `case` branches of "command argument". */
static void print_value_cases(const char *format)
{
	char typed[GRAMMAR_NAME_BYTES];

	for (unsigned i = 0; i < command_count; i++)
		for (const struct command_argument *a = commands[i].arguments; a && a->name; a++) {
			bool is_file = a->flags & (ARGUMENT_CONTENT | ARGUMENT_LOCAL);

			if (!a->choices && !a->names && !is_file)
				continue;
			(void)printf("\t\t'%s %s%s') ", grammar_typed(&commands[i], typed),
				a->flags & ARGUMENT_POSITIONAL ? "" : "--",
				a->flags & ARGUMENT_POSITIONAL ? "NAME" : a->name);
			if (a->choices) {
				(void)printf(format, "");
				print_words(a->choices);
				(void)puts("' ;;");
			} else if (is_file) {
				(void)puts("words=$(compgen -f -- \"$cur\") ;;");
			} else {
				(void)fputs("words=$(", stdout);
				print_names_call(a->names, "\"$cur\"");
				(void)puts(") ;;");
			}
		}
}

static void print_common_cases(void)
{
	(void)puts("\tcase $command in");
	for (unsigned i = 0; i < command_count; i++) {
		char typed[GRAMMAR_NAME_BYTES];

		(void)printf("\t'%s') flags='", grammar_typed(&commands[i], typed));
		print_flags(&commands[i]);
		(void)puts("' ;;");
	}
	(void)puts("\tesac\n\tcase \"$command $place\" in");
	print_value_cases("words='%s");
	(void)puts("\tesac");
}

/* Options of authctl with fixed values. */
static void print_setting_cases(void)
{
	for (unsigned i = 0; i < settings_option_count; i++) {
		const struct settings_option *option = &settings_options[i];

		if (!option->choices)
			continue;
		(void)printf("\t\t--%s%s%s) words='", option->name, *option->letter ? "|-" : "",
			option->letter);
		print_words(option->choices);
		(void)puts("' ;;");
	}
	(void)puts("\t\t--socket|--file|-f|--secret-file) words=$(compgen -f -- \"$cur\") ;;");
}

/* Options whose value is the next word, as a pattern of `case`. */
static void print_settings_with_values(void)
{
	bool is_first = true;

	for (unsigned i = 0; i < settings_option_count; i++) {
		const struct settings_option *option = &settings_options[i];

		if (!option->value || *option->value == '[')
			continue;
		(void)printf("%s--%s%s%s", is_first ? "" : "|", option->name,
			*option->letter ? "|-" : "", option->letter);
		is_first = false;
	}
}

static void print_verb_cases(void)
{
	(void)puts("\t\tcase $noun in");
	for (unsigned i = 0; i < command_count; i++) {
		size_t len = strcspn(commands[i].name, ".");

		if (is_noun_repeated(i) || !commands[i].name[len])
			continue;
		(void)printf("\t\t%.*s) words='", (int)len, commands[i].name);
		print_verbs(commands[i].name, len);
		(void)puts("' ;;");
	}
	(void)puts("\t\tcompletion) words='bash zsh fish' ;;\n\t\tesac");
}

/* Bash and zsh (by bashcompinit) run the same function. */
static void print_function(void)
{
	(void)puts("_authctl() {\n"
		   "\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n"
		   "\tlocal noun='' verb='' command='' place=NAME flags='' words='' i word");
	(void)fputs("\tlocal singles=' ", stdout);
	for (unsigned i = 0; i < command_count; i++)
		if (!strchr(commands[i].name, '.'))
			(void)printf("%s ", commands[i].name);
	(void)puts("'\n\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
		   "\t\tword=${COMP_WORDS[i]}\n"
		   "\t\tcase $word in");
	(void)fputs("\t\t", stdout);
	print_settings_with_values();
	(void)puts(") ((i++)) ;;\n"
		   "\t\t-*) ;;\n"
		   "\t\t*) if [[ -z $noun ]]; then noun=$word; elif [[ -z $verb ]]; then "
		   "verb=$word; fi ;;\n"
		   "\t\tesac\n"
		   "\tdone\n"
		   "\tif [[ $singles == *\" $noun \"* ]]; then command=$noun; else "
		   "command=\"$noun $verb\"; fi\n"
		   "\t[[ $prev == --* ]] && place=$prev\n"
		   "\tcase $prev in");
	print_setting_cases();
	(void)puts("\tesac");
	print_common_cases();
	(void)fputs("\tif [[ -n $words ]]; then :\n"
		    "\telif [[ $cur == -* ]]; then words=\"$flags ",
		stdout);
	print_globals();
	(void)puts("\"");
	(void)fputs("\telif [[ -z $noun ]]; then words='", stdout);
	print_nouns();
	(void)puts("'\n\telif [[ -z $verb ]]; then");
	print_verb_cases();
	(void)puts("\tfi\n"
		   "\tCOMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
		   "}");
}

static void print_bash(void)
{
	(void)puts("# bash completion for authctl: authctl completion bash");
	print_function();
	(void)puts("complete -F _authctl authctl");
}

static void print_zsh(void)
{
	(void)puts("#compdef authctl\n# zsh completion for authctl: authctl completion zsh\n"
		   "autoload -U +X bashcompinit && bashcompinit");
	print_function();
	(void)puts("complete -F _authctl authctl");
}

/* In fish's double and single quotes only these need care. */
static void print_fish_quoted(const char *text)
{
	(void)putchar('\'');
	for (; *text; text++) {
		if (*text == '\'' || *text == '\\')
			(void)putchar('\\');
		(void)putchar(*text);
	}
	(void)putchar('\'');
}

static void print_fish_argument(const struct command *command, const struct command_argument *a)
{
	const char *dot = strchr(command->name, '.');

	(void)printf("complete -c authctl -n '__fish_seen_subcommand_from %.*s",
		(int)strcspn(command->name, "."), command->name);
	if (dot)
		(void)printf("; and __fish_seen_subcommand_from %s", dot + 1);
	(void)putchar('\'');
	if (!(a->flags & ARGUMENT_POSITIONAL))
		(void)printf(" -l %s%s", a->name, a->type == ARGUMENT_FLAG ? "" : " -x");
	if (a->choices) {
		(void)fputs(" -a '", stdout);
		print_words(a->choices);
		(void)putchar('\'');
	} else if (a->names) {
		(void)fputs(" -a '(", stdout);
		print_names_call(a->names, "(commandline -ct)");
		(void)fputs(")'", stdout);
	}
	(void)fputs(" -d ", stdout);
	print_fish_quoted(a->help);
	(void)putchar('\n');
}

static void print_fish(void)
{
	(void)puts(
		"# fish completion for authctl: authctl completion fish\ncomplete -c authctl -f");
	for (unsigned i = 0; i < settings_option_count; i++) {
		const struct settings_option *option = &settings_options[i];
		bool needs_value = option->value && *option->value != '[';

		(void)printf("complete -c authctl -l %s%s%s%s", option->name,
			*option->letter ? " -s " : "", option->letter, needs_value ? " -x" : "");
		if (option->choices) {
			(void)fputs(" -a '", stdout);
			print_words(option->choices);
			(void)putchar('\'');
		}
		(void)fputs(" -d ", stdout);
		print_fish_quoted(option->help);
		(void)putchar('\n');
	}
	(void)fputs("complete -c authctl -n __fish_use_subcommand -a '", stdout);
	print_nouns();
	(void)puts("'");
	for (unsigned i = 0; i < command_count; i++) {
		const char *dot = strchr(commands[i].name, '.');

		if (dot) {
			(void)printf(
				"complete -c authctl -n '__fish_seen_subcommand_from %.*s' -a %s -d ",
				(int)(dot - commands[i].name), commands[i].name, dot + 1);
			print_fish_quoted(commands[i].help);
			(void)putchar('\n');
		}
		for (const struct command_argument *a = commands[i].arguments; a && a->name; a++)
			if (command_argument_is_word(a))
				print_fish_argument(&commands[i], a);
	}
}

int completion_print(const char *shell)
{
	static const struct {
		const char *shell;
		void (*print)(void);
	} shells[] = { { "bash", print_bash }, { "zsh", print_zsh }, { "fish", print_fish } };

	for (unsigned i = 0; i < sizeof(shells) / sizeof(shells[0]); i++)
		if (!strcmp(shells[i].shell, shell)) {
			shells[i].print();
			return EXIT_DONE;
		}
	(void)fputs("authctl: completion bash|zsh|fish\n", stderr);
	return EXIT_USAGE;
}
