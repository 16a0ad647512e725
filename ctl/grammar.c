/* See grammar.h. */
#include "ctl/grammar.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/duration.h"
#include "shared/frame.h"
#include "shared/json.h"
#include "shared/macros.h"

/* --- names --- */

const char *grammar_typed(const struct command *command, char text[static GRAMMAR_NAME_BYTES])
{
	char *dot;

	(void)snprintf(text, GRAMMAR_NAME_BYTES, "%s", command->name);
	dot = strchr(text, '.');
	if (dot)
		*dot = ' ';
	return text;
}

/* Levenshtein's distance, for names of our table. */
static unsigned distance(const char *a, const char *b)
{
	unsigned row[GRAMMAR_NAME_BYTES + 1];
	size_t len = MIN(strlen(b), GRAMMAR_NAME_BYTES);

	for (size_t j = 0; j <= len; j++)
		row[j] = (unsigned)j;
	for (size_t i = 0; a[i]; i++) {
		unsigned diagonal = row[0];

		row[0]++;
		for (size_t j = 0; j < len; j++) {
			unsigned replaced = diagonal + (a[i] != b[j]);

			diagonal = row[j + 1];
			row[j + 1] = MIN(replaced, MIN(row[j], diagonal) + 1);
		}
	}
	return row[len];
}

static int unknown(int count, char *const *words)
{
	char said[GRAMMAR_NAME_BYTES], typed[GRAMMAR_NAME_BYTES];
	const struct command *nearest = NULL;
	unsigned best;

	(void)snprintf(said, sizeof(said), "%s%s%s", words[0],
		count > 1 && words[1][0] != '-' ? " " : "",
		count > 1 && words[1][0] != '-' ? words[1] : "");
	best = (unsigned)strlen(said) / 3 + 2; /* further away is another word, not a slip */
	for (unsigned i = 0; i < command_count; i++) {
		unsigned far = distance(said, grammar_typed(&commands[i], typed));
		bool is_noun = !strncmp(typed, said, strlen(said)) && typed[strlen(said)] == ' ';

		if (far < best || (is_noun && !nearest)) {
			best = MIN(best, far);
			nearest = &commands[i];
		}
	}
	(void)fprintf(stderr, "authctl: no command '%s'", said);
	if (nearest)
		(void)fprintf(stderr, ", did you mean '%s'?", grammar_typed(nearest, typed));
	(void)fputs("  (authctl help lists all)\n", stderr);
	return -EINVAL;
}

/* Does the typed word stand for this part of a name? 2 exactly, 1 as a beginning, 0 no. */
static int part_matches(const char *word, const char *part, size_t len)
{
	if (!strncmp(word, part, len) && !word[len])
		return 2;
	return strlen(word) < len && !strncmp(word, part, strlen(word)) ? 1 : 0;
}

/* Only one command may have such a beginning; two words are tried before one. */
static const struct command *find_lenient(int count, char *const *words, int *ret_used)
{
	const struct command *found = NULL;
	unsigned matches = 0;

	for (unsigned i = 0; i < command_count; i++) {
		const char *dot = strchr(commands[i].name, '.');
		size_t noun = dot ? (size_t)(dot - commands[i].name) : strlen(commands[i].name);

		if (!part_matches(words[0], commands[i].name, noun))
			continue;
		if (dot && (count < 2 || !part_matches(words[1], dot + 1, strlen(dot + 1))))
			continue;
		found = &commands[i];
		*ret_used = dot ? 2 : 1;
		matches++;
	}
	return matches == 1 ? found : NULL;
}

static const struct command *find_short(const char *word)
{
	static const struct {
		const char *word, *command;
	} shorts[] = { { "schema", "meta.schema" }, { "version", "meta.version" },
		{ "metrics", "metrics.list" } };

	for (size_t i = 0; i < ARRAY_SIZE(shorts); i++)
		if (!strcmp(word, shorts[i].word))
			return command_find(str_cstr(shorts[i].command));
	return NULL;
}

