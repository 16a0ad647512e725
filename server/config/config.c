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
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "config/options.h"
#include "shared/macros.h"

#define FILE_BYTES_MAX (256 * 1024) /* far more than every option with a comment */
#define LINE_BYTES_MAX 198          /* inih's own limit (INI_MAX_LINE) less newline and NUL */
#define FILES_MAX 64                /* in conf.d */

struct reading {
	const char *name;
	struct str rest, line;
	unsigned line_number;
	bool is_unanswered; /* the line needs a call of the handler, and had none yet */
	unsigned errors_count;
	unsigned set_in[CONFIG_OPTIONS_MAX]; /* the line that set each option, 0 for none */
	struct config *config;
	struct config_origins *origins; /* may be NULL */
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

static void complain_value(
	struct reading *reading, const struct option *option, const char *value, int error)
{
	_cleanup_(buf_deinit) struct buf message = buf_init(1024), hint = buf_init(1024);
	int r;

	r = buf_printf(&message, "%s.%s: '%s' is %s", option->section, option->key,
		option->type == OPTION_SECRET ? "(secret)" : value,
		error == -ERANGE ? "out of range" : "not a value of this option");
	if (r == 0)
		r = buf_append(&hint, STR("allowed "));
	if (r == 0)
		r = option_print_allowed(option, &hint);
	if (r == 0)
		r = buf_printf(
			&hint, ", default %s", option->fallback[0] ? option->fallback : "empty");
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

static void origin_note(struct reading *reading, const struct option *option)
{
	struct config_origins *origins = reading->origins;
	const char *slash = strrchr(reading->name, '/');
	struct config_origin *origin = &origins->of[option - options];

	static_assert(ARRAY_SIZE(origin->file) == CONFIG_FILE_BYTES, "a name is cut to fit");
	(void)snprintf(origin->file, sizeof(origin->file), "%s", slash ? slash + 1 : reading->name);
	origin->line = reading->line_number;
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
	else if (reading->origins)
		origin_note(reading, option);
	return 1;
}

static int text_parse(const char *name, struct str text, struct config *config,
	struct config_origins *origins, struct buf *errors)
{
	const struct str mark = STR("\xef\xbb\xbf"); /* U+FEFF: some editors begin files with it */
	struct config changed = *config;
	struct reading reading = {
		.name = name,
		.rest = text,
		.config = &changed,
		.origins = origins,
		.errors = errors,
	};
	int r;

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

int config_parse(const char *name, struct str text, struct config *config, struct buf *errors)
{
	return text_parse(name, text, config, NULL, errors);
}

void config_defaults(struct config *config)
{
	memset(config, 0, sizeof(*config));
	for (size_t i = 0; i < options_count; i++) {
		int r = option_set(&options[i], str_cstr(options[i].fallback), config);

		assert(r == 0); /* the table contradicts itself */
	}
}

/* What may stand before the = of a cookie (RFC 6265 section 4.1.1). */
static bool is_cookie_name(const char *text)
{
	return text[strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
				 "!#$%&'*+-.^_`|~")] == '\0';
}

/* What one option cannot know alone. */
int config_check(const char *path, const struct config *config, struct buf *errors)
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
		{ config->mail.retry_base_ms > config->mail.retry_max_ms,
			"mail.retry_base must not be above mail.retry_max" },
		{ config->session.idle_ms > config->session.absolute_ms,
			"session.idle must not be above session.absolute" },
		/* Old keys stay for a day, and there is room for eight. */
		{ config->token.rotate_every_ms && config->token.rotate_every_ms < 86400000,
			"token.rotate_every must be a day at least, or 0" },
		{ config->token.algorithm == ALGORITHM_HS256 && !config->token.secret_file[0],
			"token.algorithm HS256 needs token.secret_file" },
		{ !is_cookie_name(config->token.cookie),
			"token.cookie must be a cookie's name, without = or ;" },
		{ config->http.has_proxy_protocol && !config->http.trusted_proxies.count,
			"http.proxy_protocol needs http.trusted_proxies" },
		{ !config->http.listen.count && !config->tls.listen.count,
			"http.listen and tls.listen are both empty: nobody could connect" },
		{ config->tls.listen.count && !config->tls.certificate_files.count,
			"tls.listen needs tls.certificate_files" },
		{ config->tls.redirect_listen.count && !config->tls.listen.count,
			"tls.redirect_listen needs tls.listen" },
		{ config->tls.key_files.count &&
				config->tls.key_files.count != config->tls.certificate_files.count,
			"tls.key_files must be as many as tls.certificate_files, or none" },
		{ config->tls.client_certificate != CLIENT_CERTIFICATE_OFF &&
				!config->tls.client_ca_file[0],
			"tls.client_certificate needs tls.client_ca_file" },
		{ config->tls.client_crl_files.count &&
				config->tls.client_certificate == CLIENT_CERTIFICATE_OFF,
			"tls.client_crl_files needs tls.client_certificate" },
		{ config->tls.ticket_key_files.count && !config->tls.has_tickets,
			"tls.ticket_key_files needs tls.tickets" },
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

static int file_parse(
	const char *path, struct config *config, struct config_origins *origins, struct buf *errors)
{
	_cleanup_(buf_deinit) struct buf text = buf_init(FILE_BYTES_MAX + 1);
	_cleanup_(file_close) FILE *file = fopen(path, "re");
	int r = file ? 0 : -errno;

	if (r == 0)
		r = buf_reserve(&text, FILE_BYTES_MAX + 1);
	if (r == 0) {
		text.len = fread(text.data, 1, FILE_BYTES_MAX + 1, file);
		if (ferror(file))
			r = errno == EISDIR ? -EISDIR : -EIO;
		else if (text.len > FILE_BYTES_MAX)
			r = -EFBIG;
	}
	if (r == 0)
		return text_parse(path, buf_str(&text), config, origins, errors);
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
static int folder_parse(const char *folder, struct config *config, struct config_origins *origins,
	struct buf *errors)
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
			r = file_parse(path.data, config, origins, errors);
		if (result == 0)
			result = r;
		free(entries[i]);
	}
	free(entries);
	return result;
}

int config_load(const char *path, struct config *config, struct buf *errors)
{
	return config_load_traced(path, config, NULL, errors);
}

int config_load_traced(
	const char *path, struct config *config, struct config_origins *origins, struct buf *errors)
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
	r = file_parse(path, &loaded, origins, errors);
	r_folder = folder_parse(folder.data, &loaded, origins, errors);
	if (r == 0)
		r = r_folder;
	if (r == 0)
		r = config_check(path, &loaded, errors);
	if (r == 0)
		*config = loaded;
	return r;
}
