/* See layout.h. */
#include "ctl/layout.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/escape.h"
#include "ctl/human.h"
#include "ctl/screen.h"
#include "shared/macros.h"

#define LABEL_WIDTH 11 /* where the values of a screen begin */

static struct str text_of(const struct json *row, const char *key)
{
	struct str text = {};

	(void)json_get_str(json_member(row, key), &text);
	return text;
}

static double number_of(const struct json *row, const char *key)
{
	return human_number(json_member(row, key));
}

static bool has_number(const struct json *row, const char *key)
{
	const struct json *value = json_member(row, key);
	int64_t ignored;

	return value && json_get_i64(value, &ignored) != -ENOENT;
}

static void put_colored(
	FILE *out, const struct settings *settings, const char *word, enum color color)
{
	bool has_color = screen_has_color(settings);

	(void)fprintf(out, "%s%s%s", has_color ? color_begin(color) : "", word,
		has_color ? color_end(color) : "");
}

/* --- status --- */

static void put_generation(FILE *out, const struct json *row)
{
	(void)fprintf(out, "  generation %.0f", number_of(row, "generation"));
	if (!has_number(row, "generation_uid"))
		return;
	(void)fputs(" (by ", out);
	human_user(out, number_of(row, "generation_uid"));
	(void)fputc(' ', out);
	human_seconds(out, number_of(row, "generation_age"));
	(void)fputs(" ago)", out);
}

/* The state stands at the right edge, where the eye finds it. */
static void status_head(FILE *out, const struct json *row, const struct settings *settings)
{
	struct str state = text_of(row, "state");
	char word[32], *line = NULL;
	unsigned columns, lines;
	size_t bytes;
	FILE *text = open_memstream(&line, &bytes);

	if (!text)
		abort();
	(void)fputs("authd ", text);
	escape_print(text, text_of(row, "version"), 0);
	(void)fprintf(text, "  pid %.0f  up ", number_of(row, "pid"));
	human_seconds(text, number_of(row, "up"));
	put_generation(text, row);
	(void)fclose(text);
	screen_size(&columns, &lines);
	columns = columns ? columns : 80;
	(void)snprintf(word, sizeof(word), STR_FORMAT, STR_ARGS(state));
	/* Without room it has a line of its own: it is the word that must be seen. */
	if (screen_width(line) + 2 + strlen(word) > columns)
		(void)fprintf(out, "%s\n%-*s", line, LABEL_WIDTH, "state");
	else
		(void)fprintf(
			out, "%s%*s", line, (int)(columns - screen_width(line) - strlen(word)), "");
	put_colored(out, settings, word, color_of_word(word));
	(void)fputc('\n', out);
	free(line);
}

static void put_times(FILE *out, const struct json *row)
{
	(void)fputs("p50 ", out);
	human_seconds(out, number_of(row, "p50"));
	(void)fputs("   p99 ", out);
	human_seconds(out, number_of(row, "p99"));
}

static void status_load(FILE *out, const struct json *row, const struct settings *settings)
{
	(void)fprintf(out, "%-*s", LABEL_WIDTH, "requests");
	human_count(out, number_of(row, "requests_per_second"));
	(void)fprintf(
		out, "/s   errors %.2f %%   connections ", number_of(row, "error_ratio") * 100);
	human_count(out, number_of(row, "connections"));
	if (has_number(row, "p50")) {
		if (settings->is_brief)
			(void)fputs("   ", out);
		else
			(void)fprintf(out, "\n%-*s", LABEL_WIDTH, "times");
		put_times(out, row);
		(void)fputs(settings->is_brief ? "" : "   (last minute)", out);
	}
	(void)fputc('\n', out);
}

static void status_cores(FILE *out, const struct json *row, const struct settings *settings)
{
	double cores = number_of(row, "cores"), answering = number_of(row, "cores_answering");
	char text[64];

	(void)snprintf(text, sizeof(text), "%.0f of %.0f answering", answering, cores);
	(void)fprintf(out, "%-*s", LABEL_WIDTH, "cores");
	put_colored(out, settings, text, answering < cores ? COLOR_BAD : COLOR_NONE);
	(void)fprintf(out, "   busiest #%.0f %.0f %%   longest pass ",
		number_of(row, "busiest_core"), number_of(row, "busiest") * 100);
	human_seconds(out, number_of(row, "turn_max"));
	(void)fputc('\n', out);
}

