/*
 * See top.h. Every interval the daemon is asked for `status` and for the list of the tab, on one
 * connection; its rates are made by one tick for all viewers. A part that came late, or not from
 * every core, says how old it is.
 */
#include "ctl/top.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/output.h"
#include "ctl/run.h"
#include "ctl/screen.h"
#include "ctl/terminal.h"
#include "shared/clock.h"
#include "shared/duration.h"
#include "shared/macros.h"

#define INTERVAL_MS 1000
#define INTERVAL_MIN_MS 200
#define FILTER_BYTES 64

static const struct tab {
	char key;
	const char *name, *command;
} tabs[] = {
	{ '1', "routes", "route.list" },
	{ '2', "cores", "core.list" },
	{ '3', "pools", "pool.list" },
	{ '4', "caches", "cache.list" },
	{ '5', "breakers", "breaker.list" },
	{ '6', "clients", "conn.list" },
	{ '7', "requests", "op.list" },
};

struct top {
	struct session *session;
	struct settings settings; /* table, no pager */
	uint64_t interval_ms;
	const struct tab *tab;
	unsigned sort; /* column to sort by, from 1; 0: as it comes */
	bool is_frozen, is_filtering, is_helping;
	char filter[FILTER_BYTES];
	/* The latest answers as text, and when they came. */
	char *status, *list;
	uint64_t status_ns, list_ns;
	struct output tables[2];
	uint64_t tables_ns[2];
	unsigned turn;
	int code; /* of the last answer */
};

/* A tab exists when the daemon has its command. */
static bool has_tab(const struct tab *tab)
{
	return command_find(str_cstr(tab->command)) != NULL;
}

/* --- asking --- */

static void on_row(const struct json *row, void *arg)
{
	output_row(row, arg);
}

static int ask(struct top *top, const char *command, struct output *output)
{
	const struct client_sink sink = { .row = on_row, .arg = output };
	const struct client_request request = { .command = command_find(str_cstr(command)),
		.generation = -1,
		.timeout_ms = top->settings.timeout_ms };
	int r;

	output->settings = &top->settings;
	output->command = request.command;
	output_begin(output);
	top->session->client.is_silent = true;
	r = session_connect(top->session, &top->settings);
	top->session->client.is_silent = true;
	if (r == EXIT_DONE)
		r = client_run(&top->session->client, &request, &sink);
	top->session->client.is_silent = false;
	return r;
}

static bool is_whole(int code)
{
	return code == EXIT_DONE || code == EXIT_PARTIAL || code == EXIT_ANSWER_NO;
}

static void ask_status(struct top *top)
{
	struct output output = {};

	top->code = ask(top, "status", &output);
	output_text(&output, &output.text);
	if (is_whole(top->code)) {
		free(top->status);
		top->status = TAKE(output.text);
		top->status_ns = clock_now_ns();
	}
	free(output.text);
	output_free(&output);
}

/* Rows by a column, the largest first for numbers. */
static void ask_list(struct top *top)
{
	unsigned now = top->turn % 2, then = (top->turn + 1) % 2;
	struct output *table = &top->tables[now];
	bool has_before = top->tables[then].command == command_find(str_cstr(top->tab->command));
	int r;

	output_free(table);
	*table = (struct output){ .before = has_before ? &top->tables[then] : NULL,
		.sort = top->sort,
		.filter = top->filter };
	top->tables_ns[now] = clock_now_ns();
	table->seconds = (double)(top->tables_ns[now] - top->tables_ns[then]) / NS_PER_S;
	r = ask(top, top->tab->command, table);
	top->code = is_whole(top->code) ? r : top->code;
	output_text(table, &table->text);
	if (is_whole(r)) {
		free(top->list);
		top->list = TAKE(table->text);
		top->list_ns = clock_now_ns();
		top->turn++;
	}
	free(TAKE(table->text));
}

/* --- drawing --- */

/* At most so many lines, each cut at the edge; what is left of the screen is cleared. */
static unsigned put_lines(const char *text, unsigned lines)
{
	unsigned used = 0;

	while (text && *text && used < lines) {
		size_t len = strcspn(text, "\n");

		/* Cleared first: behind the last column there is nowhere to clear from. */
		(void)printf("\033[2K%.*s\r\n", (int)len, text);
		text += len + (text[len] == '\n');
		used++;
	}
	return used;
}

static void put_tabs(const struct top *top)
{
	for (unsigned i = 0; i < ARRAY_SIZE(tabs); i++)
		if (has_tab(&tabs[i]))
			(void)printf("%s %c %s %s ", &tabs[i] == top->tab ? "\033[7m" : "",
				tabs[i].key, tabs[i].name, &tabs[i] == top->tab ? "\033[0m" : "");
	if (top->is_frozen)
		(void)fputs(" frozen", stdout);
	if (top->filter[0] || top->is_filtering)
		(void)printf(" /%s%s", top->filter, top->is_filtering ? "_" : "");
	if (top->sort)
		(void)printf(" by column %u", top->sort);
	(void)fputs("\033[K\r\n", stdout);
}

/* Never old numbers as if they were new. */
static void put_age(const struct top *top)
{
	uint64_t age_ms = (clock_now_ns() - MIN(top->status_ns, top->list_ns)) / NS_PER_MS;

	if (top->code == EXIT_CONNECTION)
		(void)printf("\033[1;31mno connection: the numbers are %.1f s old\033[0m",
			(double)age_ms / 1000);
	else if (top->code == EXIT_PARTIAL)
		(void)fputs("\033[33msome cores did not answer\033[0m", stdout);
	else if (age_ms > 2 * top->interval_ms && !top->is_frozen)
		(void)printf("\033[33mthe numbers are %.1f s old\033[0m", (double)age_ms / 1000);
	(void)fputs("\033[K\r\n", stdout);
}

