/* Printing rows: see output.h. What came from outside is escaped before a terminal sees it. */
#include "ctl/output.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/escape.h"
#include "ctl/human.h"
#include "ctl/layout.h"
#include "ctl/screen.h"
#include "ctl/table.h"
#include "shared/buf.h"
#include "shared/macros.h"

#define SINGLE_WIDTH 10 /* of names, at least: short answers look alike */
#define PART_GAP "   "
#define VALUE_BYTES_MAX (1024 * 1024) /* an answer line */

static bool is_table(const struct output *output)
{
	return output->settings->format == OUTPUT_TABLE || output->settings->format == OUTPUT_WIDE;
}

static const struct command_column *column_find(const struct command *command, struct str name)
{
	for (const struct command_column *c = command->columns; c->name; c++)
		if (str_equal(name, str_cstr(c->name)))
			return c;
	return NULL;
}

static int complain(const struct command *command, struct str name)
{
	if (name.len)
		(void)fprintf(
			stderr, "authctl: no field '" STR_FORMAT "', there are:", STR_ARGS(name));
	else
		(void)fputs("authctl: this format needs --field, of:", stderr);
	for (const struct command_column *c = command->columns; c->name; c++)
		(void)fprintf(stderr, " %s", c->name);
	(void)fputc('\n', stderr);
	return -EINVAL;
}

/* The part before {name}, and the name; false at the end, where before is the rest. */
static bool template_next(struct str *rest, struct str *ret_before, struct str *ret_name)
{
	ptrdiff_t open = str_index(*rest, '{');
	ptrdiff_t close = open < 0 ? -1 : str_index(str_skip(*rest, (size_t)open), '}');

	*ret_before = close < 0 ? *rest : str_of(rest->data, (size_t)open);
	if (close < 0)
		return false;
	*ret_name = str_of(rest->data + open + 1, (size_t)close - 1);
	*rest = str_skip(*rest, (size_t)(open + close + 1));
	return true;
}

int output_check(const struct settings *settings, const struct command *command)
{
	struct str rest = str_cstr(settings->field), before, name;

	if (settings->format == OUTPUT_VALUE && !(settings->field && column_find(command, rest)))
		return complain(command, rest);
	if (settings->format != OUTPUT_TEMPLATE)
		return 0;
	if (!settings->field)
		return complain(command, rest);
	while (template_next(&rest, &before, &name))
		if (!column_find(command, name))
			return complain(command, name);
	return 0;
}

/* --- one value, raw --- */

/* JSON text: numbers exactly as the daemon sent them. */
static void put_json(FILE *out, const struct json *value)
{
	_cleanup_(buf_deinit) struct buf text = buf_init(VALUE_BYTES_MAX);

	if (value && json_print(value, &text) == 0)
		(void)fwrite(text.data, 1, text.len, out);
}

/* Bare: text without quotes but escaped, nothing for null. */
static void put_bare(FILE *out, const struct json *value)
{
	struct str string;
	int r = json_get_str(value, &string);

	if (r == 0)
		escape_print(out, string, 0);
	else if (r != -ENOENT)
		put_json(out, value);
}

/* --- single answers --- */

/* What the daemon joins with three spaces is a list: one on each line. */
static void print_parts(FILE *out, const char *text, int indent)
{
	for (const char *gap; (gap = strstr(text, PART_GAP)); text = gap + strlen(PART_GAP))
		(void)fprintf(out, "%.*s\n%*s", (int)(gap - text), text, indent, "");
	(void)fputs(text, out);
}