const struct command *grammar_find(int count, char *const *words, bool is_lenient, int *ret_used)
{
	const struct command *command;
	char name[GRAMMAR_NAME_BYTES];

	/* It is looked for beside start, stop and dump, which the daemon does. */
	if (count > 2 && !strcmp(words[0], "mem") && !strcmp(words[1], "profile") &&
		!strcmp(words[2], "diff")) {
		*ret_used = 3;
		return command_find(STR("mem.diff"));
	}
	if (count > 1) {
		(void)snprintf(name, sizeof(name), "%s.%s", words[0], words[1]);
		*ret_used = 2;
		command = command_find(str_cstr(name));
		if (command)
			return command;
	}
	*ret_used = 1;
	command = command_find(str_cstr(words[0]));
	if (!command)
		command = find_short(words[0]);
	if (!command && is_lenient)
		command = find_lenient(count, words, ret_used);
	return command;
}

/* --- arguments --- */

struct parsing {
	struct invocation *invocation;
	struct json_writer w;
	unsigned positional; /* so many have been taken */
	bool is_given[COMMAND_ARGUMENTS_MAX];
};

static int complain(const struct command *command, const char *format, ...) _printf_(2, 3);

static int complain(const struct command *command, const char *format, ...)
{
	char typed[GRAMMAR_NAME_BYTES];
	va_list args;

	va_start(args, format);
	(void)fprintf(stderr, "authctl: %s: ", grammar_typed(command, typed));
	(void)vfprintf(stderr, format, args);
	(void)fprintf(stderr, "  (authctl help %s)\n", typed);
	va_end(args);
	return -EINVAL;
}

/* The content of a file goes to the daemon, not its name: it opens no path of a client's. */
static int put_content(struct parsing *parsing, const char *name, const char *path)
{
	_cleanup_(buf_deinit) struct buf text = buf_init(FRAME_REQUEST_BYTES_MAX);
	FILE *file = fopen(path, "re");
	const char *slash = strrchr(path, '/');
	int r = 0;

	if (!file || buf_reserve(&text, FRAME_REQUEST_BYTES_MAX) < 0)
		r = complain(parsing->invocation->command, "%s: %s", path, strerror(errno));
	else
		text.len = fread(text.data, 1, FRAME_REQUEST_BYTES_MAX, file);
	if (r == 0 && text.len == FRAME_REQUEST_BYTES_MAX)
		r = complain(parsing->invocation->command, "%s: too long to send", path);
	if (file)
		(void)fclose(file);
	if (r < 0)
		return r;
	json_put_str(&parsing->w, name, buf_str(&text));
	json_put_str(&parsing->w, "name", str_cstr(slash ? slash + 1 : path));
	return 0;
}

static int put_value(
	struct parsing *parsing, const struct command_argument *argument, const char *value)
{
	const struct command *command = parsing->invocation->command;
	uint64_t number;

	parsing->is_given[argument - command->arguments] = true;
	parsing->invocation->asks |= (argument->flags & ARGUMENT_ASKS) != 0;
	if (argument->flags & ARGUMENT_LOCAL) {
		if (parsing->invocation->local_count < INVOCATION_LOCALS_MAX)
			parsing->invocation->locals[parsing->invocation->local_count++] = value;
		return 0;
	}
	if (argument->flags & ARGUMENT_CONTENT)
		return put_content(parsing, argument->name, value);
	switch (argument->type) {
	case ARGUMENT_FLAG:
		json_put_bool(&parsing->w, argument->name, true);
		return 0;
	case ARGUMENT_NUMBER:
		if (str_to_u64(str_cstr(value), &number) < 0)
			return complain(command, "%s: '%s' is no number", argument->name, value);
		json_put_u64(&parsing->w, argument->name, number);
		return 0;
	case ARGUMENT_DURATION:
		if (duration_parse(str_cstr(value), &number) < 0)
			return complain(command, "%s: '%s' is no time: write 30s, 10m, 24h",
				argument->name, value);
		break;
	default:
		if (!command_choice_is_good(argument->choices, str_cstr(value)))
			return complain(command, "%s: '%s' is not one of %s", argument->name, value,
				argument->choices);
	}
	json_put_str(&parsing->w, argument->name, str_cstr(value));
	return 0;
}

