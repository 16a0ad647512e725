/* See complete.h. */
#include "ctl/complete.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "ctl/locals.h"
#include "ctl/run.h"
#include "shared/macros.h"

#define HINT_BYTES 256

struct offering {
	const char *prefix;
	void (*offer)(const char *word, void *arg);
	void *arg;
	const char *field;    /* of rows */
	bool is_without_case; /* the daemon has compared so */
	unsigned names;
	char seen[COMPLETE_NAMES_MAX][128]; /* names repeat: a pool on each core */
};

static bool begins_so(const struct offering *offering, const char *word)
{
	size_t len = strlen(offering->prefix);

	return offering->is_without_case ? !strncasecmp(word, offering->prefix, len)
					 : !strncmp(word, offering->prefix, len);
}

static void offer(struct offering *offering, const char *word)
{
	if (begins_so(offering, word))
		offering->offer(word, offering->arg);
}

static void offer_part(struct offering *offering, const char *text, size_t len)
{
	char word[GRAMMAR_NAME_BYTES];

	(void)snprintf(word, sizeof(word), "%.*s", (int)len, text);
	offer(offering, word);
}

static void offer_nouns(struct offering *offering)
{
	for (unsigned i = 0; i < command_count; i++) {
		size_t len = strcspn(commands[i].name, ".");
		bool is_repeated = i && strcspn(commands[i - 1].name, ".") == len &&
				   !strncmp(commands[i - 1].name, commands[i].name, len);

		if (!is_repeated)
			offer_part(offering, commands[i].name, len);
	}
	offer(offering, "schema");
	for (unsigned i = 0; i < local_count; i++)
		offer(offering, locals[i].name);
}

static void offer_verbs(struct offering *offering, const char *noun)
{
	size_t len = strlen(noun);

	for (unsigned i = 0; i < command_count; i++)
		if (!strncmp(commands[i].name, noun, len) && commands[i].name[len] == '.')
			offer(offering, commands[i].name + len + 1);
}

static void offer_flags(struct offering *offering, const struct command *command)
{
	char word[64];

	for (const struct command_argument *a = command->arguments; a && a->name; a++)
		if (!(a->flags & ARGUMENT_POSITIONAL) && command_argument_is_word(a)) {
			(void)snprintf(word, sizeof(word), "--%s", a->name);
			offer(offering, word);
		}
	for (unsigned i = 0; i < settings_option_count; i++) {
		(void)snprintf(word, sizeof(word), "--%s", settings_options[i].name);
		offer(offering, word);
	}
}

static void offer_choices(struct offering *offering, const char *choices)
{
	struct str rest = str_cstr(choices), choice;

	while (str_split(&rest, '|', &choice))
		offer_part(offering, choice.data, choice.len);
}

/* --- live names --- */

static void name_row(const struct json *row, void *arg)
{
	_cleanup_(buf_deinit) struct buf text = buf_init(4096);
	struct offering *offering = arg;
	const struct json *value = json_member(row, offering->field);
	struct str name;
	char *mine;

	if (json_get_str(value, &name) < 0) {
		if (!value || json_print(value, &text) < 0)
			return;
		name = buf_str(&text);
	}
	if (offering->names == COMPLETE_NAMES_MAX || name.len >= sizeof(offering->seen[0]))
		return;
	mine = offering->seen[offering->names];
	(void)snprintf(mine, sizeof(offering->seen[0]), STR_FORMAT, STR_ARGS(name));
	if (!begins_so(offering, mine))
		return;
	for (unsigned i = 0; i < offering->names; i++)
		if (!strcmp(offering->seen[i], mine))
			return;
	offering->names++;
	offer(offering, mine);
}

/* {"prefix": ..., "limit": ...}. False: there is nothing to ask, or who we are may not: Tab makes
 * no refusals in the audit file. */
static bool narrow(struct session *session, const struct command_argument *by, const char *prefix,
	struct buf *args)
{
	struct json_writer w = json_writer_init(args);

	if (!*prefix || !str_is_utf8(str_cstr(prefix)))
		return false;
	if ((by->flags & ARGUMENT_ADMIN) && strcmp(session->client.level, "admin") != 0)
		return false;
	json_begin_object(&w, NULL);
	json_put_str(&w, by->name, str_cstr(prefix));
	json_put_u64(&w, "limit", COMPLETE_NAMES_MAX);
	json_end_object(&w);
	return json_writer_finish(&w) == 0 && buf_append_char(args, '\0') == 0;
}