static void status_store(FILE *out, const struct json *row, const struct settings *settings)
{
	struct str store = text_of(row, "store");
	char word[32];

	(void)snprintf(word, sizeof(word), STR_FORMAT, STR_ARGS(store));
	(void)fprintf(out, "%-*s", LABEL_WIDTH, "store");
	put_colored(out, settings, word, color_of_word(word));
	/* How long a store that is down took says nothing. */
	if (str_equal(store, STR("up"))) {
		(void)fputs(", answers in ", out);
		human_seconds(out, number_of(row, "store_latency"));
	}
	(void)fputs("   failures ", out);
	human_count(out, number_of(row, "store_failures"));
	if (settings->is_brief) {
		(void)fputs("   memory ", out);
		human_bytes(out, number_of(row, "memory"));
	}
	(void)fputc('\n', out);
}

/* Parts between separators, wrapped at the edge of the screen; a '+' or ',' ends a line. */
static void put_wrapped(FILE *out, const char *label, struct str parts, struct str separator)
{
	unsigned columns, lines, used = LABEL_WIDTH;
	size_t sign = separator.len;
	bool is_first = true;

	while (sign && separator.data[sign - 1] == ' ')
		sign--;
	screen_size(&columns, &lines);
	columns = columns ? columns : 80;
	(void)fprintf(out, "%-*s", LABEL_WIDTH, label);
	while (parts.len) {
		const char *gap = memmem(parts.data, parts.len, separator.data, separator.len);
		struct str part = gap ? str_of(parts.data, (size_t)(gap - parts.data)) : parts;

		if (!is_first && used + separator.len + part.len + (gap ? sign : 0) > columns) {
			(void)fprintf(out, "%.*s\n%*s", (int)sign, separator.data, LABEL_WIDTH, "");
			used = LABEL_WIDTH;
		} else if (!is_first) {
			(void)fprintf(out, STR_FORMAT, STR_ARGS(separator));
			used += (unsigned)separator.len;
		}
		escape_print(out, part, 0);
		used += (unsigned)part.len;
		is_first = false;
		parts = str_skip(parts, part.len + (gap ? separator.len : 0));
	}
	(void)fputc('\n', out);
}

static void status_memory(FILE *out, const struct json *row)
{
	char *text = NULL;
	size_t bytes;
	FILE *line = open_memstream(&text, &bytes);

	if (!line)
		abort();
	human_bytes(line, number_of(row, "memory"));
	(void)fprintf(line, " = " STR_FORMAT " MiB", STR_ARGS(text_of(row, "memory_parts")));
	(void)fclose(line);
	put_wrapped(out, "memory", str_of(text, bytes), STR(" + "));
	free(text);
}

/* What to run stands on a line of its own where both have no room. */
static void put_warning(FILE *out, struct str line)
{
	const char *next = memmem(line.data, line.len, "  -> ", 5);
	unsigned columns, lines;

	screen_size(&columns, &lines);
	if (next && columns && LABEL_WIDTH + 4 + line.len > columns) {
		escape_print(out, str_of(line.data, (size_t)(next - line.data)), 0);
		(void)fprintf(out, "\n%*s", LABEL_WIDTH + 4, "");
		line = str_skip(line, (size_t)(next - line.data) + 2);
	}
	escape_print(out, line, 0);
}