static const struct command_argument *positional_at(const struct command *command, unsigned index)
{
	for (const struct command_argument *a = command->arguments; a && a->name; a++)
		if ((a->flags & ARGUMENT_POSITIONAL) && index-- == 0)
			return a;
	return NULL;
}

/* Words joined by spaces: the rest of the line is one value. */
static int put_rest(struct parsing *parsing, const struct command_argument *argument, int count,
	char *const *words)
{
	_cleanup_(buf_deinit) struct buf text = buf_init(4096);
	int r = 0;

	for (int i = 0; i < count && r == 0; i++)
		r = buf_printf(&text, "%s%s", i ? " " : "", words[i]);
	if (r == 0)
		r = buf_append_char(&text, '\0');
	return r < 0 ? complain(parsing->invocation->command, "too long")
		     : put_value(parsing, argument, text.data);
}

static void redacted_add(struct parsing *parsing, const char *word)
{
	struct buf *text = &parsing->invocation->redacted;

	(void)!buf_printf(text, "%s%s", text->len ? " " : "", word);
}

static bool has_secret(const struct command *command)
{
	for (const struct command_argument *a = command->arguments; a && a->name; a++)
		if (a->flags & ARGUMENT_SECRET)
			return true;
	return false;
}

/* A line that is not understood may have the secret in any of its words. */
static void redacted_forget(struct parsing *parsing)
{
	const struct command *command = parsing->invocation->command;
	char typed[GRAMMAR_NAME_BYTES];

	buf_clear(&parsing->invocation->redacted);
	if (!has_secret(command))
		return;
	redacted_add(parsing, grammar_typed(command, typed));
	redacted_add(parsing, "(secret)");
}

/* One argument at words[0]; how many words it took. */
static int take_argument(struct parsing *parsing, int count, char *const *words)
{
	const struct command *command = parsing->invocation->command;
	const struct command_argument *argument;
	const char *word = words[0], *equal = strchr(word, '='), *value = equal ? equal + 1 : NULL;
	bool is_flag;

	if (strncmp(word, "--", 2) != 0) {
		argument = positional_at(command, parsing->positional++);
		if (!argument)
			return complain(command, "what is '%s'?", word);
		if (argument->flags & ARGUMENT_REST) {
			for (int i = 0; i < count; i++)
				redacted_add(parsing, words[i]);
			parsing->invocation->subject = parsing->positional == 1 ? word : NULL;
			return put_rest(parsing, argument, count, words) < 0 ? -EINVAL : count;
		}
		redacted_add(parsing, word);
		if (parsing->positional == 1)
			parsing->invocation->subject = word;
		return put_value(parsing, argument, word) < 0 ? -EINVAL : 1;
	}
	argument = command_argument_find(
		command, equal ? str_of(word + 2, (size_t)(equal - word) - 2) : str_cstr(word + 2));
	if (!argument || (argument->flags & ARGUMENT_POSITIONAL))
		return complain(command, "no argument '%s'", word);
	if (parsing->is_given[argument - command->arguments])
		return complain(command, "--%s is given twice", argument->name);
	if (argument->flags & ARGUMENT_SECRET)
		return complain(command,
			"a %s among the words could be seen by others: it is typed unseen, or add "
			"--secret-file or --secret-fd",
			argument->name);
	parsing->invocation->has_instead |= argument->flags & ARGUMENT_INSTEAD;
	is_flag = argument->type == ARGUMENT_FLAG;
	if (is_flag && value)
		return complain(command, "--%s takes no value", argument->name);
	if (!is_flag && !value && count < 2)
		return complain(command, "--%s needs a value", argument->name);
	redacted_add(parsing, word);
	if (is_flag || value)
		return put_value(parsing, argument, value) < 0 ? -EINVAL : 1;
	redacted_add(parsing, words[1]);
	return put_value(parsing, argument, words[1]) < 0 ? -EINVAL : 2;
}