/* "pool.list:pool". A daemon that does not answer in time offers nothing: Tab must not hang. */
static void offer_names(struct session *session, struct offering *offering, const char *names)
{
	_cleanup_(buf_deinit) struct buf args = buf_init(4096);
	const char *colon = strchr(names, ':');
	const struct client_sink sink = { .row = name_row, .arg = offering };
	const struct command_argument *by;
	char command[GRAMMAR_NAME_BYTES];

	(void)snprintf(command, sizeof(command), "%.*s", (int)(colon - names), names);
	by = command_argument_find(command_find(str_cstr(command)), STR("prefix"));
	if (by && !narrow(session, by, offering->prefix, &args))
		return;
	offering->field = colon + 1;
	offering->is_without_case = by != NULL;
	(void)session_ask(session, command, by ? args.data : "{}", COMPLETE_MS, &sink);
}

static void offer_values(
	struct session *session, struct offering *offering, const struct command_argument *argument)
{
	if (argument->choices)
		offer_choices(offering, argument->choices);
	else if (argument->names)
		offer_names(session, offering, argument->names);
}

/* --- where are we in the command? --- */

/* The argument that a value is expected for; NULL: none is begun. */
static const struct command_argument *argument_open(
	const struct command *command, int count, char *const *words)
{
	const struct command_argument *argument;

	if (!count || strncmp(words[count - 1], "--", 2) != 0)
		return NULL;
	argument = command_argument_find(command, str_cstr(words[count - 1] + 2));
	return argument && argument->type != ARGUMENT_FLAG ? argument : NULL;
}

/* The next positional one. */
static const struct command_argument *argument_next(
	const struct command *command, int count, char *const *words)
{
	unsigned given = 0;

	for (int i = 0; i < count; i++) {
		const struct command_argument *flag = NULL;

		if (!strncmp(words[i], "--", 2))
			flag = command_argument_find(command, str_cstr(words[i] + 2));
		else
			given++;
		i += flag && flag->type != ARGUMENT_FLAG; /* its value */
	}
	for (const struct command_argument *a = command->arguments; a && a->name; a++)
		if ((a->flags & ARGUMENT_POSITIONAL) && given-- == 0)
			return a;
	return NULL;
}

static void offer_for_command(struct session *session, struct offering *offering,
	const struct command *command, int count, char *const *words)
{
	const struct command_argument *open = argument_open(command, count, words);
	const struct command_argument *next = argument_next(command, count, words);

	if (open)
		offer_values(session, offering, open);
	else if (offering->prefix[0] == '-')
		offer_flags(offering, command);
	else if (next)
		offer_values(session, offering, next);
	else
		offer_flags(offering, command);
}

/* help, watch, repeat: what follows is a command. */
static int words_skip(int count, char *const *words)
{
	if (count && (!strcmp(words[0], "help") || !strcmp(words[0], "watch")))
		return 1;
	return count > 1 && !strcmp(words[0], "repeat") ? 2 : 0;
}

void complete_words(struct session *session, int count, char *const *words, const char *prefix,
	void (*offer_one)(const char *word, void *arg), void *arg)
{
	struct offering offering = { .prefix = prefix, .offer = offer_one, .arg = arg };
	int skip = words_skip(count, words), used = 0;
	const struct command *command;

	words += skip;
	count -= skip;
	if (!count) {
		offer_nouns(&offering);
		return;
	}
	command = grammar_find(count, words, true, &used);
	if (command)
		offer_for_command(session, &offering, command, count - used, words + used);
	if (command && count == 1 && used == 1)
		offer_verbs(&offering, words[0]); /* metrics is short for metrics list */
	else if (!command && count == 1 && !strcmp(words[0], "completion"))
		offer_choices(&offering, "bash|zsh|fish");
	else if (!command && count == 1)
		offer_verbs(&offering, words[0]);
}

const char *complete_hint(int count, char *const *words)
{
	static char hint[HINT_BYTES];
	const struct command *command;
	const struct command_argument *open;
	int used = 0, n = 0;
	unsigned given = 0;

	hint[0] = '\0';
	command = count ? grammar_find(count, words, true, &used) : NULL;
	if (!command)
		return hint;
	open = argument_open(command, count - used, words + used);
	if (open) {
		(void)snprintf(
			hint, sizeof(hint), "%s", open->choices ? open->choices : open->help);
		return hint;
	}
	for (int i = used; i < count; i++)
		given += strncmp(words[i], "--", 2) != 0;
	for (const struct command_argument *a = command->arguments; a && a->name; a++) {
		bool is_positional = a->flags & ARGUMENT_POSITIONAL;
		bool is_required = a->flags & ARGUMENT_REQUIRED;

		if (!command_argument_is_word(a))
			continue;
		if (is_positional && given) {
			given--;
			continue;
		}
		n += snprintf(hint + n, sizeof(hint) - (size_t)n, "%s%s%s%s%s", n ? " " : "",
			is_required ? "" : "[", is_positional ? "" : "--", a->name,
			is_required ? "" : "]");
		if (n >= (int)sizeof(hint))
			break;
	}
	return hint;
}
