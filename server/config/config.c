/*
 * Reads configuration files with inih and says precisely what is wrong with them. inih finds
 * sections, keys and values; our own reader hands it the lines, so that an error can show the line
 * it is in. What may be set is in options.c.
 */
#include "config/config.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <ini.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "config/options.h"
#include "shared/macros.h"

#define FILE_BYTES_MAX (256 * 1024) /* far more than every option with a comment */
#define LINE_BYTES_MAX 198          /* inih's own limit (INI_MAX_LINE) less newline and NUL */
#define FILES_MAX 64                /* in conf.d */
#define OPTIONS_MAX 256             /* rows of the table; twice what there are */

struct reading {
	const char *name;
	struct str rest, line;
	unsigned line_number;
	bool is_unanswered; /* the line needs a call of the handler, and had none yet */
	unsigned errors_count;
	unsigned set_in[OPTIONS_MAX]; /* the line that set each option, 0 for none */
	struct config *config;
	struct buf *errors;
};

/* file:line:column: error: message, the line, and a caret under the column (from 0). */
static void complain(struct reading *reading, size_t column, struct str message, const char *hint)
{
	struct str line = reading->line;
	int r;

	reading->errors_count++;
	r = buf_printf(reading->errors,
		"%s:%u:%zu: error: " STR_FORMAT "\n%5u | " STR_FORMAT "\n      | ", reading->name,
		reading->line_number, column + 1, STR_ARGS(message), reading->line_number,
		STR_ARGS(line));
	for (size_t i = 0; r == 0 && i < column; i++)
		r = buf_append_char(reading->errors, line.data[i] == '\t' ? '\t' : ' ');
	if (r == 0)
		r = buf_printf(reading->errors, "^ %s\n", hint);
	(void)r; /* a full buffer loses text, never the count: the load still fails */
}

static size_t indent_of(struct str line)
{
	size_t i = 0;

	while (i < line.len && (line.data[i] == ' ' || line.data[i] == '\t'))
		i++;
	return i;
}

/* inih takes '=' or ':', whichever is first. */
static size_t value_column(struct str line)
{
	size_t i = 0;

	while (i < line.len && line.data[i] != '=' && line.data[i] != ':')
		i++;
	if (i < line.len)
		i++;
	return MIN(i + indent_of(str_skip(line, i)), line.len);
}

static void line_finish(struct reading *reading)
{
	if (reading->is_unanswered)
		complain(reading, indent_of(reading->line), STR("not understood"),
			"write [section], key = value or # comment");
	reading->is_unanswered = false;
}

/* fgets() for inih. Leading space is dropped: inih would take it for a continued value. */
static char *line_read(char *text, int text_bytes, void *stream)
{
	struct reading *reading = stream;
	struct str line;

	line_finish(reading);
	if (!str_split(&reading->rest, '\n', &line))
		return NULL;
	reading->line_number++;
	reading->line = line;
	line = str_trim(line);
	if (line.len > LINE_BYTES_MAX || line.len + 2 > (size_t)text_bytes) {
		complain(reading, 0, STR("the line is too long"), "at most 198 bytes");
		line = STR("");
	} else if (line.len && memchr(line.data, '\0', line.len)) {
		reading->line = STR("");
		complain(reading, 0, STR("the line has a NUL byte"), "files are text");
		line = STR("");
	}
	reading->is_unanswered = line.len && !memchr("#;", line.data[0], 2) &&
				 !(line.data[0] == '[' && str_index(line, ']') > 0);
	if (line.len)
		memcpy(text, line.data, line.len);
	text[line.len] = '\n';
	text[line.len + 1] = '\0';
	return text;
}

/* As a person would write it in a file: 30d, 64KiB, 512. */
static void bound_print(char text[static 32], enum option_type type, uint64_t value)
{
	static const struct {
		enum option_type type;
		uint64_t factor;
		const char *name;
	} scales[] = {
		{ OPTION_DURATION, 86400000, "d" },
		{ OPTION_DURATION, 3600000, "h" },
		{ OPTION_DURATION, 60000, "m" },
		{ OPTION_DURATION, 1000, "s" },
		{ OPTION_DURATION, 1, "ms" },
		{ OPTION_SIZE, 1024 * 1024, "MiB" },
		{ OPTION_SIZE, 1024, "KiB" },
	};

	for (size_t i = 0; value && i < ARRAY_SIZE(scales); i++)
		if (scales[i].type == type && value % scales[i].factor == 0) {
			snprintf(text, 32, "%" PRIu64 "%s", value / scales[i].factor,
				scales[i].name);
			return;
		}
	snprintf(text, 32, "%" PRIu64, value);
}

