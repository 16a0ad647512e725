/* audit list, audit verify: reading what audit.c wrote. */
#include <stdlib.h>
#include <string.h>

#include "control/audit.h"
#include "control/handlers.h"
#include "shared/clock.h"
#include "shared/macros.h"

#define RECORDS_DEFAULT 100
#define RECORDS_MAX 2000

void handle_audit_verify(struct control_request *request)
{
	struct audit_verdict verdict;
	struct json_writer *w;
	int r = audit_verify(&verdict);

	if (r < 0) {
		request_fail(request, OUTCOME_UNAVAILABLE, "[control] audit_file",
			"the audit file cannot be read: %s", strerror(-r));
		return;
	}
	w = request_row_begin(request);
	json_put_bool(w, "ok", verdict.is_ok);
	json_put_u64(w, "records", verdict.records);
	json_put_u64(w, "first", verdict.first_seq);
	json_put_u64(w, "last", verdict.last_seq);
	json_put_str(w, "head", str_cstr(verdict.head));
	json_put_str(w, "problem", str_cstr(verdict.problem));
	request_row_end(request);
}

/* The latest records that are wanted: a ring of copies of their lines. */
struct latest {
	struct control_request *request;
	int64_t since_ms;
	size_t limit, count; /* count: of all that matched */
	struct line {
		uint64_t seq;
		char *text;
	} lines[RECORDS_MAX];
};

/* Every record begins with its time: {"time":"2026-11-24T04:39:40.120Z", */
#define TIME_AT (sizeof("{\"time\":\"") - 1)

/* Its own key is the first of that name: arguments come behind it, and may have one, too. */
static bool is_of_command(struct str line, struct str command)
{
	static const struct str key = STR("\"command\":\"");
	const char *found = memmem(line.data, line.len, key.data, key.len);
	struct str rest;

	if (!found)
		return false;
	rest = str_skip(line, (size_t)(found - line.data) + key.len);
	return rest.len > command.len && memcmp(rest.data, command.data, command.len) == 0 &&
	       rest.data[command.len] == '"';
}

static bool is_wanted(const struct latest *latest, struct str line)
{
	const struct control_request *request = latest->request;
	struct str command = request_text(request, "command");
	char since[CLOCK_RFC3339_BYTES];
	uint64_t uid;

	if (command.len && !is_of_command(line, command))
		return false;
	if (request_has(request, "user") && (!audit_line_number(line, "uid", &uid) ||
						    uid != request_number(request, "user", 0)))
		return false;
	if (!request_has(request, "since"))
		return true;
	/* RFC 3339 in one form sorts as text. */
	clock_rfc3339(latest->since_ms, since);
	return line.len > TIME_AT + sizeof(since) &&
	       memcmp(line.data + TIME_AT, since, sizeof(since) - 1) >= 0;
}

/* How a change ended takes the place of its beginning. */
static struct line *line_slot(struct latest *latest, uint64_t of)
{
	for (size_t i = 0; of && i < MIN(latest->count, latest->limit); i++)
		if (latest->lines[i].seq == of)
			return &latest->lines[i];
	return &latest->lines[latest->count++ % latest->limit];
}

static bool record_take(struct str line, void *arg)
{
	struct latest *latest = arg;
	uint64_t seq = 0, of = 0;
	struct line *slot;

	if (!audit_line_number(line, "seq", &seq) || !is_wanted(latest, line))
		return true;
	(void)audit_line_number(line, "of", &of);
	slot = line_slot(latest, of);
	free(slot->text);
	slot->text = strndup(line.data, line.len);
	slot->seq = seq;
	return true;
}

static int64_t i64_of(const struct json *record, const char *key)
{
	int64_t value = 0;

	(void)json_get_i64(json_member(record, key), &value);
	return value;
}

static struct str text_of(const struct json *record, const char *key)
{
	struct str value = {};

	(void)json_get_str(json_member(record, key), &value);
	return value;
}

static void copy_text(struct json_writer *w, const struct json *record, const char *key)
{
	json_put_str(w, key, text_of(record, key));
}

static void record_row(struct control_request *request, const char *line)
{
	_cleanup_(buf_deinit) struct buf args = buf_init(AUDIT_RECORD_BYTES_MAX);
	const struct json *record;
	bool is_dry_run = false;
	struct json_writer *w;
	struct arena arena;

	arena_init(&arena, 4096, 16 * AUDIT_RECORD_BYTES_MAX);
	if (json_parse(&arena, str_cstr(line), &json_limits_frame, &record) == 0) {
		(void)!json_print(json_member(record, "args"), &args);
		w = request_row_begin(request);
		json_put_i64(w, "seq", i64_of(record, "seq"));
		copy_text(w, record, "time");
		json_put_i64(w, "uid", i64_of(record, "uid"));
		if (json_member(record, "login_uid"))
			json_put_i64(w, "login_uid", i64_of(record, "login_uid"));
		else
			json_put_null(w, "login_uid");
		copy_text(w, record, "level");
		json_put_i64(w, "pid", i64_of(record, "pid"));
		copy_text(w, record, "exe");
		copy_text(w, record, "command");
		json_put_str(w, "args", buf_str(&args));
		(void)json_get_bool(json_member(record, "dry_run"), &is_dry_run);
		json_put_bool(w, "dry_run", is_dry_run);
		copy_text(w, record, "result");
		json_put_i64(w, "us", i64_of(record, "us"));
		json_put_i64(w, "generation", i64_of(record, "gen"));
		request_row_end(request);
	}
	arena_deinit(&arena);
}

void handle_audit_list(struct control_request *request)
{
	struct latest *latest = calloc(1, sizeof(*latest));
	size_t first;
	int r;

	if (!latest) {
		request_fail(request, OUTCOME_FAILED, NULL, "no memory");
		return;
	}
	latest->request = request;
	latest->limit = MIN(request_number(request, "limit", RECORDS_DEFAULT), RECORDS_MAX);
	latest->limit = MAX(latest->limit, 1);
	latest->since_ms = clock_wall_ms() - (int64_t)request_number(request, "since", 0);
	r = audit_each(record_take, latest);
	if (r < 0)
		request_fail(request, OUTCOME_UNAVAILABLE, "[control] audit_file",
			"the audit file cannot be read: %s", strerror(-r));
	first = latest->count > latest->limit ? latest->count % latest->limit : 0;
	for (size_t i = 0; i < MIN(latest->count, latest->limit); i++) {
		struct line *line = &latest->lines[(first + i) % latest->limit];

		if (line->text && r == 0 && request_has_room(request))
			record_row(request, line->text);
		else if (line->text)
			request->is_truncated = true;
		free(line->text);
	}
	free(latest);
}
