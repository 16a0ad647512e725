/* Printing rows: see output.h. What came from outside is escaped before a terminal sees it. */
#include "ctl/output.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/buf.h"
#include "shared/macros.h"

#define CELL_BYTES_MAX (64 * 1024) /* one value; an answer line is at most 1 MiB */

int output_format_parse(const char *name, enum output_format *ret_format)
{
	static const char *const names[] = { "table", "wide", "json", "ndjson", "csv", "value" };

	for (unsigned i = 0; i < ARRAY_SIZE(names); i++)
		if (!strcmp(name, names[i])) {
			*ret_format = (enum output_format)i;
			return 0;
		}
	return -EINVAL;
}

/* --- one value --- */

/* C0, DEL, C1 and what turns the direction of text around: as \xNN, never raw. */
static void put_escaped(FILE *out, struct str text)
{
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.data[i];
		unsigned char next = i + 1 < text.len ? (unsigned char)text.data[i + 1] : 0;
		unsigned char third = i + 2 < text.len ? (unsigned char)text.data[i + 2] : 0;
		bool is_c1 = c == 0xc2 && next >= 0x80 && next < 0xa0;
		/* U+200E, U+200F, U+202A..E, U+2066..9 */
		bool is_bidi =
			c == 0xe2 && ((next == 0x80 && (third == 0x8e || third == 0x8f ||
							       (third >= 0xaa && third <= 0xae))) ||
					     (next == 0x81 && third >= 0xa6 && third <= 0xa9));

		unsigned bytes = is_bidi ? 3 : is_c1 ? 2 : c < ' ' || c == 0x7f;

		if (!bytes)
			(void)fputc(c, out);
		for (unsigned j = 0; j < bytes; j++)
			(void)fprintf(out, "\\x%02x", (unsigned char)text.data[i + j]);
		i += bytes ? bytes - 1 : 0;
	}
}

static void put_bytes(FILE *out, double bytes)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
	unsigned unit = 0;

	for (; bytes >= 1024 && unit + 1 < ARRAY_SIZE(units); unit++)
		bytes /= 1024;
	(void)fprintf(out, unit && bytes < 10 ? "%.1f %s" : "%.0f %s", bytes, units[unit]);
}

static void put_seconds(FILE *out, double seconds)
{
	uint64_t whole = (uint64_t)seconds;

	if (seconds < 1)
		(void)fprintf(out, "%.2f ms", seconds * 1000);
	else if (seconds < 60)
		(void)fprintf(out, "%.1f s", seconds);
	else if (seconds < 86400)
		(void)fprintf(out, "%02" PRIu64 ":%02" PRIu64 ":%02" PRIu64, whole / 3600,
			whole / 60 % 60, whole % 60);
	else
		(void)fprintf(out, "%" PRIu64 "d %02" PRIu64 ":%02" PRIu64, whole / 86400,
			whole / 3600 % 24, whole / 60 % 60);
}

/* The value as JSON text: numbers exactly as the daemon sent them. */
static void put_raw(FILE *out, const struct json *value, bool is_json)
{
	_cleanup_(buf_deinit) struct buf text = buf_init(CELL_BYTES_MAX);
	struct str string;

	if (!is_json && json_get_str(value, &string) == 0)
		put_escaped(out, string);
	else if (value && json_print(value, &text) == 0 &&
		 (is_json || !str_equal(buf_str(&text), STR("null"))))
		(void)fwrite(text.data, 1, text.len, out);
}

static void put_human(FILE *out, const struct command_column *column, const struct json *value)
{
	_cleanup_(buf_deinit) struct buf text = buf_init(CELL_BYTES_MAX);
	bool is_true;
	double number = 0;

	if (json_get_bool(value, &is_true) == 0) {
		(void)fputs(is_true ? "yes" : "NO", out);
		return;
	}
	if (value && json_print(value, &text) == 0 && buf_append_char(&text, '\0') == 0)
		number = strtod(text.data, NULL);
	if (!value || !text.len || !strcmp(text.data, "null"))
		(void)fputc('-', out);
	else if (column->type == COLUMN_BYTES)
		put_bytes(out, number);
	else if (column->type == COLUMN_SECONDS)
		put_seconds(out, number);
	else if (column->type == COLUMN_RATIO)
		(void)fprintf(out, "%.0f %%", number * 100);
	else
		put_raw(out, value, false);
}

/* --- tables --- */

static void cell_add(struct output *output, char *text)
{
	if (output->cell_count == output->cell_room) {
		unsigned room = output->cell_room ? 2 * output->cell_room : 64;
		char **grown = reallocarray(output->cells, room, sizeof(*grown));

		if (!grown)
			abort(); /* authctl may: nothing is lost */
		output->cells = grown;
		output->cell_room = room;
	}
	output->cells[output->cell_count++] = text;
}

static bool is_shown(const struct output *output, const struct command_column *column)
{
	return !column->is_wide || output->format == OUTPUT_WIDE;
}

static char *cell_of(const struct command_column *column, const struct json *value)
{
	char *text = NULL;
	size_t bytes;
	FILE *out = open_memstream(&text, &bytes);

	if (!out)
		abort();
	put_human(out, column, value);
	(void)fclose(out);
	return text;
}