static void complain_value(
	struct reading *reading, const struct option *option, const char *value, int error)
{
	_cleanup_(buf_deinit) struct buf message = buf_init(1024), hint = buf_init(1024);
	char min[32], max[32];
	int r;

	bound_print(min, option->type, option->min);
	bound_print(max, option->type, option->max);
	r = buf_printf(&message, "%s.%s: '%s' is %s", option->section, option->key, value,
		error == -ERANGE ? "out of range" : "not a value of this option");
	if (r == 0 && (option->type == OPTION_CHOICE || option->type == OPTION_BOOL))
		r = buf_printf(&hint, "allowed %s, default %s", option->unit, option->fallback);
	else if (r == 0 && option->type == OPTION_RATE)
		r = buf_printf(&hint, "allowed %s/1s..%s/1d in whole seconds, or off, default %s",
			min, max, option->fallback);
	else if (r == 0)
		r = buf_printf(&hint, "allowed %s..%s%s, default %s", min, max,
			option->type == OPTION_TEXT   ? " bytes"
			: option->type == OPTION_LIST ? " items"
						      : "",
			option->fallback[0] ? option->fallback : "empty");
	if (r == 0)
		r = buf_append_char(&hint, '\0');
	complain(reading, value_column(reading->line), buf_str(&message), r == 0 ? hint.data : "");
}

static void complain_unknown(struct reading *reading, struct str section, struct str key)
{
	const struct option *near = option_nearest(section, key);
	char message[256], hint[128] = "";
	int bytes = snprintf(message, sizeof(message), "unknown option " STR_FORMAT "." STR_FORMAT,
		STR_ARGS(section), STR_ARGS(key));

	if (near)
		snprintf(hint, sizeof(hint), "did you mean %s in [%s]?", near->key, near->section);
	complain(reading, indent_of(reading->line),
		str_of(message, MIN((size_t)bytes, sizeof(message) - 1)), hint);
}

/* A second line would win without a word, and its reader may be looking at the first. */
static void complain_twice(
	struct reading *reading, const struct option *option, unsigned first_line)
{
	char message[128], hint[64];
	int bytes = snprintf(
		message, sizeof(message), "%s.%s is set twice", option->section, option->key);

	snprintf(hint, sizeof(hint), "first in line %u", first_line);
	complain(reading, indent_of(reading->line),
		str_of(message, MIN((size_t)bytes, sizeof(message) - 1)), hint);
}

/* inih's handler; every error is reported here, so it always says "go on". */
static int value_take(void *user, const char *section, const char *key, const char *value)
{
	struct reading *reading = user;
	const struct option *option = option_find(str_cstr(section), str_cstr(key));
	unsigned *set_in;
	int r;

	reading->is_unanswered = false;
	if (!option) {
		complain_unknown(reading, str_cstr(section), str_cstr(key));
		return 1;
	}
	set_in = &reading->set_in[option - options];
	if (*set_in) {
		complain_twice(reading, option, *set_in);
		return 1;
	}
	*set_in = reading->line_number;
	r = option_set(option, str_cstr(value), reading->config);
	if (r < 0)
		complain_value(reading, option, value, r);
	return 1;
}

int config_parse(const char *name, struct str text, struct config *config, struct buf *errors)
{
	const struct str mark = STR("\xef\xbb\xbf"); /* U+FEFF: some editors begin files with it */
	struct config changed = *config;
	struct reading reading = {
		.name = name, .rest = text, .config = &changed, .errors = errors
	};
	int r;

	assert(options_count <= OPTIONS_MAX);
	if (str_starts(text, mark))
		reading.rest = str_skip(text, mark.len);
	r = ini_parse_stream(line_read, &reading, value_take, &reading);
	line_finish(&reading);
	if (r < 0)
		return -ENOMEM;
	if (r > 0 || reading.errors_count)
		return -EINVAL;
	*config = changed;
	return 0;
}

void config_defaults(struct config *config)
{
	memset(config, 0, sizeof(*config));
	for (size_t i = 0; i < options_count; i++) {
		int r = option_set(&options[i], str_cstr(options[i].fallback), config);

		assert(r == 0); /* the table contradicts itself */
	}
}

