/* See run.h. */
#include "ctl/run.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "ctl/escape.h"
#include "ctl/heapdiff.h"
#include "ctl/help.h"
#include "ctl/locals.h"
#include "ctl/output.h"
#include "ctl/secret.h"
#include "ctl/watch.h"
#include "shared/clock.h"
#include "shared/macros.h"
#include "shared/random.h"

#define REPORT_DEFAULT "authd-report.tar"

void session_init(struct session *session, const struct settings *settings)
{
	*session =
		(struct session){ .settings = *settings, .client = { .fd = -1, .passed_fd = -1 } };
}

void session_deinit(struct session *session)
{
	client_close(&session->client);
}

/* --- the connection --- */

static void ignore_row(_unused_ const struct json *row, _unused_ void *arg)
{
}

/* --as: given away once, for as long as the connection lasts. */
static int lower_level(struct session *session, const struct settings *settings)
{
	char args[64];
	int n = snprintf(args, sizeof(args), "{\"level\":\"%s\"}", settings->as);
	const struct client_request request = { .command = command_find(STR("meta.level")),
		.args = str_of(args, (size_t)n),
		.generation = -1,
		.timeout_ms = settings->timeout_ms };
	const struct client_sink sink = { .row = ignore_row };
	int r = client_run(&session->client, &request, &sink);

	if (r == EXIT_DONE)
		(void)snprintf(
			session->client.level, sizeof(session->client.level), "%s", settings->as);
	return r;
}

