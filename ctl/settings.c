/* The table of authctl's own options: see settings.h. */
#include "ctl/settings.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/commands.h"
#include "shared/duration.h"
#include "shared/macros.h"

#define SOCKET_DEFAULT "/run/authd/authctl.sock"
#define TIMEOUT_DEFAULT_MS 10000
#define WATCH_DEFAULT_MS 2000
#define WATCH_MIN_MS 100

static int index_of(const char *const *names, size_t count, const char *value)
{
	for (size_t i = 0; i < count; i++)
		if (!strcmp(names[i], value))
			return (int)i;
	return -EINVAL;
}

static int set_socket(struct settings *s, const char *value)
{
	s->socket = value;
	return 0;
}

static int set_output(struct settings *s, const char *value)
{
	static const char *const names[] = { "table", "wide", "json", "ndjson", "csv", "value",
		"template" };
	int r = index_of(names, ARRAY_SIZE(names), value);

	if (r >= 0)
		s->format = (enum output_format)r;
	return MIN(r, 0);
}

static int set_field(struct settings *s, const char *value)
{
	s->field = value;
	return 0;
}

/* Seconds, as `--timeout 0.3`, or a time with its unit, as `--timeout 2m`; a day at most. */
static int time_parse(const char *text, uint64_t *ret_ms)
{
	uint64_t ms = 0;
	double seconds;
	char *end;

	seconds = strtod(text, &end);
	if (end != text && !*end && seconds > 0 && seconds <= 86400)
		ms = (uint64_t)(seconds * 1000);
	else if (duration_parse(str_cstr(text), &ms) < 0 || ms == 0 || ms > 86400000)
		return -EINVAL;
	*ret_ms = MAX(ms, 1);
	return 0;
}

static int set_timeout(struct settings *s, const char *value)
{
	s->has_timeout = true;
	return time_parse(value, &s->timeout_ms);
}

static int set_color(struct settings *s, const char *value)
{
	static const char *const names[] = { "auto", "always", "never" };
	int r = index_of(names, ARRAY_SIZE(names), value);

	if (r >= 0)
		s->color = (enum color_mode)r;
	return MIN(r, 0);
}

static int set_watch(struct settings *s, const char *value)
{
	s->watch_ms = WATCH_DEFAULT_MS;
	if (!value)
		return 0;
	return time_parse(value, &s->watch_ms) < 0 || s->watch_ms < WATCH_MIN_MS ? -EINVAL : 0;
}

static int set_as(struct settings *s, const char *value)
{
	enum command_level level;

	s->as = value;
	return command_level_parse(str_cstr(value), &level);
}

static int set_batch(struct settings *s, const char *value)
{
	s->batch = value;
	return 0;
}

static int set_yes(struct settings *s, const char *value)
{
	s->yes = value ? value : "yes";
	return 0;
}

static int set_key(struct settings *s, const char *value)
{
	s->key = value;
	return 0;
}

static int set_secret_file(struct settings *s, const char *value)
{
	s->secret_file = value;
	return 0;
}

static int set_secret_fd(struct settings *s, const char *value)
{
	uint64_t number;

	if (str_to_u64(str_cstr(value), &number) < 0 || number > INT_MAX)
		return -EINVAL;
	s->secret_fd = (int)number;
	return 0;
}

static int set_generation(struct settings *s, const char *value)
{
	uint64_t number;

	if (str_to_u64(str_cstr(value), &number) < 0 || number > INT64_MAX)
		return -EINVAL;
	s->generation = (int64_t)number;
	return 0;
}

static int set_dry_run(struct settings *s, _unused_ const char *value)
{
	s->is_dry_run = true;
	return 0;
}

static int set_quiet(struct settings *s, _unused_ const char *value)
{
	s->is_quiet = true;
	return 0;
}

static int set_no_pager(struct settings *s, _unused_ const char *value)
{
	s->no_pager = true;
	return 0;
}

static int set_no_history(struct settings *s, _unused_ const char *value)
{
	s->no_history = true;
	return 0;
}

static int set_keep_going(struct settings *s, _unused_ const char *value)
{
	s->keeps_going = true;
	return 0;
}

static int set_help(struct settings *s, _unused_ const char *value)
{
	s->is_help = true;
	return 0;
}

static int set_version(struct settings *s, _unused_ const char *value)
{
	s->is_version = true;
	return 0;
}