/* Columns of a terminal are characters, not bytes. */
static int width_of(const char *text)
{
	return (int)str_utf8_count(str_cstr(text));
}

static bool is_number(enum column_type type)
{
	return type != COLUMN_TEXT && type != COLUMN_BOOL && type != COLUMN_TIME;
}

static void print_cell(const char *text, int width, bool is_right, bool is_last)
{
	int pad = width - width_of(text);

	if (is_last && !is_right)
		pad = 0;
	(void)printf("%*s%s%*s%s", is_right ? pad : 0, "", text, is_right ? 0 : pad, "",
		is_last ? "\n" : "  ");
}

static void print_table(struct output *output)
{
	const struct command_column *shown[64];
	unsigned columns = 0;
	int width[64];

	for (const struct command_column *c = output->command->columns; c->name; c++)
		if (is_shown(output, c) && columns < ARRAY_SIZE(shown)) {
			width[columns] = width_of(c->name);
			shown[columns++] = c;
		}
	for (unsigned i = 0; i < output->cell_count; i++)
		width[i % columns] = MAX(width[i % columns], width_of(output->cells[i]));
	for (unsigned i = 0; i < columns; i++)
		print_cell(shown[i]->name, width[i], is_number(shown[i]->type), i + 1 == columns);
	for (unsigned i = 0; i < output->cell_count; i++)
		print_cell(output->cells[i], width[i % columns],
			is_number(shown[i % columns]->type), i % columns + 1 == columns);
}

/* A single answer is a list of names and values; what is empty is left out. */
static void print_single(const struct output *output, const struct json *row)
{
	for (const struct command_column *c = output->command->columns; c->name; c++) {
		_cleanup_(buf_deinit) struct buf name = buf_init(64);
		char *text;

		if (!is_shown(output, c))
			continue;
		text = cell_of(c, json_member(row, c->name));
		if (*text) {
			(void)!buf_append(&name, str_cstr(c->name));
			for (size_t i = 0; i < name.len; i++)
				if (name.data[i] == '_')
					name.data[i] = ' ';
			(void)printf("%-20.*s %s\n", (int)name.len, name.data, text);
		}
		free(text);
	}
}

/* --- CSV (RFC 4180) --- */

static void print_csv_text(struct str text)
{
	bool is_quoted = false;

	for (size_t i = 0; i < text.len; i++)
		is_quoted |= strchr(",\"\r\n", text.data[i]) != NULL;
	if (is_quoted)
		(void)putchar('"');
	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] == '"')
			(void)putchar('"');
		(void)putchar(text.data[i]);
	}
	if (is_quoted)
		(void)putchar('"');
}

static void print_csv(const struct output *output, const struct json *row)
{
	for (const struct command_column *c = output->command->columns; c->name; c++) {
		struct str text;

		if (c != output->command->columns)
			(void)putchar(',');
		if (!row)
			print_csv_text(str_cstr(c->name));
		else if (json_get_str(json_member(row, c->name), &text) == 0)
			print_csv_text(text);
		else
			put_raw(stdout, json_member(row, c->name), false);
	}
	(void)fputs("\r\n", stdout);
}

/* --- what main calls --- */

void output_begin(struct output *output)
{
	if (output->format == OUTPUT_CSV)
		print_csv(output, NULL);
	if (output->format == OUTPUT_JSON && !output->command->is_single)
		(void)putchar('[');
}

void output_row(const struct json *row, void *arg)
{
	struct output *output = arg;
	bool is_ok;

	if (json_get_bool(json_member(row, "ok"), &is_ok) == 0 && !is_ok)
		output->is_bad = true;
	switch (output->format) {
	case OUTPUT_TABLE:
	case OUTPUT_WIDE:
		if (output->command->is_single) {
			print_single(output, row);
			break;
		}
		for (const struct command_column *c = output->command->columns; c->name; c++)
			if (is_shown(output, c))
				cell_add(output, cell_of(c, json_member(row, c->name)));
		break;
	case OUTPUT_JSON:
		if (output->rows)
			(void)putchar(',');
		put_raw(stdout, row, true);
		break;
	case OUTPUT_NDJSON:
		put_raw(stdout, row, true);
		(void)putchar('\n');
		(void)fflush(stdout);
		break;
	case OUTPUT_CSV:
		print_csv(output, row);
		break;
	case OUTPUT_VALUE:
		put_raw(stdout, json_member(row, output->field), false);
		(void)putchar('\n');
		break;
	}
	output->rows++;
}

void output_end(struct output *output)
{
	bool is_table = output->format == OUTPUT_TABLE || output->format == OUTPUT_WIDE;

	if (is_table && !output->command->is_single)
		print_table(output);
	if (output->format == OUTPUT_JSON)
		(void)fputs(output->command->is_single ? "\n" : "]\n", stdout);
	for (unsigned i = 0; i < output->cell_count; i++)
		free(output->cells[i]);
	free(output->cells);
	output->cells = NULL;
	output->cell_count = output->cell_room = 0;
	(void)fflush(stdout);
}
