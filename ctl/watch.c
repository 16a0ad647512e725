/* See watch.h. */
#include "ctl/watch.h"

#include <stdio.h>
#include <time.h>

#include "ctl/output.h"
#include "ctl/run.h"
#include "ctl/screen.h"
#include "shared/clock.h"
#include "shared/macros.h"

#define TERMINAL_CLEAR "\033[H\033[2J"

static void on_row(const struct json *row, void *arg)
{
	output_row(row, arg);
}

/* Each row with the time of its tick: who reads a pipe sees what belongs together. */
static void on_row_piped(const struct json *row, void *arg)
{
	_cleanup_(buf_deinit) struct buf text = buf_init(1024 * 1024);

	if (json_print(row, &text) == 0)
		(void)printf("{\"ts\":\"%s\",\"d\":%.*s}\n", (const char *)arg, (int)text.len,
			text.data);
}

static void sleep_until(uint64_t next_ns)
{
	while (!client_interrupted) {
		uint64_t now_ns = clock_now_ns(), left_ns;
		struct timespec time;

		if (now_ns >= next_ns)
			return;
		left_ns = MIN(next_ns - now_ns, 100 * NS_PER_MS);
		time = (struct timespec){ .tv_nsec = (long)left_ns };
		(void)nanosleep(&time, NULL);
	}
}

static void print_head(const struct settings *settings, const struct invocation *invocation)
{
	char typed[GRAMMAR_NAME_BYTES], time[CLOCK_RFC3339_BYTES];

	(void)printf("%severy %.1f s: %s   %s   ^C ends\n\n",
		screen_is_dumb() ? "\n" : TERMINAL_CLEAR, (double)settings->watch_ms / 1000,
		grammar_typed(invocation->command, typed),
		clock_rfc3339(clock_wall_ms(), time).data);
}

struct watch {
	struct session *session;
	const struct settings *settings;
	const struct invocation *invocation;
	struct output tables[2]; /* this one and the one before, in turn */
	uint64_t at_ns[2];
};

static int ask(struct watch *watch, const struct client_sink *sink)
{
	const struct client_request request = { .command = watch->invocation->command,
		.args = buf_str(&watch->invocation->args),
		.generation = -1,
		.timeout_ms = watch->settings->timeout_ms };
	int r = session_connect(watch->session, watch->settings);

	return r == EXIT_DONE ? client_run(&watch->session->client, &request, sink) : r;
}

static int tick_table(struct watch *watch, unsigned turn)
{
	struct output *table = &watch->tables[turn % 2];
	const struct client_sink sink = { .row = on_row, .arg = table };
	int r;

	output_free(table);
	*table = (struct output){ .settings = watch->settings,
		.command = watch->invocation->command,
		.before = turn ? &watch->tables[(turn + 1) % 2] : NULL };
	watch->at_ns[turn % 2] = clock_now_ns();
	table->seconds =
		turn ? (double)(watch->at_ns[turn % 2] - watch->at_ns[(turn + 1) % 2]) / NS_PER_S
		     : 0;
	output_begin(table);
	r = ask(watch, &sink);
	print_head(watch->settings, watch->invocation);
	output_print(table);
	return r;
}

static int tick_piped(struct watch *watch)
{
	char time[CLOCK_RFC3339_BYTES];
	const struct client_sink sink = { .row = on_row_piped, .arg = time };
	int r;

	clock_rfc3339(clock_wall_ms(), time);
	r = ask(watch, &sink);
	return fflush(stdout) == 0 ? r : EXIT_PIPE;
}

int watch_run(struct session *session, const struct settings *settings,
	const struct invocation *invocation)
{
	struct watch watch = { .session = session, .settings = settings, .invocation = invocation };
	bool is_piped = !screen_is_terminal();
	uint64_t next_ns = clock_now_ns();
	int r = EXIT_DONE;

	if (invocation->command->flags & (COMMAND_MUTATES | COMMAND_STREAM | COMMAND_WAITS)) {
		(void)fputs("authctl: only what looks at something can be watched\n", stderr);
		return EXIT_USAGE;
	}
	for (unsigned turn = 0; r == EXIT_DONE || r == EXIT_PARTIAL; turn++) {
		r = is_piped ? tick_piped(&watch) : tick_table(&watch, turn);
		next_ns = clock_after_ms(next_ns, settings->watch_ms);
		sleep_until(next_ns);
		if (client_interrupted)
			r = EXIT_INTERRUPTED;
	}
	client_interrupted = 0;
	output_free(&watch.tables[0]);
	output_free(&watch.tables[1]);
	return r;
}