/* clang-format off */
const struct settings_option settings_options[] = {
	/* name, letter, value, choices, help, set */
	{ "socket", "", "PATH", NULL, "where authd listens (AUTHCTL_SOCKET, " SOCKET_DEFAULT ")", set_socket },
	{ "output", "o", "FORMAT", "table|wide|json|ndjson|csv|value|template", "table, wide, json, ndjson, csv, value or template", set_output },
	{ "field", "F", "FIELD", NULL, "the field of 'value'; the text of 'template' with {fields}", set_field },
	{ "timeout", "", "TIME", NULL, "from connecting to the last row: 3, 0.5, 2m (10)", set_timeout },
	{ "watch", "", "[TIME]", NULL, "again and again, every two seconds or as said", set_watch },
	{ "dry-run", "", NULL, NULL, "check everything, change nothing", set_dry_run },
	{ "yes", "", "[NAME]", NULL, "confirm; --yes=NAME for what cannot be undone", set_yes },
	{ "secret-file", "", "FILE", NULL, "the password for a command that wants one is its first line", set_secret_file },
	{ "secret-fd", "", "N", NULL, "the same, from an open descriptor", set_secret_fd },
	{ "if-gen", "", "N", NULL, "only if the configuration is still generation N", set_generation },
	{ "req-key", "", "TEXT", NULL, "repeating a change with the same key does it once", set_key },
	{ "as", "", "LEVEL", "viewer|operator|admin", "with a lower level than you have", set_as },
	{ "file", "f", "FILE", NULL, "run the commands of a file, '-' for standard input", set_batch },
	{ "keep-going", "", NULL, NULL, "with --file: go on after a failure", set_keep_going },
	{ "quiet", "q", NULL, NULL, "no notices", set_quiet },
	{ "color", "", "WHEN", "auto|always|never", "auto, always or never (NO_COLOR)", set_color },
	{ "no-pager", "", NULL, NULL, "long tables are not paged (AUTHCTL_PAGER, PAGER)", set_no_pager },
	{ "no-history", "", NULL, NULL, "the shell writes no history", set_no_history },
	{ "help", "h", NULL, NULL, "help, also of one command", set_help },
	{ "version", "", NULL, NULL, "of authctl", set_version },
};
/* clang-format on */
const unsigned settings_option_count = ARRAY_SIZE(settings_options);

void settings_init(struct settings *settings)
{
	const char *socket = getenv("AUTHCTL_SOCKET");

	*settings = (struct settings){ .socket = socket && *socket ? socket : SOCKET_DEFAULT,
		.timeout_ms = TIMEOUT_DEFAULT_MS,
		.generation = -1,
		.secret_fd = -1 };
}

/* The option that a word names; *ret_value is what follows '=' or a letter, NULL nothing. */
static const struct settings_option *option_of(const char *word, const char **ret_value)
{
	for (unsigned i = 0; i < settings_option_count; i++) {
		const struct settings_option *option = &settings_options[i];
		size_t len = strlen(option->name);

		if (!strncmp(word, "--", 2) && !strncmp(word + 2, option->name, len) &&
			(!word[2 + len] || word[2 + len] == '=')) {
			*ret_value = word[2 + len] ? word + 3 + len : NULL;
			return option;
		}
		if (word[0] == '-' && *option->letter && word[1] == *option->letter &&
			(!word[2] || option->value)) {
			*ret_value = word[2] ? word + 2 : NULL;
			return option;
		}
	}
	return NULL;
}

static int complain(const struct settings_option *option, const char *value)
{
	if (!value)
		(void)fprintf(stderr, "authctl: --%s needs a value: %s\n", option->name,
			option->choices ? option->choices : option->value);
	else
		(void)fprintf(stderr, "authctl: --%s: not '%s': %s\n", option->name, value,
			option->choices ? option->choices
			: option->value ? option->value
					: "it takes no value");
	return -EINVAL;
}

int settings_take(struct settings *settings, int count, char **words)
{
	int kept = 0;

	for (int i = 0; i < count; i++) {
		const char *value = NULL;
		const struct settings_option *option = option_of(words[i], &value);

		if (!strcmp(words[i], "--")) {
			while (++i < count)
				words[kept++] = words[i];
			break;
		}
		if (!option) {
			words[kept++] = words[i];
			continue;
		}
		if (option->value && *option->value != '[' && !value) {
			if (i + 1 == count)
				return complain(option, NULL);
			value = words[++i];
		}
		if ((value && !option->value) || option->set(settings, value) < 0)
			return complain(option, value);
	}
	return kept;
}
