/*
 * authctl: the operator's shell. One-shot: options, then a command, whose exit code says how it
 * went (client.h). Without a command and on a terminal: the interactive shell.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/client.h"
#include "ctl/grammar.h"
#include "ctl/output.h"
#include "ctl/prompt.h"
#include "shared/macros.h"

#define SOCKET_DEFAULT "/run/authd/authctl.sock"
#define TIMEOUT_DEFAULT_MS 10000

static struct {
	const char *socket;
	uint64_t timeout_ms;
	enum output_format format;
	const char *field;
} settings = { .timeout_ms = TIMEOUT_DEFAULT_MS };

static int usage(FILE *out)
{
	(void)fputs("usage: authctl [options] NOUN VERB [--name VALUE]...\n"
		    "  --socket PATH    where authd listens (AUTHCTL_SOCKET, " SOCKET_DEFAULT ")\n"
		    "  -o FORMAT        table, wide, json, ndjson, csv or value\n"
		    "  -F FIELD         the field that 'value' prints\n"
		    "  --timeout SECS   from connecting to the last row (10)\n"
		    "  --version\n\ncommands:\n",
		out);
	if (out == stdout)
		grammar_help();
	return out == stdout ? EXIT_DONE : EXIT_USAGE;
}

static int field_check(const struct command *command)
{
	for (const struct command_column *c = command->columns; c->name; c++)
		if (settings.field && !strcmp(c->name, settings.field))
			return 0;
	(void)fprintf(stderr, "authctl: -o value needs -F FIELD, one of:");
	for (const struct command_column *c = command->columns; c->name; c++)
		(void)fprintf(stderr, " %s", c->name);
	(void)fputc('\n', stderr);
	return -EINVAL;
}

static int run(int count, char **words)
{
	_cleanup_(buf_deinit) struct buf args = buf_init(32 * 1024);
	struct output output = { .format = settings.format, .field = settings.field };
	struct client client;
	int code;

	if (!strcmp(words[0], "help"))
		return usage(stdout);
	if (grammar_parse(count, words, &output.command, &args) < 0)
		return EXIT_USAGE;
	if (settings.format == OUTPUT_VALUE && field_check(output.command) < 0)
		return EXIT_USAGE;
	code = client_open(&client, settings.socket, settings.timeout_ms);
	if (code == EXIT_DONE) {
		output_begin(&output);
		code = client_run(&client, output.command, buf_str(&args),
			&(struct client_sink){ output_row, &output });
		output_end(&output);
	}
	client_close(&client);
	return code == EXIT_DONE && output.is_bad ? EXIT_ANSWER_NO : code;
}

static int option_set(int option, const char *value)
{
	char *end;
	double seconds;

	switch (option) {
	case 's':
		settings.socket = value;
		return 0;
	case 'o':
		if (output_format_parse(value, &settings.format) == 0)
			return 0;
		(void)fprintf(stderr, "authctl: no output format '%s'\n", value);
		return -EINVAL;
	case 'F':
		settings.field = value;
		return 0;
	case 't':
		seconds = strtod(value, &end);
		if (*end || end == value || !(seconds > 0 && seconds <= 86400)) {
			(void)fprintf(stderr, "authctl: --timeout: '%s' is no time\n", value);
			return -EINVAL;
		}
		settings.timeout_ms = (uint64_t)(seconds * 1000) + 1;
		return 0;
	default:
		return -EINVAL;
	}
}

int main(int argc, char **argv)
{
	static const struct option options[] = { { "socket", required_argument, NULL, 's' },
		{ "output", required_argument, NULL, 'o' },
		{ "field", required_argument, NULL, 'F' },
		{ "timeout", required_argument, NULL, 't' }, { "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'v' }, {} };
	const char *from_environment = getenv("AUTHCTL_SOCKET");
	int option;

	settings.socket = from_environment ? from_environment : SOCKET_DEFAULT;
	/* '+': options end at the command, whose arguments are its own. */
	while ((option = getopt_long(argc, argv, "+o:F:h", options, NULL)) != -1) {
		if (option == 'h')
			return usage(stdout);
		if (option == 'v')
			return printf("authctl %s\n", AUTHD_VERSION) < 0;
		if (option_set(option, optarg) < 0)
			return option == '?' ? usage(stderr) : EXIT_USAGE;
	}
	if (optind < argc)
		return run(argc - optind, argv + optind);
	if (!isatty(STDIN_FILENO))
		return usage(stderr);
	return prompt_loop("authctl", run);
}
