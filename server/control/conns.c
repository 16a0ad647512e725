/*
 * What is going on right now: connections and the requests on them, asked from the cores that own
 * them, and ended there.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/control.h"
#include "control/handlers.h"
#include "control/people.h"
#include "core/core.h"
#include "core/listener.h"
#include "http/server.h"
#include "shared/clock.h"

/* "[address]:port" */
#define PEER_TEXT_BYTES (ADDRESS_TEXT_BYTES + 8)

static void peer_print(const struct address *address, char text[static PEER_TEXT_BYTES])
{
	char host[ADDRESS_TEXT_BYTES];

	address_host(address, host);
	(void)snprintf(text, PEER_TEXT_BYTES, strchr(host, ':') ? "[%s]:%u" : "%s:%u", host,
		address_port(address) % 65536);
}

static double seconds_since(uint64_t now_ns, uint64_t then_ns)
{
	return now_ns > then_ns ? (double)(now_ns - then_ns) / NS_PER_S : 0;
}

/* --- conn list: a core's connections page by page, so that any number of them fits --- */

#define PAGE_ROWS 256

struct conn_row {
	uint64_t id, requests, bytes_received, bytes_sent, opened_ns, active_ns;
	const char *state, *tls; /* static texts */
	char peer[PEER_TEXT_BYTES];
};

struct conn_page {
	struct http_server *server;
	uint64_t after;
	unsigned count;
	struct conn_row rows[PAGE_ROWS];
};

/* Where the list has come to. */
struct conn_walk {
	unsigned core;
	uint64_t after;
};

static bool conn_take(const struct http_conn_info *info, void *arg)
{
	struct conn_page *page = arg;
	struct conn_row *row;

	if (page->count == PAGE_ROWS)
		return false;
	row = &page->rows[page->count++];
	*row = (struct conn_row){
		.id = info->id,
		.requests = info->requests,
		.bytes_received = info->bytes_received,
		.bytes_sent = info->bytes_sent,
		.opened_ns = info->opened_ns,
		.active_ns = info->active_ns,
		.state = info->state,
		.tls = info->tls,
	};
	peer_print(info->peer, row->peer);
	return true;
}

static void conns_on_core(_unused_ struct core *core, void *answer)
{
	struct conn_page *page = answer;

	if (page->server)
		http_server_conns(page->server, page->after, conn_take, page);
}

static void conn_page_ask(struct control_request *request, const struct conn_walk *walk)
{
	struct core *core = core_at(walk->core);
	struct conn_page *page = calloc(1, sizeof(*page));

	if (!page) {
		request_fail(request, OUTCOME_FAILED, NULL, "no memory");
		return;
	}
	page->server = request->context->http_of(core);
	page->after = walk->after;
	request_ask_one(request, core, conns_on_core, page, sizeof(*page));
	free(page);
}

void conn_list_begin(struct control_request *request)
{
	struct conn_walk *walk = calloc(1, sizeof(*walk));

	if (request_number(request, "core", 0) >= cores_count()) {
		request_fail_argument(request, "core", "there are %u cores", cores_count());
		free(walk);
		return;
	}
	if (!walk) {
		request_fail(request, OUTCOME_FAILED, NULL, "no memory");
		return;
	}
	walk->core = (unsigned)request_number(request, "core", 0);
	request->state = walk;
	conn_page_ask(request, walk);
}

static bool conn_is_wanted(
	const struct control_request *request, const struct conn_row *row, uint64_t now_ns)
{
	struct str state = request_text(request, "state");

	if (state.len && !str_equal(state, str_cstr(row->state)))
		return false;
	return now_ns - row->opened_ns >= request_number(request, "age", 0) * NS_PER_MS;
}

static void conn_row(
	struct control_request *request, unsigned core, const struct conn_row *row, uint64_t now_ns)
{
	struct json_writer *w;

