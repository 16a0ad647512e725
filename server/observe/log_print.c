/* How records look: see log_print.h. A record that is too long is tried again with its texts cut.
 */
#include "observe/log_print.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "shared/clock.h"
#include "shared/macros.h"

static const struct {
	const char *name, *padded;
	int number;   /* OpenTelemetry's SeverityNumber */
	int priority; /* syslog's */
} severities[] = {
	[LOG_LEVEL_DEBUG] = { "DEBUG", "debug", 5, 7 },
	[LOG_LEVEL_INFO] = { "INFO", "info ", 9, 6 },
	[LOG_LEVEL_WARN] = { "WARN", "warn ", 13, 4 },
	[LOG_LEVEL_ERROR] = { "ERROR", "error", 17, 3 },
};

/* Longest text of a field, one try after the other. The last one always fits: LOG_FIELDS_MAX
 * fields, each byte of them escaped. */
static const size_t cuts[] = { LOG_RECORD_BYTES_MAX, 256, 24 };

struct line {
	struct buf *out;
	size_t start, cut;
	bool is_full;
};

static void add(struct line *line, struct str s)
{
	if (line->out->len - line->start + s.len > LOG_RECORD_BYTES_MAX ||
		buf_append(line->out, s) < 0)
		line->is_full = true;
}

static void add_number(struct line *line, int64_t value)
{
	char digits[24];

	add(line, str_of(digits, (size_t)snprintf(digits, sizeof(digits), "%" PRId64, value)));
}

static void add_seconds(struct line *line, int64_t ns)
{
	char text[40];
	int bytes = snprintf(text, sizeof(text), "%" PRId64 ".%06" PRId64, ns / (int64_t)NS_PER_S,
		ns % (int64_t)NS_PER_S / (int64_t)NS_PER_US);

	add(line, str_of(text, (size_t)bytes));
}

/* Not in the middle of a character. */
static struct str cut(const struct line *line, struct str s)
{
	size_t len = line->cut;

	if (s.len <= len)
		return s;
	while (len && ((unsigned char)s.data[len] & 0xc0) == 0x80)
		len--;
	return str_of(s.data, len);
}

static bool is_plain(char c)
{
	return (unsigned char)c >= 0x20 && (unsigned char)c < 0x7f && c != '"' && c != '\\';
}

/*
 * The inside of a JSON string. Control characters are escaped, the C1 ones too: they move the
 * cursor of a terminal. Bytes that are no UTF-8 become '?', so that a line always parses.
 */
static void add_escaped(struct line *line, struct str s)
{
	bool is_utf8 = str_is_utf8(s);
	char escape[8];
	size_t i = 0;

	while (i < s.len && !line->is_full) {
		size_t plain = i;
		unsigned char c;

		while (plain < s.len && is_plain(s.data[plain]))
			plain++;
		add(line, str_of(s.data + i, plain - i));
		i = plain;
		if (i == s.len)
			break;
		c = (unsigned char)s.data[i++];
		if (c == '"' || c == '\\')
			add(line, str_of((char[]){ '\\', (char)c }, 2));
		else if (c < 0x20 || c == 0x7f)
			add(line, str_of(escape,
					  (size_t)snprintf(escape, sizeof(escape), "\\u%04x", c)));
		else if (!is_utf8)
			add(line, STR("?"));
		else if (c == 0xc2 && i < s.len && (unsigned char)s.data[i] < 0xa0)
			add(line, str_of(escape, (size_t)snprintf(escape, sizeof(escape),
							 "\\u00%02x", (unsigned char)s.data[i++])));
		else
			add(line, str_of(s.data + i - 1, 1));
	}
}

static void add_quoted(struct line *line, struct str s)
{
	add(line, STR("\""));
	add_escaped(line, cut(line, s));
	add(line, STR("\""));
}

static void add_key(struct line *line, const char *key)
{
	add(line, STR(",\""));
	add(line, str_cstr(key));
	add(line, STR("\":"));
}

static void add_text(struct line *line, const char *key, struct str value)
{
	add_key(line, key);
	add_quoted(line, value);
}

static void add_value(struct line *line, const struct log_field *field)
{
	if (field->type == LOG_IS_NUMBER)
		add_number(line, field->number);
	else if (field->type == LOG_IS_SECONDS)
		add_seconds(line, field->number);
	else
		add_quoted(line, field->text);
}

#define TIME_BYTES 40

/* With microseconds, which clock_rfc3339() does not have. */
static struct str time_text(int64_t wall_ns, const char *format, char text[static TIME_BYTES])
{
	time_t second = wall_ns / (int64_t)NS_PER_S;
	struct tm utc;
	size_t len;

	gmtime_r(&second, &utc);
	len = strftime(text, TIME_BYTES, format, &utc);
	len += (size_t)snprintf(text + len, TIME_BYTES - len, ".%06d",
		(int)(wall_ns % (int64_t)NS_PER_S / (int64_t)NS_PER_US));
	return str_of(text, len);
}

static void json_ids(struct line *line, const struct span_ids *ids)
{
	char hex[SPAN_TRACE_HEX];

	if (!span_ids_are_set(ids))
		return;
	add_text(line, "trace_id", span_hex(ids->trace, sizeof(ids->trace), hex));
	add_text(line, "span_id", span_hex(ids->span, sizeof(ids->span), hex));
	add_text(line, "trace_flags", ids->is_sampled ? STR("01") : STR("00"));
}

