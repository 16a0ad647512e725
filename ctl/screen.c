/* See screen.h. */
#include "ctl/screen.h"

#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

#include "ctl/settings.h"
#include "ctl/spawn.h"
#include "shared/macros.h"

static const char *const codes[] = {
	[COLOR_NONE] = "",
	[COLOR_GOOD] = "\033[32m",
	[COLOR_WARN] = "\033[33m",
	[COLOR_BAD] = "\033[1;31m",
	[COLOR_HEAD] = "\033[1m",
	[COLOR_DIM] = "\033[2m",
	[COLOR_CHANGED] = "\033[7m",
};

const char *color_begin(enum color color)
{
	return codes[color];
}

const char *color_end(enum color color)
{
	return color == COLOR_NONE ? "" : "\033[0m";
}

enum color color_of_word(const char *word)
{
	static const struct {
		const char *word;
		enum color color;
	} words[] = {
		{ "READY", COLOR_GOOD },
		{ "NOT READY", COLOR_BAD },
		{ "up", COLOR_GOOD },
		{ "DRAINING", COLOR_WARN },
		{ "DRAINED", COLOR_WARN },
		{ "DOWN", COLOR_BAD },
		{ "NO", COLOR_BAD },
		{ "warn", COLOR_WARN },
		{ "bad", COLOR_BAD },
		{ "open", COLOR_BAD },
		{ "half-open", COLOR_WARN },
		{ "unconfirmed", COLOR_WARN },
		{ "needs restart", COLOR_WARN },
		{ "WARN", COLOR_WARN },
		{ "ERROR", COLOR_BAD },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(words); i++)
		if (!strcmp(word, words[i].word))
			return words[i].color;
	return COLOR_NONE;
}

bool screen_is_dumb(void)
{
	const char *term = getenv("TERM");

	return !term || !*term || !strcmp(term, "dumb");
}

bool screen_is_terminal(void)
{
	return isatty(STDOUT_FILENO);
}

bool screen_has_color(const struct settings *settings)
{
	const char *no_color = getenv("NO_COLOR");

	if (settings->color != COLOR_AUTO)
		return settings->color == COLOR_ALWAYS;
	return screen_is_terminal() && !screen_is_dumb() && !(no_color && *no_color);
}

void screen_size(unsigned *ret_columns, unsigned *ret_lines)
{
	struct winsize size = {};

	*ret_columns = 80;
	*ret_lines = 24;
	if (!screen_is_terminal()) {
		*ret_columns = 0;
		return;
	}
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col && size.ws_row) {
		*ret_columns = size.ws_col;
		*ret_lines = size.ws_row;
	}
}

static unsigned lines_of(const char *text, size_t bytes)
{
	unsigned lines = 0;

	for (size_t i = 0; i < bytes; i++)
		lines += text[i] == '\n';
	return lines;
}

/* "": none is wanted. */
static const char *pager_command(void)
{
	const char *pager = getenv("AUTHCTL_PAGER");

	if (!pager)
		pager = getenv("PAGER");
	if (!pager)
		pager = "less -FRSX";
	return strcmp(pager, "cat") != 0 ? pager : "";
}

static bool wants_pager(const struct settings *settings, const char *text, size_t bytes)
{
	unsigned columns, lines;

	screen_size(&columns, &lines);
	return columns && !settings->no_pager && !settings->watch_ms && !screen_is_dumb() &&
	       isatty(STDIN_FILENO) && lines_of(text, bytes) >= lines && *pager_command();
}

void screen_print(const struct settings *settings, const char *text, size_t bytes)
{
	FILE *pager;
	pid_t pid;

	if (wants_pager(settings, text, bytes)) {
		(void)fflush(stdout);
		/* No shell, no editor, no other file from inside the pager. */
		(void)setenv("LESSSECURE", "1", 1);
		if (spawn_reader(pager_command(), &pager, &pid) == 0) {
			(void)fwrite(text, 1, bytes, pager);
			(void)fclose(pager);
			(void)spawn_reap(pid);
			return;
		}
	}
	(void)fwrite(text, 1, bytes, stdout);
}

/* Widths are those of Unicode, whatever LANG says: what is shown is UTF-8 in any case. The tables
 * are loaded for the first character that needs them. */
static unsigned wide_width(wchar_t character)
{
	static locale_t unicode;
	locale_t before;
	int width;

	if (!unicode)
		unicode = newlocale(LC_CTYPE_MASK, "C.UTF-8", NULL);
	if (!unicode)
		return 1;
	before = uselocale(unicode);
	width = wcwidth(character);
	(void)uselocale(before);
	return width < 0 ? 1 : (unsigned)width;
}

/* How many bytes the next character or colour has, and how many columns it takes. */
static size_t next_width(const char *text, unsigned *ret_columns)
{
	unsigned char first = (unsigned char)*text;
	unsigned more = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : first >= 0xc0 ? 1 : 0;
	wchar_t character = first & (0x3f >> more);
	size_t len = 1;

	*ret_columns = 0;
	if (first == '\033') {
		len = strcspn(text, "m");
		return len + (text[len] == 'm');
	}
	for (; more && ((unsigned char)text[len] & 0xc0) == 0x80; more--)
		character = character << 6 | ((unsigned char)text[len++] & 0x3f);
	*ret_columns = first < 0x80 ? 1 : wide_width(character);
	return len;
}

unsigned screen_width(const char *text)
{
	unsigned width = 0, columns;

	while (*text) {
		text += next_width(text, &columns);
		width += columns;
	}
	return width;
}

unsigned screen_print_cut(FILE *out, const char *text, unsigned columns)
{
	bool fits = screen_width(text) <= columns, has_ended = !columns;
	unsigned used = 0, width;

	while (*text) {
		size_t len = next_width(text, &width);

		if (!fits && !has_ended && width && used + width >= columns) {
			has_ended = true;
			used++;
			(void)fputc('~', out);
		}
		if (!has_ended || *text == '\033') {
			(void)fwrite(text, 1, len, out);
			used += width;
		}
		text += len;
	}
	return used;
}
