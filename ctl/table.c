/* Tables: see table.h. */
#include "ctl/table.h"

#include <stdlib.h>
#include <string.h>

#include "ctl/human.h"
#include "ctl/screen.h"
#include "shared/macros.h"

#define GAP 2 /* spaces between columns */
/* A text that gives way keeps so many characters: an address stays whole. */
#define CELL_WIDTH_FAIR 24
/* And so many when nothing else helps. */
#define CELL_WIDTH_MIN 10

/* --- cells --- */

static struct output_cell *cell_add(struct output *output, char *text)
{
	struct output_cell *cell;

	if (output->cell_count == output->cell_room) {
		unsigned room = output->cell_room ? 2 * output->cell_room : 64;
		struct output_cell *grown = reallocarray(output->cells, room, sizeof(*grown));

		if (!grown)
			abort(); /* authctl may: nothing is lost */
		output->cells = grown;
		output->cell_room = room;
	}
	cell = &output->cells[output->cell_count++];
	*cell = (struct output_cell){ .text = text };
	return cell;
}

bool table_shows(const struct output *output, const struct command_column *column)
{
	return !(column->flags & COLUMN_WIDE) || output->settings->format == OUTPUT_WIDE;
}

/* A verdict that is bad must be seen without colours, too. */
static bool is_verdict(const struct command_column *column)
{
	return !strcmp(column->name, "ok") || !strcmp(column->name, "answers");
}

char *table_cell(const struct command_column *column, const struct json *value)
{
	char *text = NULL;
	size_t bytes;
	FILE *out = open_memstream(&text, &bytes);

	if (!out)
		abort();
	if (column->flags & COLUMN_COUNTER && column->type == COLUMN_INTEGER &&
		!json_is_null(value))
		human_count(out, human_number(value));
	else
		human_value(out, column->type, value);
	(void)fclose(out);
	if (is_verdict(column) && !strcmp(text, "no"))
		memcpy(text, "NO", 2);
	return text;
}

static bool is_right(enum column_type type)
{
	return type != COLUMN_TEXT && type != COLUMN_BOOL && type != COLUMN_TIME &&
	       type != COLUMN_USER;
}

/* --- what has changed since the table before --- */

static unsigned columns_shown(const struct output *output)
{
	unsigned count = 0;

	for (const struct command_column *c = output->command->columns; c->name; c++)
		count += table_shows(output, c);
	return count;
}

/* The row that begins with the same two cells: rows come and go and change places. */
static const struct output_cell *row_before(
	const struct output *output, const struct output_cell *row, unsigned columns)
{
	const struct output *before = output->before;

	for (unsigned i = 0; before && i + columns <= before->cell_count; i += columns) {
		const struct output_cell *other = &before->cells[i];

		if (!strcmp(other[0].text, row[0].text) &&
			(columns < 2 || !strcmp(other[1].text, row[1].text)))
			return other;
	}
	return NULL;
}

/* A counter and what it grows by; one that is smaller than before began again. */
static void add_rate(struct output_cell *cell, enum column_type type, double before, double seconds)
{
	double rate = seconds > 0 ? (cell->number - before) / seconds : 0;
	char *text = NULL;
	size_t bytes;
	FILE *out;

	if (cell->number == before)
		return;
	out = open_memstream(&text, &bytes);
	if (!out)
		abort();
	(void)fprintf(out, "%s ", cell->text);
	if (rate < 0)
		(void)fputs("reset", out);
	else
		human_rate(out, type, rate);
	(void)fclose(out);
	free(cell->text);
	cell->text = text;
}

void table_add(struct output *output, const struct json *row)
{
	unsigned columns = columns_shown(output), first = output->cell_count, i = 0;
	const struct output_cell *before;

	for (const struct command_column *c = output->command->columns; c->name; c++) {
		struct output_cell *cell;

		if (!table_shows(output, c))
			continue;
		cell = cell_add(output, table_cell(c, json_member(row, c->name)));
		cell->number = human_number(json_member(row, c->name));
		cell->row = first;
	}
	before = row_before(output, &output->cells[first], columns);
	for (const struct command_column *c = output->command->columns; before && c->name; c++) {
		struct output_cell *cell = &output->cells[first + i];

		if (!table_shows(output, c))
			continue;
		if (c->type == COLUMN_TEXT || c->type == COLUMN_BOOL)
			cell->is_changed = strcmp(cell->text, before[i].text) != 0;
		else
			cell->is_changed = cell->number != before[i].number;
		if (c->flags & COLUMN_COUNTER)
			add_rate(cell, c->type, before[i].number, output->seconds);
		i++;
	}
}

struct table {
	struct output *output;
	const struct command_column *shown[OUTPUT_COLUMNS_MAX];
	unsigned width[OUTPUT_COLUMNS_MAX], columns, last;
	unsigned cells; /* that the filter leaves: they are the first */
	bool is_hidden[OUTPUT_COLUMNS_MAX], has_color;
};

/* --- what a terminal has room for --- */

static unsigned total_width(const struct table *table)
{
	unsigned total = 0;

	for (unsigned i = 0; i < table->columns; i++)
		total += table->is_hidden[i] ? 0 : table->width[i] + (i > 0) * GAP;
	return total;
}

/* The widest texts give way, down to least. Never the first: the next command is typed with it. */
static void texts_squeeze(struct table *table, unsigned screen, unsigned least)
{
	for (;;) {
		unsigned total = total_width(table), widest = 0, over;

		for (unsigned i = 1; i < table->columns; i++)
			if (table->shown[i]->type == COLUMN_TEXT &&
				(!widest || table->width[i] > table->width[widest]))
				widest = i;
		if (total <= screen || !widest || table->width[widest] <= least)
			return;
		over = total - screen;
		table->width[widest] -= MIN(over, table->width[widest] - least);
	}
}

