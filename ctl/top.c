/*
 * See top.h. Every interval the daemon is asked for `status` and for the list of the tab, on one
 * connection; its rates are made by one tick for all viewers. A part that came late, or not from
 * every core, says how old it is.
 */
#include "ctl/top.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/output.h"
#include "ctl/run.h"
#include "ctl/screen.h"
#include "ctl/terminal.h"
#include "ctl/top_view.h"
#include "shared/clock.h"
#include "shared/duration.h"
#include "shared/macros.h"

#define INTERVAL_MS 1000
#define INTERVAL_MIN_MS 200
#define PAGE_LINES 10 /* that PgUp and PgDn move a list */
/* With more lines status is shown whole, with fewer in brief: the list is what top is for. */
#define LINES_WHOLE 40

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
	unsigned columns, lines;

	screen_size(&columns, &lines);
	top->settings.is_brief = lines < LINES_WHOLE;
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

static struct output *latest(struct top *top)
{
	return &top->tables[(top->turn + 1) % 2];
}

/* Rows by a column, the largest first for numbers. */
static void list_render(struct top *top, struct output *table)
{
	table->sort = top->sort;
	table->filter = top->filter;
	output_text(table, &table->text);
	free(top->list);
	top->list = TAKE(table->text);
}

static void ask_list(struct top *top)
{
	struct output *table = &top->tables[top->turn % 2], *before = latest(top);
	uint64_t *at_ns = &top->tables_ns[top->turn % 2];
	int r;

	output_free(table);
	*table = (struct output){
		.before = before->command == command_find(str_cstr(top->tab->command)) ? before
										       : NULL,
	};
	*at_ns = clock_now_ns();
	table->seconds = (double)(*at_ns - top->tables_ns[(top->turn + 1) % 2]) / NS_PER_S;
	r = ask(top, top->tab->command, table);
	top->code = is_whole(top->code) ? r : top->code;
	if (is_whole(r)) {
		list_render(top, table);
		top->list_ns = clock_now_ns();
		top->turn++;
	} else {
		output_text(table, &table->text);
		free(TAKE(table->text));
	}
}

/* The same rows in another order, or others of them: at once, and no rate is made of half a second.
 */
static void list_again(struct top *top)
{
	struct output *table = latest(top);

	top->scroll = 0;
	if (!top->list || table->command != command_find(str_cstr(top->tab->command)))
		return;
	output_begin(table);
	list_render(top, table);
}

/* --- keys --- */

/* A file is read by people and grep: without colours. */
static void put_plain(FILE *file, const char *text)
{
	while (text && *text) {
		size_t plain = strcspn(text, "\033");

		(void)fwrite(text, 1, plain, file);
		text += plain;
		text += strcspn(text, "m");
		text += *text != '\0';
	}
	(void)fputc('\n', file);
}

static void write_screen(struct top *top)
{
	char path[64], time[CLOCK_RFC3339_BYTES];
	FILE *file;

	clock_rfc3339(clock_wall_ms(), time);
	(void)snprintf(path, sizeof(path), "authctl-top-%s.txt", time);
	file = fopen(path, "wxe");
	if (file) {
		(void)fprintf(file, "%s %s\n\n", time, top->tab->name);
		put_plain(file, top->status);
		put_plain(file, top->list);
	}
	if (file && !ferror(file) && fclose(file) == 0)
		(void)snprintf(top->notice, sizeof(top->notice), "written to %s", path);
	else
		(void)snprintf(top->notice, sizeof(top->notice), "%s: %s", path, strerror(errno));
}

static void tab_set(struct top *top, const struct top_tab *tab)
{
	top->tab = tab;
	top->sort = 0;
	top->scroll = 0;
	top->is_due = true;
	free(TAKE(top->list));
}

static void tab_move(struct top *top, int step)
{
	long at = top->tab - top_tabs;

	do
		at = (at + step + (long)top_tab_count) % (long)top_tab_count;
	while (!top_has_tab(&top_tabs[at]));
	tab_set(top, &top_tabs[at]);
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
	list_again(top);
}

/* Through the columns and back to the order of the daemon. */
static void sort_move(struct top *top, int step)
{
	unsigned columns = 0;

	for (const struct command_column *c = command_find(str_cstr(top->tab->command))->columns;
		c->name; c++)
		columns += !(c->flags & COLUMN_WIDE);
	top->sort = (top->sort + columns + 1 + (unsigned)step) % (columns + 1);
	list_again(top);
}

static void scroll_move(struct top *top, int lines)
{
	top->scroll =
		lines < 0 && top->scroll < (unsigned)-lines ? 0 : top->scroll + (unsigned)lines;
}

/* False: leave. */
static bool handle_key(struct top *top, int key)
{
	if (top->is_filtering) {
		filter_key(top, key);
		return true;
	}
	for (unsigned i = 0; i < top_tab_count; i++)
		if (key == top_tabs[i].key && top_has_tab(&top_tabs[i]))
			tab_set(top, &top_tabs[i]);
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
		sort_move(top, 1);
		break;
	case '<':
		sort_move(top, -1);
		break;
	case KEY_UP:
		scroll_move(top, -1);
		break;
	case KEY_DOWN:
		scroll_move(top, 1);
		break;
	case KEY_PAGE_UP:
		scroll_move(top, -PAGE_LINES);
		break;
	case KEY_PAGE_DOWN:
		scroll_move(top, PAGE_LINES);
		break;
	case ' ':
		top->is_frozen = !top->is_frozen;
		break;
	case '/':
		top->is_filtering = true;
		break;
	case KEY_ESCAPE:
		top->filter[0] = '\0';
		list_again(top);
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
			if (!top->is_frozen || top->is_due) {
				ask_status(top);
				ask_list(top);
			}
			top->is_due = false;
			next_ns = clock_after_ms(now_ns, top->interval_ms);
		}
		top_draw(top);
		now_ns = clock_now_ns();
		key = terminal_key(
			next_ns > now_ns ? (int)((next_ns - now_ns) / NS_PER_MS) + 1 : 0);
		if (key != KEY_NONE)
			top->notice[0] = '\0';
		if (!handle_key(top, key))
			return;
		top->is_due |= key == KEY_RESIZED;
		if (top->is_due)
			next_ns = 0;
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
		.tab = &top_tabs[0] };
	int r = interval_take(&top, count, words);

	if (r)
		return r;
	top.settings.format = OUTPUT_TABLE;
	top.settings.no_pager = true;
	/* What is wrong is said before the screen changes. */
	r = session_connect(session, settings);
	if (r != EXIT_DONE)
		return r;
	if (screen_is_dumb() || terminal_enter() < 0) {
		(void)fputs("authctl: top needs a terminal that can more than print (TERM); else: "
			    "authctl status --watch\n",
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