/* The daemon may have closed it meanwhile: it was idle for too long, or has ended. */
static bool is_alive(const struct client *client)
{
	char byte;

	if (client->fd < 0)
		return false;
	return recv(client->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN;
}

/* Not told at once: the first to notice is often a question that nobody sees. */
static void news_note(struct session *session, bool was_open)
{
	bool is_same = !strcmp(session->boot, session->client.boot);

	if (session->boot[0] && !is_same)
		session->news = "authd was restarted meanwhile";
	else if (session->boot[0] && was_open && !session->news && !session->client.is_silent)
		session->news = "connected again";
	(void)snprintf(session->boot, sizeof(session->boot), "%s", session->client.boot);
}

void session_news(struct session *session)
{
	if (!session->is_shell || session->client.is_silent || !session->news)
		return;
	(void)fprintf(stderr, "authctl: %s\n", session->news);
	session->news = NULL;
}

static int connect_again(struct session *session, const struct settings *settings)
{
	bool was_open = session->client.fd >= 0;
	int r;

	client_close(&session->client);
	r = client_open(&session->client, settings->socket, settings->timeout_ms);
	if (r != EXIT_DONE) {
		client_close(&session->client);
		return r;
	}
	news_note(session, was_open);
	return settings->as ? lower_level(session, settings) : EXIT_DONE;
}

int session_connect(struct session *session, const struct settings *settings)
{
	int r = is_alive(&session->client) ? EXIT_DONE : connect_again(session, settings);

	if (r == EXIT_DONE)
		session_news(session);
	return r;
}

int session_ask(struct session *session, const char *command, const char *args, uint64_t timeout_ms,
	const struct client_sink *sink)
{
	struct settings settings = session->settings;
	struct client_request request = { .command = command_find(str_cstr(command)),
		.args = str_cstr(args),
		.generation = -1,
		.timeout_ms = timeout_ms };
	int r;

	settings.timeout_ms = timeout_ms;
	session->client.is_silent = true;
	r = session_connect(session, &settings);
	session->client.is_silent = true; /* a new connection has forgotten it */
	if (r == EXIT_DONE)
		r = client_run(&session->client, &request, sink);
	session->client.is_silent = false;
	return r;
}

/* --- one command --- */

struct running {
	struct output output;
	bool is_quiet;
};

static void on_row(const struct json *row, void *arg)
{
	output_row(row, &((struct running *)arg)->output);
}

static void on_event(const struct json *frame, void *arg)
{
	output_event(frame, &((struct running *)arg)->output);
	if (ferror(stdout))
		client_interrupted = 1; /* nobody reads any more */
}

static void on_notice(struct str text, void *arg)
{
	if (((struct running *)arg)->is_quiet)
		return;
	escape_print(stderr, text, 0);
	(void)fputc('\n', stderr);
}

static void passed_drop(struct session *session)
{
	if (session->client.passed_fd >= 0)
		close(session->client.passed_fd);
	session->client.passed_fd = -1;
}

/* What came as a descriptor goes into a file of the operator's. */
static int passed_save(struct session *session, const struct invocation *invocation)
{
	const char *path = invocation->locals[0];
	char block[65536];
	ssize_t n;
	int fd, r = EXIT_DONE;

	if (!path && (invocation->command->flags & COMMAND_OFFERS))
		passed_drop(session);
	if (session->client.passed_fd < 0)
		return EXIT_DONE;
	path = path ? path : REPORT_DEFAULT;
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	while (fd >= 0 && (n = read(session->client.passed_fd, block, sizeof(block))) > 0)
		if (write(fd, block, (size_t)n) != n)
			r = EXIT_REFUSED;
	if (fd < 0 || r != EXIT_DONE)
		(void)fprintf(stderr, "authctl: %s: %s\n", path, strerror(errno));
	else
		(void)fprintf(stderr, "written to %s\n", path);
	if (fd >= 0)
		close(fd);
	passed_drop(session);
	return fd < 0 ? EXIT_REFUSED : r;
}

/* What the daemon waits for until it ends is over when it has ended. */
static bool is_about_the_end(const struct invocation *invocation)
{
	return invocation->subject && !strcmp(invocation->subject, "drained");
}

#define RETRY_MS 100

/*
 * Asks again and again while the daemon is not there, until the time is over: it may be starting,
 * or be between two starts.
 */
static int ask_patiently(struct session *session, const struct settings *settings,
	const struct invocation *invocation, const struct client_request *request,
	const struct client_sink *sink)
{
	uint64_t end_ns = clock_after_ms(clock_now_ns(), settings->timeout_ms), now_ns;
	const struct timespec pause = { .tv_nsec = RETRY_MS * NS_PER_MS };
	struct client_request again = *request;
	struct settings left = *settings;
	int r;

	for (;;) {
		r = session_connect(session, &left);
		session->client.is_silent = false;
		if (r == EXIT_DONE)
			r = client_run(&session->client, &again, sink);
		now_ns = clock_now_ns();
		if (r != EXIT_CONNECTION || client_interrupted || is_about_the_end(invocation))
			break;
		if (now_ns >= end_ns) {
			(void)fputs("authctl: it was not there in time (--timeout)\n", stderr);
			r = EXIT_TIMEOUT;
			break;
		}
		session->client.is_silent = true; /* one sentence about it is enough */
		(void)nanosleep(&pause, NULL);
		left.timeout_ms = again.timeout_ms = (end_ns - now_ns) / NS_PER_MS + 1;
	}
	return client_interrupted ? EXIT_INTERRUPTED : r;
}

static int run_once(struct session *session, const struct settings *settings,
	const struct invocation *invocation, const struct client_request *request, unsigned line)
{
	struct running running = {
		.output = { .settings = settings, .command = invocation->command, .line = line },
		.is_quiet = settings->is_quiet
	};
	const struct client_sink sink = {
		.row = on_row, .event = on_event, .notice = on_notice, .arg = &running
	};
	int r;

	output_begin(&running.output);
	if (invocation->command->flags & COMMAND_RETRIES)
		r = ask_patiently(session, settings, invocation, request, &sink);
	else
		r = client_run(&session->client, request, &sink);
	running.output.is_failed = r != EXIT_DONE && r != EXIT_PARTIAL && !running.output.rows;
	output_end(&running.output);
	if (r == EXIT_INTERRUPTED && ferror(stdout))
		r = EXIT_PIPE;
	if (r == EXIT_DONE)
		r = passed_save(session, invocation);
	return r == EXIT_DONE && running.output.is_bad ? EXIT_ANSWER_NO : r;
}

/* A command that has a --timeout of its own says what it has found when that is over: it is told
 * the time, and waited for a little longer. */
#define TIMEOUT_GRACE_MS 5000

static bool has_timeout_argument(const struct command *command)
{
	const struct command_argument *argument = command_argument_find(command, STR("timeout"));

	return argument && (argument->flags & ARGUMENT_OPTION);
}

static int timeout_tell(struct invocation *invocation, uint64_t ms)
{
	char text[32]; /* a number */
	int n = snprintf(text, sizeof(text), "%llums", (unsigned long long)ms);

	return invocation_add(invocation, "timeout", str_of(text, (size_t)n));
}

/* --- confirmation --- */

/* 0, or EXIT_UNCONFIRMED. *answer is what is confirmed with. */
static int ask(const struct invocation *invocation, char *answer, size_t bytes)
{
	bool by_name = invocation->command->flags & COMMAND_ASKS_NAME;

	(void)fprintf(stderr, "%s.\n", invocation->command->help);
	if (by_name)
		(void)fprintf(stderr,
			"%s.\nType '%s' to go on: ", command_warning(invocation->command),
			invocation->subject);
	else
		(void)fputs("Go on? [y/N] ", stderr);
	(void)fflush(stderr);
	if (!fgets(answer, (int)bytes, stdin))
		return EXIT_UNCONFIRMED;
	answer[strcspn(answer, "\n")] = '\0';
	if (by_name ? !strcmp(answer, invocation->subject) : !strcmp(answer, "y"))
		return 0;
	(void)fputs("authctl: nothing was done\n", stderr);
	return EXIT_UNCONFIRMED;
}

/* Shows what would happen, then asks. Never without a terminal: scripts would wait for ever. */
static int confirm(struct session *session, const struct settings *settings,
	const struct invocation *invocation, struct client_request *request, char *answer,
	size_t bytes)
{
	const unsigned flags = invocation->command->flags;
	struct settings table = *settings;
	int r;

	if (!invocation->asks || settings->yes || settings->is_dry_run)
		return EXIT_DONE;
	if (!isatty(STDIN_FILENO)) {
		(void)fprintf(stderr,
			"authctl: refused: needs confirmation and stdin is not a terminal  (add "
			"--yes%s%s)\n",
			flags & COMMAND_ASKS_NAME ? "=" : "",
			flags & COMMAND_ASKS_NAME ? invocation->subject : "");
		return EXIT_UNCONFIRMED;
	}
	table.format = OUTPUT_TABLE;
	table.is_quiet = true; /* notices are about what was done */
	table.is_preview = true;
	request->is_dry_run = true;
	r = run_once(session, &table, invocation, request, 0);
	request->is_dry_run = false;
	if (r == EXIT_DONE)
		r = ask(invocation, answer, bytes);
	request->yes = answer;
	return r;
}

/* --- all of it --- */

/* Nobody is asked for a password only to be told that he may not: the daemon says that at once. */
static bool is_allowed(const struct session *session, const struct command *command)
{
	enum command_level level = LEVEL_NONE;

	return command_level_parse(str_cstr(session->client.level), &level) < 0 ||
	       level >= command->level;
}

/* What takes long is not done for a file that cannot be made in the end. */
static bool has_file(const struct invocation *invocation)
{
	const char *path = invocation->locals[0];

	if (!(invocation->command->flags & COMMAND_OFFERS) || !path || access(path, F_OK) < 0)
		return false;
	(void)fprintf(stderr, "authctl: %s: %s\n", path, strerror(EEXIST));
	return true;
}

static int run_invocation(struct session *session, const struct settings *settings,
	struct invocation *invocation, unsigned line)
{
	char key[UUID_BYTES], answer[256] = "";
	struct client_request request = { .command = invocation->command,
		.args = buf_str(&invocation->args),
		.is_dry_run = settings->is_dry_run,
		.yes = settings->yes,
		.key = settings->key ? settings->key : uuid_new(key).data,
		.generation = settings->generation,
		.timeout_ms = settings->timeout_ms };
	bool is_change = invocation->command->flags & COMMAND_MUTATES;
	int r;

	if (has_file(invocation))
		return EXIT_REFUSED;
	if (invocation->command->flags & COMMAND_RETRIES)
		return run_once(session, settings, invocation, &request, line);
	if (settings->has_timeout && has_timeout_argument(invocation->command)) {
		if (timeout_tell(invocation, settings->timeout_ms) < 0)
			return EXIT_USAGE;
		request.timeout_ms += TIMEOUT_GRACE_MS;
	}
	r = session_connect(session, settings);
	if (r == EXIT_DONE && is_allowed(session, invocation->command))
		r = secret_add(settings, invocation);
	request.args = buf_str(&invocation->args);
	if (r == EXIT_DONE)
		r = confirm(session, settings, invocation, &request, answer, sizeof(answer));
	if (r != EXIT_DONE)
		return r;
	r = run_once(session, settings, invocation, &request, line);
	if (r == EXIT_CONNECTION && is_change)
		(void)fputs(
			"authctl: whether it was done is not known: authctl audit list\n", stderr);
	return r;
}

static void remember(struct session *session, const struct invocation *invocation)
{
	(void)snprintf(session->redacted, sizeof(session->redacted), STR_FORMAT,
		STR_ARGS(buf_str(&invocation->redacted)));
}

int session_run(struct session *session, int count, char **words, unsigned line)
{
	_cleanup_(invocation_deinit) struct invocation invocation = {};
	struct settings settings = session->settings;
	const struct local *local;
	int r;

	count = settings_take(&settings, count, words);
	if (count < 0)
		return EXIT_USAGE;
	if (!count)
		return settings.is_help ? help_print(&settings, 0, NULL) : EXIT_DONE;
	if (settings.is_help)
		return help_print(&settings, count, words);
	local = local_find(words[0], session->is_shell);
	if (local)
		return local->run(session, &settings, count, words);
	r = grammar_parse(count, words, session->is_shell, &invocation);
	remember(session, &invocation);
	if (r < 0 || output_check(&settings, invocation.command) < 0)
		return EXIT_USAGE;
	if (invocation.command->flags & COMMAND_LOCAL)
		return heapdiff_run(&settings, &invocation);
	/* wait lasts as long as it takes, unless a time was said. */
	if ((invocation.command->flags & COMMAND_WAITS) && !settings.has_timeout)
		settings.timeout_ms = 86400000;
	if (settings.watch_ms)
		r = watch_run(session, &settings, &invocation);
	else
		r = run_invocation(session, &settings, &invocation, line);
	if (!session->is_kept)
		client_close(&session->client);
	return r;
}