static void json_line(struct line *line, const struct log_record *record, const char *instance)
{
	char time[TIME_BYTES];
	struct log_field field;
	size_t at = 0;

	add(line, STR("{\"timestamp\":\""));
	add(line, time_text(record->wall_ns, "%Y-%m-%dT%H:%M:%S", time));
	add(line, STR("Z\""));
	add_text(line, "severity_text", str_cstr(severities[record->level].name));
	add_key(line, "severity_number");
	add_number(line, severities[record->level].number);
	add_text(line, "event.name", str_cstr(record->event));
	add_text(line, "body", log_record_body(record));
	add(line, STR(",\"service.name\":\"authd\",\"service.version\":\"" AUTHD_VERSION "\""));
	add_text(line, "service.instance.id", str_cstr(instance));
	if (record->core != LOG_NO_CORE) {
		add_key(line, "authd.core");
		add_number(line, record->core);
	}
	add_key(line, "authd.generation");
	add_number(line, (int64_t)record->generation);
	json_ids(line, &record->ids);
	while (log_record_next(record, &at, &field)) {
		add_key(line, field.key);
		add_value(line, &field);
	}
	if (record->suppressed) {
		add_key(line, "suppressed");
		add_number(line, (int64_t)record->suppressed);
	}
	add(line, STR("}\n"));
}

/* "21:49:19.123456 warn  breaker.opened  too many failures  authd.breaker=db-read" */
static void text_line(struct line *line, const struct log_record *record, const char *unused)
{
	char time[TIME_BYTES];
	struct log_field field;
	size_t at = 0;

	(void)unused;
	add(line, time_text(record->wall_ns, "%H:%M:%S", time));
	add(line, STR(" "));
	add(line, str_cstr(severities[record->level].padded));
	add(line, STR(" "));
	add(line, str_cstr(record->event));
	add(line, STR("  "));
	add_escaped(line, cut(line, log_record_body(record)));
	while (log_record_next(record, &at, &field)) {
		add(line, at && field.type == LOG_IS_TEXT && !field.text.len ? STR("") : STR("  "));
		if (field.type == LOG_IS_TEXT && !field.text.len)
			continue;
		add(line, str_cstr(field.key));
		add(line, STR("="));
		if (field.type == LOG_IS_TEXT)
			add_escaped(line, cut(line, field.text));
		else
			add_value(line, &field);
	}
	if (record->suppressed) {
		add(line, STR("  suppressed="));
		add_number(line, (int64_t)record->suppressed);
	}
	add(line, STR("\n"));
}

/* Names of the journal are upper case with underscores: HTTP_ROUTE. */
static void journal_key(struct line *line, const char *key)
{
	for (; *key; key++) {
		char c = ascii_lower(*key);

		if (c >= 'a' && c <= 'z')
			c = (char)(c - 'a' + 'A');
		else if (!(c >= '0' && c <= '9'))
			c = '_';
		add(line, str_of(&c, 1));
	}
	add(line, STR("="));
}

static void journal_text(struct line *line, const char *key, struct str value)
{
	journal_key(line, key);
	add_escaped(line, cut(line, value)); /* a newline would begin the next field */
	add(line, STR("\n"));
}

static void journal_number(struct line *line, const char *key, int64_t value)
{
	journal_key(line, key);
	add_number(line, value);
	add(line, STR("\n"));
}

static void journal_datagram(
	struct line *line, const struct log_record *record, const char *instance)
{
	char hex[SPAN_TRACE_HEX];
	struct log_field field;
	size_t at = 0;

	journal_text(line, "message", log_record_body(record));
	journal_number(line, "priority", severities[record->level].priority);
	journal_text(line, "syslog_identifier", STR("authd"));
	journal_text(line, "event.name", str_cstr(record->event));
	journal_text(line, "service.version", STR(AUTHD_VERSION));
	journal_text(line, "service.instance.id", str_cstr(instance));
	journal_number(line, "authd.generation", (int64_t)record->generation);
	if (record->core != LOG_NO_CORE)
		journal_number(line, "authd.core", record->core);
	if (span_ids_are_set(&record->ids)) {
		journal_text(line, "trace_id",
			span_hex(record->ids.trace, sizeof(record->ids.trace), hex));
		journal_text(
			line, "span_id", span_hex(record->ids.span, sizeof(record->ids.span), hex));
		journal_text(line, "trace_flags", record->ids.is_sampled ? STR("01") : STR("00"));
	}
	while (log_record_next(record, &at, &field)) {
		journal_key(line, field.key);
		if (field.type == LOG_IS_TEXT)
			add_escaped(line, cut(line, field.text));
		else
			add_value(line, &field);
		add(line, STR("\n"));
	}
	if (record->suppressed)
		journal_number(line, "suppressed", (int64_t)record->suppressed);
}

typedef void print(struct line *line, const struct log_record *record, const char *instance);

static bool printed(
	print *how, struct buf *out, const struct log_record *record, const char *instance)
{
	struct line line = { .out = out, .start = out->len };

	for (size_t i = 0; i < ARRAY_SIZE(cuts); i++) {
		line.cut = cuts[i];
		line.is_full = false;
		how(&line, record, instance);
		if (!line.is_full)
			return true;
		out->len = line.start;
	}
	return false;
}

bool log_print_json(struct buf *out, const struct log_record *record, const char *instance)
{
	return printed(json_line, out, record, instance);
}

bool log_print_text(struct buf *out, const struct log_record *record)
{
	return printed(text_line, out, record, NULL);
}

bool log_print_journal(struct buf *out, const struct log_record *record, const char *instance)
{
	return printed(journal_datagram, out, record, instance);
}