/* A single answer is a list of names and values, all there are; what is empty is left out. */
static void print_single(const struct output *output, const struct json *row)
{
	bool has_color = screen_has_color(output->settings);
	int width = SINGLE_WIDTH;

	for (const struct command_column *c = output->command->columns; c->name; c++)
		width = MAX(width, (int)strlen(c->name));
	for (const struct command_column *c = output->command->columns; c->name; c++) {
		char name[64], *text;
		enum color color;

		/* Before it is asked for, "done: no" is no news. */
		if (output->settings->is_preview && !strcmp(c->name, "done"))
			continue;
		text = table_cell(c, json_member(row, c->name));
		(void)snprintf(name, sizeof(name), "%s", c->name);
		for (char *at = name; *at; at++)
			*at = *at == '_' ? ' ' : *at;
		color = has_color ? color_of_word(text) : COLOR_NONE;
		if (*text) {
			(void)fprintf(output->out, "%-*s  %s", width, name, color_begin(color));
			print_parts(output->out, text, width + 2);
			(void)fprintf(output->out, "%s\n", color_end(color));
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
			put_bare(stdout, json_member(row, c->name));
	}
	(void)fputs("\r\n", stdout);
}

/* --- template --- */

/* The text itself: \n and \t are what they are in C. */
static void print_literal(struct str text)
{
	for (size_t i = 0; i < text.len; i++) {
		bool is_escape = text.data[i] == '\\' && i + 1 < text.len;

		if (is_escape && (text.data[i + 1] == 'n' || text.data[i + 1] == 't'))
			(void)putchar(text.data[++i] == 'n' ? '\n' : '\t');
		else
			(void)putchar(text.data[i]);
	}
}

static void print_template(const struct output *output, const struct json *row)
{
	struct str rest = str_cstr(output->settings->field), before, name;

	while (template_next(&rest, &before, &name)) {
		print_literal(before);
		put_bare(stdout, json_member(row, column_find(output->command, name)->name));
	}
	print_literal(before);
	(void)putchar('\n');
}

static void print_ndjson(const struct output *output, const struct json *row)
{
	_cleanup_(buf_deinit) struct buf text = buf_init(VALUE_BYTES_MAX);

	if (json_print(row, &text) < 0 || !text.len)
		return;
	if (output->line)
		(void)printf("{\"line\":%u%s%.*s\n", output->line, text.len > 2 ? "," : "",
			(int)text.len - 1, text.data + 1);
	else
		(void)printf("%.*s\n", (int)text.len, text.data);
	(void)fflush(stdout);
}

/* --- what run.c calls --- */

void output_begin(struct output *output)
{
	output->out = stdout;
	if (is_table(output)) {
		output->out = open_memstream(&output->text, &output->bytes);
		if (!output->out)
			abort();
	}
	if (output->settings->format == OUTPUT_CSV)
		print_csv(output, NULL);
	if (output->settings->format == OUTPUT_JSON && !(output->command->flags & COMMAND_SINGLE))
		(void)putchar('[');
}

static void table_row(struct output *output, const struct json *row)
{
	const struct layout *layout = layout_find(output->command->name);

	if (layout && output->settings->format == OUTPUT_TABLE) {
		layout->print(output->out, row, output->settings);
		return;
	}
	if (output->command->flags & COMMAND_SINGLE) {
		print_single(output, row);
		return;
	}
	table_add(output, row);
}

void output_row(const struct json *row, void *arg)
{
	struct output *output = arg;
	bool is_ok;

	if (json_get_bool(json_member(row, "ok"), &is_ok) == 0 && !is_ok)
		output->is_bad = true;
	switch (output->settings->format) {
	case OUTPUT_TABLE:
	case OUTPUT_WIDE:
		table_row(output, row);
		break;
	case OUTPUT_JSON:
		if (output->rows)
			(void)putchar(',');
		put_json(stdout, row);
		break;
	case OUTPUT_NDJSON:
		print_ndjson(output, row);
		break;
	case OUTPUT_CSV:
		print_csv(output, row);
		break;
	case OUTPUT_VALUE:
		put_bare(stdout, json_member(row, output->settings->field));
		(void)putchar('\n');
		break;
	case OUTPUT_TEMPLATE:
		print_template(output, row);
		break;
	}
	output->rows++;
}

/* Streams are lines for people on a terminal, NDJSON for everybody else. */
void output_event(const struct json *frame, void *arg)
{
	struct output *output = arg;
	const struct json *row = json_member(frame, "d");
	int64_t lost = 0;

	(void)json_get_i64(json_member(frame, "lost"), &lost);
	if (lost)
		(void)fprintf(stderr, "authctl: %lld records were lost: the reader is too slow\n",
			(long long)lost);
	if (is_table(output) && screen_is_terminal()) {
		layout_event(stdout, output->command, row, output->settings);
		(void)fflush(stdout);
	} else {
		print_ndjson(output, row);
	}
}

void output_text(struct output *output, char **ret_text)
{
	const struct layout *layout = layout_find(output->command->name);

	if (layout && output->settings->format == OUTPUT_TABLE) {
		if (layout->end && output->rows)
			layout->end(output->out, output->settings);
	} else if (!(output->command->flags & (COMMAND_SINGLE | COMMAND_STREAM)) &&
		   !output->is_failed) {
		table_print(output);
	}
	(void)fclose(output->out);
	*ret_text = output->text;
}

void output_print(struct output *output)
{
	if (is_table(output)) {
		output_text(output, &output->text);
		screen_print(output->settings, output->text, output->bytes);
		free(TAKE(output->text));
	}
	if (output->settings->format == OUTPUT_JSON)
		(void)fputs(output->command->flags & COMMAND_SINGLE ? "\n" : "]\n", stdout);
	(void)fflush(stdout);
}

void output_free(struct output *output)
{
	for (unsigned i = 0; i < output->cell_count; i++)
		free(output->cells[i].text);
	free(TAKE(output->cells));
	output->cell_count = output->cell_room = 0;
}

void output_end(struct output *output)
{
	output_print(output);
	output_free(output);
}