static void status_warnings(FILE *out, const struct json *row, const struct settings *settings)
{
	struct str rest = text_of(row, "warnings"), line;
	unsigned count = rest.len ? 1 : 0;
	char number[16];

	for (size_t i = 0; i < rest.len; i++)
		count += rest.data[i] == '\n';
	(void)snprintf(number, sizeof(number), "%u", count);
	(void)fprintf(out, "%-*s", LABEL_WIDTH, "warnings");
	put_colored(out, settings, count ? number : "none", count ? COLOR_WARN : COLOR_NONE);
	for (unsigned i = 0; rest.len && str_split(&rest, '\n', &line); i++) {
		(void)fprintf(out, "%*s", i ? LABEL_WIDTH + 4 : 3, "");
		put_warning(out, line);
		(void)fputs(rest.len ? "\n" : "", out);
	}
	(void)fputc('\n', out);
}

static void print_status(FILE *out, const struct json *row, const struct settings *settings)
{
	status_head(out, row, settings);
	if (has_number(row, "unconfirmed")) {
		char text[128];

		(void)snprintf(text, sizeof(text),
			"generation %.0f is not confirmed: goes back in %.0f s  -> authctl config "
			"confirm",
			number_of(row, "generation"), number_of(row, "unconfirmed"));
		put_colored(out, settings, text, COLOR_BAD);
		(void)fputc('\n', out);
	}
	status_load(out, row, settings);
	status_cores(out, row, settings);
	status_store(out, row, settings);
	if (text_of(row, "breakers").len && !settings->is_brief)
		put_wrapped(out, "breakers", text_of(row, "breakers"), STR("   "));
	if (!settings->is_brief) {
		put_wrapped(out, "queues", text_of(row, "pools"), STR("   "));
		status_memory(out, row);
	}
	if (text_of(row, "overrides").len)
		put_wrapped(out, "temporary", text_of(row, "overrides"), STR(", "));
	status_warnings(out, row, settings);
}

/* --- doctor --- */

static unsigned findings_well;

/* What is well is counted, not listed: -o wide lists it. */
static void print_finding(FILE *out, const struct json *row, const struct settings *settings)
{
	struct str verdict = text_of(row, "verdict");
	char word[16];

	if (str_equal(verdict, STR("ok"))) {
		findings_well++;
		return;
	}
	(void)snprintf(word, sizeof(word), STR_FORMAT, STR_ARGS(verdict));
	(void)fputc('[', out);
	put_colored(out, settings, word, color_of_word(word));
	(void)fprintf(out, "]%*s ", (int)MAX(0, 4 - (int)strlen(word)), "");
	(void)fprintf(out, "%-12.*s ", (int)text_of(row, "rule").len, text_of(row, "rule").data);
	escape_print(out, text_of(row, "evidence"), 0);
	(void)fputc('\n', out);
	(void)fprintf(out, "%*swhy:  ", 7, "");
	escape_print(out, text_of(row, "meaning"), 0);
	(void)fprintf(out, "\n%*snext: ", 7, "");
	escape_print(out, text_of(row, "next"), 0);
	(void)fputc('\n', out);
}

static void end_findings(FILE *out, const struct settings *settings)
{
	(void)fputc('[', out);
	put_colored(out, settings, " ok ", COLOR_GOOD);
	(void)fprintf(out, "] %u checks are well\n", findings_well);
	findings_well = 0;
}

static const struct layout layouts[] = {
	{ "status", print_status, NULL },
	{ "doctor", print_finding, end_findings },
	{ "mem.doctor", print_finding, end_findings },
};

const struct layout *layout_find(const char *command)
{
	for (unsigned i = 0; i < ARRAY_SIZE(layouts); i++)
		if (!strcmp(layouts[i].command, command))
			return &layouts[i];
	return NULL;
}

/* --- streams --- */

void layout_event(FILE *out, const struct command *command, const struct json *row,
	const struct settings *settings)
{
	bool is_first = true;

	for (const struct command_column *c = command->columns; c->name; c++) {
		struct str text = text_of(row, c->name);
		char word[32];

		if (!text.len)
			continue;
		(void)fputs(is_first ? "" : "  ", out);
		is_first = false;
		(void)snprintf(word, sizeof(word), STR_FORMAT, STR_ARGS(text));
		if (color_of_word(word) != COLOR_NONE)
			put_colored(out, settings, word, color_of_word(word));
		else
			escape_print(out, text, 0);
	}
	(void)fputc('\n', out);
}
