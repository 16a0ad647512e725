/* See grammar.h. Names are never abbreviated: a new command must not break a script. */
#include "ctl/grammar.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "shared/json.h"
#include "shared/macros.h"

/* How many letters at the front are the same: enough to find what was meant. */
static unsigned likeness(const char *a, const char *b)
{
	unsigned same = 0;

	while (a[same] && a[same] == b[same])
		same++;
	return same;
}

static int unknown(const char *name)
{
	const struct command *best = NULL;
	unsigned most = 1;

	for (unsigned i = 0; i < command_count; i++)
		if (likeness(name, commands[i].name) > most) {
			most = likeness(name, commands[i].name);
			best = &commands[i];
		}
	(void)fprintf(stderr, "authctl: no command '%s'", name);
	if (best)
		(void)fprintf(stderr, ", did you mean '%s'?", best->name);
	(void)fputs("  (authctl help lists all)\n", stderr);
	return -EINVAL;
}

/* "pool list", "pool.list" or "status". *ret_used: how many words it took. */
static int find(int count, char *const *words, const struct command **ret_command, int *ret_used)
{
	char name[64];

	*ret_command = command_find(str_cstr(words[0]));
	*ret_used = 1;
	if (*ret_command)
		return 0;
	if (count > 1 && words[1][0] != '-') {
		(void)snprintf(name, sizeof(name), "%s.%s", words[0], words[1]);
		*ret_used = 2;
	} else {
		(void)snprintf(name, sizeof(name), "%s", words[0]);
	}
	*ret_command = command_find(str_cstr(name));
	return *ret_command ? 0 : unknown(name);
}

static const struct command_argument *argument_find(const struct command *command, const char *name)
{
	for (const struct command_argument *a = command->arguments; a && a->name; a++)
		if (!strcmp(a->name, name))
			return a;
	return NULL;
}

static int put_argument(
	struct json_writer *w, const struct command_argument *argument, const char *value)
{
	uint64_t number;

	if (argument->type != COLUMN_INTEGER) {
		json_put_str(w, argument->name, str_cstr(value));
		return 0;
	}
	if (str_to_u64(str_cstr(value), &number) < 0) {
		(void)fprintf(stderr, "authctl: --%s: '%s' is no number\n", argument->name, value);
		return -EINVAL;
	}
	json_put_u64(w, argument->name, number);
	return 0;
}

int grammar_parse(
	int count, char *const *words, const struct command **ret_command, struct buf *args)
{
	struct json_writer w = json_writer_init(args);
	int used, r = find(count, words, ret_command, &used);

	json_begin_object(&w, NULL);
	for (int i = used; i < count && r == 0; i += 2) {
		const struct command_argument *argument = NULL;

		if (!strncmp(words[i], "--", 2))
			argument = argument_find(*ret_command, words[i] + 2);
		if (!argument || i + 1 == count) {
			(void)fprintf(stderr, "authctl: %s %s '%s'\n", (*ret_command)->name,
				argument ? "needs a value for" : "has no argument", words[i]);
			return -EINVAL;
		}
		r = put_argument(&w, argument, words[i + 1]);
	}
	json_end_object(&w);
	return r < 0 ? r : json_writer_finish(&w);
}

void grammar_help(void)
{
	for (unsigned i = 0; i < command_count; i++) {
		char name[64];
		char *dot;

		(void)snprintf(name, sizeof(name), "%s", commands[i].name);
		dot = strchr(name, '.');
		if (dot)
			*dot = ' ';
		(void)printf("  %-16s %s\n", name, commands[i].help);
	}
}
