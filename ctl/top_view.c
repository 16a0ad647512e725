/* Drawing top: see top_view.h. */
#include "ctl/top_view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/screen.h"
#include "shared/clock.h"
#include "shared/macros.h"
#include "shared/outcome.h"

/* Below so many columns the names of the tabs stand close together. */
#define COLUMNS_WIDE 96

const struct top_tab top_tabs[] = {
	{ '1', "routes", "route.list" },
	{ '2', "cores", "core.list" },
	{ '3', "pools", "pool.list" },
	{ '4', "caches", "cache.list" },
	{ '5', "breakers", "breaker.list" },
	{ '6', "clients", "conn.list" },
	{ '7', "requests", "op.list" },
};
const unsigned top_tab_count = ARRAY_SIZE(top_tabs);

bool top_has_tab(const struct top_tab *tab)
{
	return command_find(str_cstr(tab->command)) != NULL;
}

static const char *line_next(const char *text)
{
	text += strcspn(text, "\n");
	return *text ? text + 1 : text;
}

static unsigned lines_of(const char *text)
{
	unsigned lines = 0;

	for (; text && *text; text = line_next(text))
		lines++;
	return lines;
}

/* A line as far as there are columns. Cleared first: behind the last one there is nowhere to clear
 * from. */
static void put_line(const char *text, unsigned columns)
{
	char *line = strndup(text, strcspn(text, "\n"));

	if (!line)
		abort();
	(void)fputs("\033[2K", stdout);
	(void)screen_print_cut(stdout, line, columns);
	(void)fputs("\r\n", stdout);
	free(line);
}

/* At most so many lines. */
static unsigned put_lines(const char *text, unsigned lines, unsigned columns)
{
	unsigned used = 0;

	for (; text && *text && used < lines; text = line_next(text), used++)
		put_line(text, columns);
	return used;
}

/* The name of the column that the list is sorted by. */
static const char *sort_name(const struct top *top)
{
	unsigned at = 0;

	for (const struct command_column *c = command_find(str_cstr(top->tab->command))->columns;
		c->name; c++)
		if (!(c->flags & COLUMN_WIDE) && ++at == top->sort)
			return c->name;
	return "";
}

/* rows: of the list that have room. */
static void put_tabs(const struct top *top, unsigned rows, unsigned columns)
{
	unsigned all = lines_of(top->list), below = all ? all - 1 : 0;
	const char *gap = columns < COLUMNS_WIDE ? "" : " ";
	char *text = NULL;
	size_t bytes;
	FILE *out = open_memstream(&text, &bytes);

	if (!out)
		abort();
	for (unsigned i = 0; i < top_tab_count; i++)
		if (top_has_tab(&top_tabs[i]))
			(void)fprintf(out, "%s%s%c %s%s%s ",
				&top_tabs[i] == top->tab ? "\033[7m" : "", gap, top_tabs[i].key,
				top_tabs[i].name, gap, &top_tabs[i] == top->tab ? "\033[0m" : "");
	if (top->is_frozen)
		(void)fputs(" frozen", out);
	if (top->filter[0] || top->is_filtering)
		(void)fprintf(out, " /%s%s", top->filter, top->is_filtering ? "_" : "");
	if (top->sort)
		(void)fprintf(out, " by %s", sort_name(top));
	if (below > rows && !top->is_helping)
		(void)fprintf(out, " %u..%u of %u", top->scroll + 1, MIN(top->scroll + rows, below),
			below);
	(void)fclose(out);
	put_line(text, columns);
	free(text);
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
	else
		(void)fputs(top->notice, stdout);
	(void)fputs("\033[K\r\n", stdout);
}

static const char help_text[] = "1..7, Left, Right  another list\n"
				"<  >               sort by another column\n"
				"Up, Down, PgUp...  what has no room\n"
				"/                  only lines with a text; Esc: all\n"
				"space              freeze, and go on\n"
				"w                  write the screen to a file\n"
				"q                  leave\n";

/* The head of the list stays where it is. */
static void put_list(const struct top *top, unsigned rows, unsigned columns)
{
	const char *text = top->list;

	(void)put_lines(text, 1, columns);
	for (unsigned i = 0; text && i <= top->scroll; i++)
		text = line_next(text);
	(void)put_lines(text, rows, columns);
}

void top_draw(struct top *top)
{
	unsigned columns, lines, used;

	screen_size(&columns, &lines);
	(void)fputs("\033[H\033[?7l", stdout); /* home; nothing wraps */
	used = put_lines(top->status, lines > 8 ? lines - 6 : lines, columns);
	if (used + 4 < lines) {
		/* One for the age, one for the tabs, one for the head; the last stays empty. */
		unsigned rows = lines - used - 4, all = lines_of(top->list);

		top->scroll = MIN(top->scroll, all > rows + 1 ? all - 1 - rows : 0);
		put_age(top);
		put_tabs(top, rows, columns);
		if (top->is_helping)
			(void)put_lines(help_text, rows + 1, columns);
		else
			put_list(top, rows, columns);
	}
	(void)fputs("\033[J\033[?7h", stdout);
	(void)fflush(stdout);
}