	if (!conn_is_wanted(request, row, now_ns))
		return;
	w = request_row_begin(request);
	json_put_u64(w, "id", row->id);
	json_put_i64(w, "core", core);
	person_put_address(w, "peer", str_cstr(row->peer), request->peer);
	json_put_str(w, "state", str_cstr(row->state));
	if (row->tls[0])
		json_put_str(w, "tls", str_cstr(row->tls));
	else
		json_put_null(w, "tls");
	json_put_double(w, "age", seconds_since(now_ns, row->opened_ns));
	json_put_double(w, "idle", seconds_since(now_ns, row->active_ns));
	json_put_u64(w, "requests", row->requests);
	json_put_u64(w, "received", row->bytes_received);
	json_put_u64(w, "sent", row->bytes_sent);
	request_row_end(request);
}

/* A core that was silent is left out; "partial" names it. */
bool conn_list_step(struct control_request *request, uint64_t now_ns)
{
	struct conn_walk *walk = request->state;
	const struct conn_page *page = gather_answer(request->gather, walk->core);

	(void)request_head(request);
	for (unsigned i = 0; page && i < page->count; i++) {
		conn_row(request, walk->core, &page->rows[i], now_ns);
		walk->after = page->rows[i].id;
	}
	if (gather_is_silent(request->gather, walk->core))
		request->silent[walk->core / 8] |= (uint8_t)(1 << walk->core % 8);
	if (!page || page->count < PAGE_ROWS) {
		walk->after = 0;
		walk->core++;
		if (request_has(request, "core") || walk->core == cores_count())
			return true;
	}
	conn_page_ask(request, walk);
	request->step_ns = 0;
	return false;
}

/* --- op list --- */

/* Per core; more requests than this wait only when everything does, and then the oldest matter. */
#define OPS_MAX 512
#define OP_PATH_BYTES 128
#define OP_ID_BYTES 64

struct op_row {
	uint64_t conn, started_ns, deadline_ns;
	const char *method; /* static text */
	char path[OP_PATH_BYTES], id[OP_ID_BYTES], peer[PEER_TEXT_BYTES];
};

struct op_rows {
	const struct control_context *context;
	unsigned count;
	bool is_truncated;
	struct op_row rows[OPS_MAX];
};

static bool op_take(const struct http_op_info *info, void *arg)
{
	const struct request *http = info->request;
	struct op_rows *rows = arg;
	struct op_row *row;

	if (rows->count == OPS_MAX) {
		rows->is_truncated = true;
		return false;
	}
	row = &rows->rows[rows->count++];
	*row = (struct op_row){ .conn = info->conn,
		.started_ns = http->started_ns,
		.deadline_ns = http->deadline_ns,
		.method = http_method_name(http->method) };
	(void)snprintf(row->path, sizeof(row->path), STR_FORMAT, STR_ARGS(http->path));
	(void)snprintf(row->id, sizeof(row->id), STR_FORMAT, STR_ARGS(http->id));
	peer_print(info->peer, row->peer);
	return true;
}

static void ops_on_core(struct core *core, void *answer)
{
	struct op_rows *rows = answer;
	struct http_server *server = rows->context->http_of(core);

	if (server)
		http_server_ops(server, op_take, rows);
}

void op_list_begin(struct control_request *request)
{
	struct op_rows *question = calloc(1, sizeof(*question));

	if (!question) {
		request_fail(request, OUTCOME_FAILED, NULL, "no memory");
		return;
	}
	question->context = request->context;
	request_ask(request, ops_on_core, question, sizeof(*question));
	free(question);
}