/* From the right: who wants numbers as they grow has -o wide. */
static void counters_hide(struct table *table, unsigned screen)
{
	for (unsigned i = table->columns; i-- > 1 && total_width(table) > screen;)
		table->is_hidden[i] = table->shown[i]->flags & COLUMN_COUNTER;
}

static void table_fit(struct table *table, unsigned screen)
{
	texts_squeeze(table, screen, CELL_WIDTH_FAIR);
	counters_hide(table, screen);
	texts_squeeze(table, screen, CELL_WIDTH_MIN);
}

static void tell_hidden(const struct table *table)
{
	FILE *out = table->output->out;
	bool is_any = false;

	for (unsigned i = 0; i < table->columns; i++) {
		if (!table->is_hidden[i])
			continue;
		(void)fprintf(out, "%s%s", is_any ? ", " : "(no room for: ", table->shown[i]->name);
		is_any = true;
	}
	if (is_any)
		(void)fputs("; -o wide has all)\n", out);
}

static void print_cell(
	const struct table *table, unsigned column, const char *text, enum color color)
{
	FILE *out = table->output->out;
	unsigned want = table->width[column], wide = screen_width(text), have;
	bool right = is_right(table->shown[column]->type), is_last = column == table->last;
	const char *begin = table->has_color ? color_begin(color) : "";
	const char *end = table->has_color ? color_end(color) : "";

	if (table->is_hidden[column])
		return;
	(void)fprintf(out, "%*s%s", right && wide < want ? (int)(want - wide) : 0, "", begin);
	have = screen_print_cut(out, text, want);
	(void)fprintf(out, "%s%*s%s", end, right || is_last ? 0 : (int)(want - have), "",
		is_last ? "\n" : "  ");
}

/* --- choosing and ordering rows --- */

static struct {
	unsigned column; /* from 0 */
	bool is_text, is_sorted;
} order;

/* Numbers from the largest, text from its beginning; what is equal stays as the daemon sent it. */
static int by_order(const void *a, const void *b)
{
	const struct output_cell *left = (const struct output_cell *)a + order.column;
	const struct output_cell *right = (const struct output_cell *)b + order.column;
	int r = 0;

	if (order.is_sorted && order.is_text)
		r = strcmp(left->text, right->text);
	else if (order.is_sorted)
		r = (left->number < right->number) - (left->number > right->number);
	return r ? r : (left->row > right->row) - (left->row < right->row);
}

static void rows_sort(struct table *table)
{
	struct output *output = table->output;

	if (!table->cells)
		return;
	order.is_sorted = output->sort && output->sort <= table->columns;
	order.column = order.is_sorted ? output->sort - 1 : 0;
	order.is_text = !is_right(table->shown[order.column]->type);
	qsort(output->cells, table->cells / table->columns,
		table->columns * sizeof(output->cells[0]), by_order);
}

static bool row_has(const struct output_cell *row, unsigned columns, const char *text)
{
	for (unsigned i = 0; i < columns; i++)
		if (strstr(row[i].text, text))
			return true;
	return false;
}

/* The others move behind those that are kept. */
static void rows_filter(struct table *table)
{
	struct output *output = table->output;
	unsigned columns = table->columns;

	table->cells = 0;
	for (unsigned i = 0; i < output->cell_count; i += columns) {
		struct output_cell *row = &output->cells[i];

		if (output->filter && !row_has(row, columns, output->filter))
			continue;
		for (unsigned j = 0; j < columns; j++) {
			struct output_cell kept = row[j];

			row[j] = output->cells[table->cells + j];
			output->cells[table->cells + j] = kept;
		}
		table->cells += columns;
	}
}

/* --- all of it --- */

/* A column of numbers does not shrink while a table is shown again and again: nothing jumps. */
static void widths_find(struct table *table)
{
	struct output *output = table->output;

	for (unsigned i = 0; i < table->columns; i++)
		if (output->before && is_right(table->shown[i]->type))
			table->width[i] = MAX(table->width[i], output->before->widths[i]);
	for (unsigned i = 0; i < table->cells; i++)
		table->width[i % table->columns] =
			MAX(table->width[i % table->columns], screen_width(output->cells[i].text));
	for (unsigned i = 0; i < table->columns; i++)
		output->widths[i] = table->width[i];
}

void table_print(struct output *output)
{
	struct table table = { .output = output, .has_color = screen_has_color(output->settings) };
	unsigned screen, lines;

	for (const struct command_column *c = output->command->columns; c->name; c++)
		if (table_shows(output, c) && table.columns < OUTPUT_COLUMNS_MAX) {
			table.width[table.columns] = screen_width(c->name);
			table.shown[table.columns++] = c;
		}
	if (!table.columns)
		return;
	rows_filter(&table);
	rows_sort(&table);
	widths_find(&table);
	screen_size(&screen, &lines);
	if (screen && output->settings->format == OUTPUT_TABLE)
		table_fit(&table, screen);
	for (unsigned i = 0; i < table.columns; i++)
		table.last = table.is_hidden[i] ? table.last : i;
	for (unsigned i = 0; i < table.columns; i++)
		print_cell(&table, i, table.shown[i]->name, COLOR_HEAD);
	for (unsigned i = 0; i < table.cells; i++)
		print_cell(&table, i % table.columns, output->cells[i].text,
			output->cells[i].is_changed ? COLOR_CHANGED
						    : color_of_word(output->cells[i].text));
	tell_hidden(&table);
}
