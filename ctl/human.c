/* See human.h. */
#include "ctl/human.h"

#include <inttypes.h>
#include <math.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/escape.h"
#include "shared/macros.h"

#define VALUE_BYTES_MAX (64 * 1024) /* one value; an answer line is at most 1 MiB */

void human_bytes(FILE *out, double bytes)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
	const char *sign = bytes < 0 ? "-" : "";
	unsigned unit = 0;

	for (bytes = fabs(bytes); bytes >= 1024 && unit + 1 < ARRAY_SIZE(units); unit++)
		bytes /= 1024;
	(void)fprintf(
		out, unit && bytes < 10 ? "%s%.1f %s" : "%s%.0f %s", sign, bytes, units[unit]);
}

void human_seconds(FILE *out, double seconds)
{
	uint64_t whole = (uint64_t)seconds;

	if (seconds <= 0)
		(void)fputs("0 s", out);
	else if (seconds < 0.001)
		(void)fprintf(out, "%.0f us", seconds * 1e6);
	else if (seconds < 1)
		(void)fprintf(out, seconds < 0.01 ? "%.2f ms" : "%.0f ms", seconds * 1000);
	else if (seconds < 60)
		(void)fprintf(out, "%.1f s", seconds);
	else if (seconds < 3600)
		(void)fprintf(out, whole % 60 ? "%" PRIu64 "m %02" PRIu64 "s" : "%" PRIu64 "m",
			whole / 60, whole % 60);
	else if (seconds < 86400)
		(void)fprintf(out, whole / 60 % 60 ? "%" PRIu64 "h %02" PRIu64 "m" : "%" PRIu64 "h",
			whole / 3600, whole / 60 % 60);
	else
		(void)fprintf(out, "%" PRIu64 "d %02" PRIu64 ":%02" PRIu64, whole / 86400,
			whole / 3600 % 24, whole / 60 % 60);
}

void human_count(FILE *out, double number)
{
	char digits[32];
	int len;

	if (number < 0)
		number = 0;
	len = snprintf(digits, sizeof(digits), "%.0f", number);
	for (int i = 0; i < len; i++)
		(void)fprintf(out, "%s%c", i && (len - i) % 3 == 0 ? "," : "", digits[i]);
}

void human_rate(FILE *out, enum column_type type, double per_second)
{
	(void)fputc('+', out);
	if (type == COLUMN_BYTES)
		human_bytes(out, per_second);
	else if (per_second >= 10)
		human_count(out, per_second);
	else
		(void)fprintf(out, "%.1f", per_second);
	(void)fputs("/s", out);
}

void human_user(FILE *out, double uid)
{
	static uid_t last_uid;
	static char last_name[64];
	const struct passwd *entry;

	if (!last_name[0] || last_uid != (uid_t)uid) {
		last_uid = (uid_t)uid;
		entry = getpwuid(last_uid);
		if (entry)
			(void)snprintf(last_name, sizeof(last_name), "%s", entry->pw_name);
		else
			(void)snprintf(last_name, sizeof(last_name), "%u", last_uid);
	}
	escape_print(out, str_cstr(last_name), 0);
}

double human_number(const struct json *value)
{
	_cleanup_(buf_deinit) struct buf text = buf_init(VALUE_BYTES_MAX);

	if (!value || json_print(value, &text) < 0 || buf_append_char(&text, '\0') < 0)
		return 0;
	return strtod(text.data, NULL);
}

/* Counts without a point; of the others what can be seen, also of a thousandth. */
static void put_number(FILE *out, double number)
{
	if (number == trunc(number))
		(void)fprintf(out, "%.0f", number);
	else
		(void)fprintf(out, fabs(number) < 1 ? "%.6f" : "%.1f", number);
}

void human_value(FILE *out, enum column_type type, const struct json *value)
{
	_cleanup_(buf_deinit) struct buf text = buf_init(VALUE_BYTES_MAX);
	struct str string;
	bool is_true;

	if (json_get_bool(value, &is_true) == 0) {
		(void)fputs(is_true ? "yes" : "no", out);
		return;
	}
	if (json_get_str(value, &string) == 0 && type == COLUMN_TIME && string.len >= 19) {
		/* To the second, as people read it; JSON has the rest. Always UTC. */
		escape_print(out, str_of(string.data, 10), 0);
		(void)fputc(' ', out);
		escape_print(out, str_of(string.data + 11, 8), 0);
		return;
	}
	if (json_get_str(value, &string) == 0) {
		escape_print(out, string, 0);
		return;
	}
	if (!value || json_print(value, &text) < 0 || str_equal(buf_str(&text), STR("null"))) {
		(void)fputc('-', out);
		return;
	}
	switch (type) {
	case COLUMN_BYTES:
		human_bytes(out, human_number(value));
		break;
	case COLUMN_SECONDS:
		human_seconds(out, human_number(value));
		break;
	case COLUMN_RATIO:
		(void)fprintf(out, "%.0f %%", human_number(value) * 100);
		break;
	case COLUMN_NUMBER:
		put_number(out, human_number(value));
		break;
	case COLUMN_USER:
		human_user(out, human_number(value));
		break;
	default:
		(void)fwrite(text.data, 1, text.len, out);
	}
}
