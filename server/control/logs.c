/* log tail, log reopen: the log, for operators. The level is an option: configs.c. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/audit.h"
#include "control/dialog.h"
#include "control/handlers.h"
#include "observe/log.h"
#include "shared/clock.h"
#include "shared/macros.h"

/* How often a tail looks: the ring lasts several times so long at ten thousand records a second. */
#define TAIL_MS 20
#define TAIL_BYTES 65536 /* in one pass */

struct tail {
	struct log_cursor cursor;
	uint64_t lost; /* since the last event */
	enum log_level least;
};

void log_tail_begin(struct control_request *request)
{
	struct tail *tail = calloc(1, sizeof(*tail));

	if (!tail) {
		request_fail(request, OUTCOME_FAILED, NULL, "no memory");
		return;
	}
	(void)log_level_parse(request_text(request, "level"), &tail->least);
	tail->cursor = log_cursor_now();
	request->state = tail;
}

static struct str text_of(const struct json *record, const char *key)
{
	struct str value = {};

	(void)json_get_str(json_member(record, key), &value);
	return value;
}

/* What has no column of its own, as name=value. */
static void fields_print(struct buf *text, const struct json *record)
{
	static const char *const shown[] = { "timestamp", "severity_text", "severity_number",
		"event.name", "body", "service.name", "service.version", "service.instance.id" };

	for (const struct json *field = json_first(record); field; field = json_next(field)) {
		bool is_shown = false;

		for (unsigned i = 0; i < ARRAY_SIZE(shown); i++)
			is_shown |= str_equal(json_key(field), str_cstr(shown[i]));
		if (is_shown)
			continue;
		(void)!buf_printf(
			text, "%s" STR_FORMAT "=", text->len ? " " : "", STR_ARGS(json_key(field)));
		(void)!json_print(field, text);
	}
}

static void record_event(
	struct control_request *request, struct tail *tail, const struct json *record)
{
	_cleanup_(buf_deinit) struct buf fields = buf_init(LOG_RECORD_BYTES_MAX * 2);
	struct json_writer *w = request_event_begin(request, tail->lost);

	fields_print(&fields, record);
	json_put_str(w, "time", text_of(record, "timestamp"));
	json_put_str(w, "severity", text_of(record, "severity_text"));
	json_put_str(w, "event", text_of(record, "event.name"));
	json_put_str(w, "body", text_of(record, "body"));
	json_put_str(w, "fields", buf_str(&fields));
	request_event_end(request);
	tail->lost = 0;
}

static bool contains(struct str line, struct str part)
{
	return !part.len || memmem(line.data, line.len, part.data, part.len) != NULL;
}

static void line_take(struct control_request *request, struct tail *tail, struct str line)
{
	enum log_level level = LOG_LEVEL_ERROR;
	const struct json *record;
	struct arena arena;

	if (!contains(line, request_text(request, "filter")))
		return;
	arena_init(&arena, 4096, 32 * LOG_RECORD_BYTES_MAX);
	if (json_parse(&arena, line, &json_limits_frame, &record) == 0) {
		(void)log_level_parse(text_of(record, "severity_text"), &level);
		if (level >= tail->least)
			record_event(request, tail, record);
	}
	arena_deinit(&arena);
}

/* Reads only while there is room: a slow client finds that the ring has gone on, and how far. */
bool log_tail_step(struct control_request *request, uint64_t now_ns)
{
	_cleanup_(buf_deinit) struct buf lines = buf_init(TAIL_BYTES);
	struct tail *tail = request->state;
	struct str rest, line;
	uint64_t lost = 0;

	(void)request_head(request);
	if (log_read(&tail->cursor, TAIL_BYTES, &lines, &lost) < 0) {
		request_fail(request, OUTCOME_FAILED, NULL, "no memory");
		return true;
	}
	tail->lost += lost;
	rest = buf_str(&lines);
	while (rest.len && str_split(&rest, '\n', &line))
		line_take(request, tail, line);
	request->step_ns = lines.len ? 0 : clock_after_ms(now_ns, TAIL_MS);
	return false;
}

void handle_log_reopen(struct control_request *request)
{
	int r = request->is_dry_run ? 0 : log_reopen();
	struct json_writer *w;

	if (r == 0 && !request->is_dry_run)
		r = audit_reopen();
	if (r < 0) {
		request_fail(request, OUTCOME_UNAVAILABLE, NULL, "not opened: %s", strerror(-r));
		return;
	}
	w = request_row_begin(request);
	json_put_bool(w, "done", !request->is_dry_run);
	request_row_end(request);
}