static int check_required(const struct parsing *parsing)
{
	const struct command *command = parsing->invocation->command;
	const struct command_argument *argument = command->arguments;

	for (unsigned i = 0; argument && argument[i].name; i++)
		if ((argument[i].flags & ARGUMENT_REQUIRED) && !parsing->is_given[i])
			return complain(command, "%s%s is missing: %s",
				argument[i].flags & ARGUMENT_POSITIONAL ? "" : "--",
				argument[i].name, argument[i].help);
	return 0;
}

/* Only what looks at something may be shortened: "u" must not be an upgrade. */
static int refuse_short(const struct command *command, int used, char *const *words)
{
	char typed[GRAMMAR_NAME_BYTES];

	(void)grammar_typed(command, typed);
	if (!(command->flags & COMMAND_MUTATES) ||
		strlen(typed) == strlen(words[0]) + (used > 1 ? 1 + strlen(words[1]) : 0))
		return 0;
	(void)fprintf(stderr,
		"authctl: '%s' changes something: write it out, or press Tab (authctl help %s)\n",
		typed, typed);
	return -EINVAL;
}

int grammar_parse(int count, char *const *words, bool is_lenient, struct invocation *ret_invocation)
{
	struct parsing parsing = { .invocation = ret_invocation };
	char typed[GRAMMAR_NAME_BYTES];
	int used, r = 0;

	*ret_invocation = (struct invocation){ .args = buf_init(2 * FRAME_REQUEST_BYTES_MAX),
		.redacted = buf_init(FRAME_REQUEST_BYTES_MAX),
		.command = grammar_find(count, words, is_lenient, &used) };
	if (!ret_invocation->command)
		return unknown(count, words);
	ret_invocation->asks = ret_invocation->command->flags & (COMMAND_ASKS | COMMAND_ASKS_NAME);
	redacted_add(&parsing, grammar_typed(ret_invocation->command, typed));
	parsing.w = json_writer_init(&ret_invocation->args);
	json_begin_object(&parsing.w, NULL);
	r = refuse_short(ret_invocation->command, used, words);
	for (int i = used; i < count && r >= 0; i += r)
		r = take_argument(&parsing, count - i, words + i);
	if (r >= 0)
		r = check_required(&parsing);
	json_end_object(&parsing.w);
	if (r >= 0)
		r = json_writer_finish(&parsing.w);
	if (r < 0)
		redacted_forget(&parsing);
	return r;
}

void invocation_deinit(struct invocation *invocation)
{
	buf_wipe(&invocation->args);
	buf_deinit(&invocation->redacted);
}

int invocation_add(struct invocation *invocation, const char *name, struct str value)
{
	_cleanup_(buf_wipe) struct buf text = buf_init(FRAME_REQUEST_BYTES_MAX);
	struct json_writer w = json_writer_init(&text);
	struct buf *args = &invocation->args;
	bool is_first = args->len == 2; /* "{}" */
	int r;

	json_put_str(&w, NULL, value);
	r = json_writer_finish(&w);
	if (r < 0)
		return r;
	args->len--;
	return buf_printf(args, "%s\"%s\":" STR_FORMAT "}", is_first ? "" : ",", name,
		STR_ARGS(buf_str(&text)));
}

/* --- lines --- */

/* One word, unquoted in place; returns where the line goes on, NULL: a quote is open. */
static char *take_word(char *at, char **ret_word)
{
	char *to = at, quote = 0;

	*ret_word = at;
	for (; *at && (quote || !strchr(" \t\r\n", *at)); at++) {
		if (quote ? *at == quote : *at == '"' || *at == '\'')
			quote = quote ? 0 : *at;
		else if (*at == '\\' && quote != '\'' && at[1])
			*to++ = *++at;
		else
			*to++ = *at;
	}
	if (quote)
		return NULL;
	if (*at)
		at++;
	*to = '\0';
	return at;
}

int grammar_split(char *line, char *words[static GRAMMAR_WORDS_MAX])
{
	int count = 0;

	for (;;) {
		line += strspn(line, " \t\r\n");
		if (!*line)
			return count;
		if (count == GRAMMAR_WORDS_MAX)
			return -E2BIG;
		line = take_word(line, &words[count++]);
		if (!line)
			return -EINVAL;
	}
}