static void op_row(struct control_request *request, unsigned core, const struct op_row *row)
{
	uint64_t now_ns = clock_now_ns();
	struct json_writer *w;

	if (now_ns - row->started_ns < request_number(request, "slower", 0) * NS_PER_MS)
		return;
	w = request_row_begin(request);
	json_put_u64(w, "id", row->conn);
	json_put_i64(w, "core", core);
	json_put_str(w, "method", str_cstr(row->method));
	json_put_str(w, "path", str_cstr(row->path));
	json_put_double(w, "age", seconds_since(now_ns, row->started_ns));
	json_put_double(w, "left", seconds_since(row->deadline_ns, now_ns));
	person_put_address(w, "peer", str_cstr(row->peer), request->peer);
	json_put_str(w, "request_id", str_cstr(row->id));
	request_row_end(request);
}

void op_list_print(const struct control_request *request, struct buf *text)
{
	uint64_t now_ns = clock_now_ns();

	for (unsigned i = 0; i < cores_count(); i++) {
		const struct op_rows *rows = gather_answer(request->gather, i);

		/* What does not fit is told by op list. */
		for (unsigned j = 0; rows && j < rows->count; j++)
			(void)!buf_printf(text, "%s%s %s for %.1f s on core %u",
				text->len ? ", " : "", rows->rows[j].method, rows->rows[j].path,
				seconds_since(now_ns, rows->rows[j].started_ns), i);
	}
}

void handle_op_list(struct control_request *request)
{
	for (unsigned i = 0; i < cores_count(); i++) {
		const struct op_rows *rows = gather_answer(request->gather, i);

		for (unsigned j = 0; rows && j < rows->count && request_has_room(request); j++)
			op_row(request, i, &rows->rows[j]);
		request->is_truncated |= rows && (rows->is_truncated || !request_has_room(request));
	}
}

/* --- killing: of a connection, or of the request on it --- */

struct kill_question {
	const struct control_context *context;
	uint64_t id;
	bool is_op, is_dry_run;
	bool is_found; /* the answer */
};

static bool conn_see(const struct http_conn_info *info, void *arg)
{
	struct kill_question *question = arg;

	question->is_found |= info->id == question->id;
	return false;
}

static bool op_see(const struct http_op_info *info, void *arg)
{
	struct kill_question *question = arg;

	question->is_found |= info->conn == question->id;
	return true;
}

static void kill_on_core(struct core *core, void *answer)
{
	struct kill_question *question = answer;
	struct http_server *server = question->context->http_of(core);

	if (!server)
		return;
	if (question->is_dry_run && question->is_op)
		http_server_ops(server, op_see, question);
	else if (question->is_dry_run)
		http_server_conns(server, question->id - 1, conn_see, question);
	else if (question->is_op)
		question->is_found = http_server_op_kill(server, question->id);
	else
		question->is_found = http_server_conn_kill(server, question->id);
}

static void kill_begin(struct control_request *request, bool is_op)
{
	const struct kill_question question = { .context = request->context,
		.id = request_number(request, "id", 0),
		.is_op = is_op,
		.is_dry_run = request->is_dry_run };

	request_ask(request, kill_on_core, &question, sizeof(question));
}

static void kill_answer(struct control_request *request, const char *what, const char *list)
{
	for (unsigned i = 0; i < cores_count(); i++) {
		const struct kill_question *answer = gather_answer(request->gather, i);
		struct json_writer *w;

		if (!answer || !answer->is_found)
			continue;
		w = request_row_begin(request);
		json_put_u64(w, "id", answer->id);
		json_put_i64(w, "core", i);
		json_put_bool(w, "done", !request->is_dry_run);
		request_row_end(request);
		return;
	}
	request_fail(request, OUTCOME_NOT_FOUND, list, "%s %llu is not there", what,
		(unsigned long long)request_number(request, "id", 0));
}

void conn_kill_begin(struct control_request *request)
{
	kill_begin(request, false);
}

void handle_conn_kill(struct control_request *request)
{
	kill_answer(request, "connection", "authctl conn list");
}

void op_kill_begin(struct control_request *request)
{
	kill_begin(request, true);
}

void handle_op_kill(struct control_request *request)
{
	kill_answer(request, "a waiting request on connection", "authctl op list");
}