static const char help_text[] =
	"1..7, arrows  another list          < >    sort by another column\n"
	"space         freeze and go on      /      show only lines with a text, Esc: all\n"
	"w             write the screen      q      leave\n";

static void draw(const struct top *top)
{
	unsigned columns, lines, used;

	screen_size(&columns, &lines);
	(void)fputs("\033[H\033[?7l", stdout); /* home; lines are cut, not wrapped */
	used = put_lines(top->status, lines > 6 ? lines - 4 : lines);
	if (used + 3 < lines) {
		put_age(top);
		put_tabs(top);
		(void)put_lines(top->is_helping ? help_text : top->list, lines - used - 3);
	}
	(void)fputs("\033[J\033[?7h", stdout);
	(void)fflush(stdout);
}

/* --- keys --- */

static void write_screen(const struct top *top)
{
	char path[64], time[CLOCK_RFC3339_BYTES];
	FILE *file;

	clock_rfc3339(clock_wall_ms(), time);
	(void)snprintf(path, sizeof(path), "authctl-top-%.19s.txt", time);
	file = fopen(path, "wxe");
	if (!file)
		return;
	(void)fprintf(file, "%s\n\n%s\n%s", time, top->status ? top->status : "",
		top->list ? top->list : "");
	(void)fclose(file);
}

static void tab_move(struct top *top, int step)
{
	long at = top->tab - tabs;

	do
		at = (at + step + (long)ARRAY_SIZE(tabs)) % (long)ARRAY_SIZE(tabs);
	while (!has_tab(&tabs[at]));
	top->tab = &tabs[at];
	top->sort = 0;
	free(TAKE(top->list));
}

static void filter_key(struct top *top, int key)
{
	size_t len = strlen(top->filter);

	if (key == KEY_ESCAPE)
		top->filter[0] = '\0';
	if (key == KEY_ESCAPE || key == '\n' || key == '\r')
		top->is_filtering = false;
	else if ((key == 127 || key == 8) && len)
		top->filter[len - 1] = '\0';
	else if (key > 31 && key < 127 && len + 1 < sizeof(top->filter))
		top->filter[len] = (char)key;
}

/* False: leave. */
static bool handle_key(struct top *top, int key)
{
	if (top->is_filtering) {
		filter_key(top, key);
		return true;
	}
	for (unsigned i = 0; i < ARRAY_SIZE(tabs); i++)
		if (key == tabs[i].key && has_tab(&tabs[i])) {
			top->tab = &tabs[i];
			top->sort = 0;
			free(TAKE(top->list));
		}
	switch (key) {
	case 'q':
		return false;
	case KEY_RIGHT:
	case '\t':
		tab_move(top, 1);
		break;
	case KEY_LEFT:
		tab_move(top, -1);
		break;
	case '>':
		top->sort++;
		break;
	case '<':
		top->sort -= top->sort > 0;
		break;
	case ' ':
		top->is_frozen = !top->is_frozen;
		break;
	case '/':
		top->is_filtering = true;
		break;
	case KEY_ESCAPE:
		top->filter[0] = '\0';
		break;
	case 'w':
		write_screen(top);
		break;
	case '?':
	case 'h':
		top->is_helping = !top->is_helping;
		break;
	default:
		break;
	}
	return true;
}

/* --- the loop --- */

static void loop(struct top *top)
{
	uint64_t next_ns = 0;

	while (!client_interrupted) {
		uint64_t now_ns = clock_now_ns();
		int key;

		if (now_ns >= next_ns) {
			if (!top->is_frozen) {
				ask_status(top);
				ask_list(top);
			}
			next_ns = clock_after_ms(now_ns, top->interval_ms);
		}
		draw(top);
		now_ns = clock_now_ns();
		key = terminal_key(
			next_ns > now_ns ? (int)((next_ns - now_ns) / NS_PER_MS) + 1 : 0);
		if (!handle_key(top, key))
			return;
		if (key != KEY_NONE && !top->is_frozen && !top->is_filtering)
			next_ns = 0; /* what was asked for shows at once */
	}
}

static int interval_take(struct top *top, int count, char **words)
{
	const char *value = NULL;

	if (count == 2 && !strncmp(words[1], "--interval=", 11))
		value = words[1] + 11;
	else if (count == 3 && !strcmp(words[1], "--interval"))
		value = words[2];
	else if (count == 1)
		return 0;
	if (value && duration_parse(str_cstr(value), &top->interval_ms) == 0 &&
		top->interval_ms >= INTERVAL_MIN_MS)
		return 0;
	(void)fputs("authctl: top [--interval TIME], at least 200ms\n", stderr);
	return EXIT_USAGE;
}

int top_run(struct session *session, struct settings *settings, int count, char **words)
{
	struct top top = { .session = session,
		.settings = *settings,
		.interval_ms = INTERVAL_MS,
		.tab = &tabs[1] };
	int r = interval_take(&top, count, words);

	if (r)
		return r;
	top.settings.format = OUTPUT_TABLE;
	top.settings.no_pager = true;
	/* What is wrong is said before the screen changes. */
	r = session_connect(session, settings);
	if (r != EXIT_DONE)
		return r;
	if (terminal_enter() < 0) {
		(void)fputs("authctl: top needs a terminal; in a pipe: authctl status --watch\n",
			stderr);
		return EXIT_USAGE;
	}
	loop(&top);
	terminal_leave();
	r = client_interrupted ? EXIT_INTERRUPTED : EXIT_DONE;
	client_interrupted = 0;
	free(top.status);
	free(top.list);
	output_free(&top.tables[0]);
	output_free(&top.tables[1]);
	if (!session->is_kept)
		client_close(&session->client);
	return r;
}