/* What one option cannot know alone. */
static int config_check(const char *path, const struct config *config, struct buf *errors)
{
	const struct {
		bool is_wrong;
		const char *text;
	} checks[] = {
		{ config->io.buffers & (config->io.buffers - 1),
			"io.buffers must be a power of two" },
		{ config->core.stack_bytes % 4096, "core.stack must be whole pages (4KiB)" },
		{ config->lockout.base_ms > config->lockout.max_ms,
			"lockout.base must not be above lockout.max" },
		{ config->admission.queue_time_standing_ms > config->admission.queue_time_max_ms,
			"admission.queue_time_standing must not be above"
			" admission.queue_time_max" },
		{ config->session.idle_ms > config->session.absolute_ms,
			"session.idle must not be above session.absolute" },
		{ config->token.algorithm == ALGORITHM_HS256 && !config->token.secret_file[0],
			"token.algorithm HS256 needs token.secret_file" },
		{ config->http.has_proxy_protocol && !config->http.trusted_proxies.count,
			"http.proxy_protocol needs http.trusted_proxies" },
		{ config->http.base[0] && config->http.base[0] != '/',
			"http.base must begin with /" },
		{ config->http.base[0] && config->http.base[strlen(config->http.base) - 1] == '/',
			"http.base must not end with /: the paths behind it begin with one" },
	};
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(checks); i++)
		if (checks[i].is_wrong) {
			r = -EINVAL;
			if (buf_printf(errors, "%s: error: %s\n", path, checks[i].text) < 0)
				break;
		}
	return r;
}

static void file_close(FILE **file)
{
	if (*file)
		fclose(*file);
}

static int file_parse(const char *path, struct config *config, struct buf *errors)
{
	_cleanup_(buf_deinit) struct buf text = buf_init(FILE_BYTES_MAX + 1);
	_cleanup_(file_close) FILE *file = fopen(path, "re");
	int r = file ? 0 : -errno;

	if (r == 0)
		r = buf_reserve(&text, FILE_BYTES_MAX + 1);
	if (r == 0) {
		text.len = fread(text.data, 1, FILE_BYTES_MAX + 1, file);
		if (ferror(file))
			r = -EIO;
		else if (text.len > FILE_BYTES_MAX)
			r = -EFBIG;
	}
	if (r == 0)
		return config_parse(path, buf_str(&text), config, errors);
	if (buf_printf(errors, "%s: error: %s\n", path, strerror(-r)) < 0)
		return -ENOMEM;
	return r;
}

static int is_conf(const struct dirent *entry)
{
	size_t len = strlen(entry->d_name);

	return len > 5 && entry->d_name[0] != '.' && !strcmp(entry->d_name + len - 5, ".conf");
}

/* strcmp(), not the locale's order as alphasort() has it. */
static int by_bytes(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

/* All files are read even after an error, to report everything at once; the first code wins. */
static int folder_parse(const char *folder, struct config *config, struct buf *errors)
{
	struct dirent **entries = NULL;
	int count = scandir(folder, &entries, is_conf, by_bytes);
	int result = 0;

	if (count < 0)
		result = errno == ENOENT ? 0 : -errno;
	if (result < 0 && buf_printf(errors, "%s: error: %s\n", folder, strerror(-result)) < 0)
		return -ENOMEM;
	if (count > FILES_MAX) {
		result = -E2BIG;
		if (buf_printf(errors, "%s: error: more than %d files\n", folder, FILES_MAX) < 0)
			result = -ENOMEM;
	}
	for (int i = 0; i < count; i++) {
		_cleanup_(buf_deinit) struct buf path = buf_init(8192);
		int r = count > FILES_MAX ? 0
					  : buf_printf(&path, "%s/%s", folder, entries[i]->d_name);

		if (r == 0 && path.len)
			r = buf_append_char(&path, '\0');
		if (r == 0 && path.len)
			r = file_parse(path.data, config, errors);
		if (result == 0)
			result = r;
		free(entries[i]);
	}
	free(entries);
	return result;
}

int config_load(const char *path, struct config *config, struct buf *errors)
{
	_cleanup_(buf_deinit) struct buf folder = buf_init(8192);
	const char *slash = strrchr(path, '/');
	struct config loaded;
	int r, r_folder;

	config_defaults(&loaded);
	r = buf_printf(&folder, "%.*sconf.d", slash ? (int)(slash - path) + 1 : 0, path);
	if (r == 0)
		r = buf_append_char(&folder, '\0');
	if (r < 0)
		return r;
	r = file_parse(path, &loaded, errors);
	r_folder = folder_parse(folder.data, &loaded, errors);
	if (r == 0)
		r = r_folder;
	if (r == 0)
		r = config_check(path, &loaded, errors);
	if (r == 0)
		*config = loaded;
	return r;
}
