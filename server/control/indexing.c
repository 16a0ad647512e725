/*
 * index ...: the declared indexes against those that are there, building one that is missing, and
 * dropping one.
 * The store is asked on the thread for what blocks (blocking.h); what builds an index is a thread
 * of the store, which goes on when nobody looks.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "control/databases.h"
#include "control/handlers.h"
#include "shared/clock.h"
#include "shared/err.h"
#include "shared/macros.h"
#include "store/upkeep.h"

/* --- index list, index check --- */

#define INDEXES_MAX 256 /* a dozen are ours; the others are an application's, on its users */

struct index_rows {
	int result;
	unsigned count;
	bool is_truncated;
	struct store_index_status rows[INDEXES_MAX];
};

static void index_keep(const struct store_index_status *status, void *arg)
{
	struct index_rows *indexes = arg;

	indexes->is_truncated |= indexes->count == INDEXES_MAX;
	if (indexes->count < INDEXES_MAX)
		indexes->rows[indexes->count++] = *status;
}

static void indexes_run(void *data)
{
	struct index_rows *indexes = data;

	indexes->result = store_indexes_check(index_keep, indexes);
}

void indexes_begin(struct control_request *request)
{
	request_block(request, indexes_run, NULL, sizeof(struct index_rows));
}

static const char *state_name(enum store_index_state state)
{
	static const char *const names[] = { [INDEX_PRESENT] = "present",
		[INDEX_MISSING] = "missing",
		[INDEX_DIFFERENT] = "different",
		[INDEX_EXTRA] = "extra" };

	return names[state];
}

static struct json_writer *index_row_begin(
	struct control_request *request, const struct store_index_status *status)
{
	struct json_writer *w = request_row_begin(request);

	json_put_str(w, "index", str_cstr(status->name));
	json_put_str(w, "key", str_cstr(status->key));
	json_put_str(w, "state", str_cstr(state_name(status->state)));
	json_put_str(w, "detail", str_cstr(status->detail));
	return w;
}

void handle_index_list(struct control_request *request)
{
	const struct index_rows *indexes = errand_data(request->errand);

	if (indexes->result < 0)
		database_failed(request, indexes->result);
	request->is_truncated = indexes->is_truncated;
	for (unsigned i = 0; indexes->result == 0 && i < indexes->count; i++) {
		(void)index_row_begin(request, &indexes->rows[i]);
		request_row_end(request);
	}
}

/* Only ours: what else there is does not matter to authd. */
void handle_index_check(struct control_request *request)
{
	const struct index_rows *indexes = errand_data(request->errand);
	unsigned missing = 0;

	if (indexes->result < 0)
		database_failed(request, indexes->result);
	for (unsigned i = 0; indexes->result == 0 && i < indexes->count; i++) {
		const struct store_index_status *status = &indexes->rows[i];

		if (status->state == INDEX_EXTRA)
			continue;
		missing += status->state == INDEX_MISSING;
		json_put_bool(
			index_row_begin(request, status), "ok", status->state == INDEX_PRESENT);
		request_row_end(request);
	}
	if (missing)
		request_notice(request, "next: authctl index create NAME --background");
}

/* --- wait index NAME built --- */

struct index_look {
	char name[sizeof(((struct store_index_status *)0)->name)];
	int result; /* 1 it is there as it must be; 0 not; -ENOENT: none is declared so */
};

static void index_see(const struct store_index_status *status, void *arg)
{
	struct index_look *look = arg;

	if (status->state != INDEX_EXTRA && strcmp(status->name, look->name) == 0)
		look->result = status->state == INDEX_PRESENT;
}

static void index_look_run(void *data)
{
	struct store_index_progress progress;
	struct index_look *look = data;
	int r;

	look->result = -ENOENT;
	r = store_indexes_check(index_see, look);
	/* A server may list one that it still builds. */
	store_index_progress(&progress);
	if (r < 0)
		look->result = r;
	else if (progress.is_running && strcmp(progress.name, look->name) == 0)
		look->result = 0;
}

void index_look_ask(struct control_request *request, struct str name)
{
	struct index_look look = {};

	(void)snprintf(look.name, sizeof(look.name), STR_FORMAT, STR_ARGS(name));
	request_block(request, index_look_run, &look, sizeof(look));
}

int index_look_result(const struct control_request *request)
{
	return ((const struct index_look *)errand_data(request->errand))->result;
}

/* --- index create --- */

#define LOOK_MS 500

struct building {
	char name[sizeof(((struct store_index_status *)0)->name)];
	bool is_dry_run, is_started; /* is_started: only look how far it is */
	bool is_seen;                /* this answer was told: ask again */
	int result;
	bool is_declared;
	enum store_index_state state; /* before it was built */
	struct store_index_progress progress;
};

static void building_find(const struct store_index_status *status, void *arg)
{
	struct building *building = arg;

	if (status->state == INDEX_EXTRA || strcmp(status->name, building->name) != 0)
		return;
	building->is_declared = true;
	building->state = status->state;
}

/* 1 it is being built now, 0 there is nothing to do, or an error. */
static int building_start(struct building *building)
{
	int r;

	/* A server may list one that it still builds. */
	store_index_progress(&building->progress);
	if (building->progress.is_running && strcmp(building->progress.name, building->name) == 0)
		return 1;
	r = store_indexes_check(building_find, building);
	if (r < 0)
		return r;
	if (!building->is_declared)
		return -ENOENT;
	if (building->state == INDEX_DIFFERENT)
		return -EEXIST;
	if (building->state == INDEX_PRESENT || building->is_dry_run)
		return 0;
	r = store_index_create(building->name);
	if (r == 0)
		store_index_progress(&building->progress);
	return r < 0 ? r : 1;
}

static void building_run(void *data)
{
	struct building *building = data;

	if (building->is_started) {
		store_index_progress(&building->progress);
		return;
	}
	building->result = building_start(building);
	building->is_started = building->result == 1;
}

void index_create_begin(struct control_request *request)
{
	struct str name = request_text(request, "name");
	struct building building = { .is_dry_run = request->is_dry_run };

	(void)snprintf(building.name, sizeof(building.name), STR_FORMAT, STR_ARGS(name));
	request_block(request, building_run, &building, sizeof(building));
}

static void building_failed(struct control_request *request, const struct building *building)
{
	switch (building->result) {
	case -ENOENT:
		request_fail(request, OUTCOME_NOT_FOUND, "authctl index check",
			"no declared index is named '%s'", building->name);
		break;
	case -EEXIST:
		request_fail(request, OUTCOME_CONFLICT, "authctl index check",
			"%s is there, but another one: drop it yourself if nobody needs it",
			building->name);
		break;
	case -EBUSY:
		request_fail(request, OUTCOME_BUSY, NULL, "another index is being built: %s",
			building->progress.name);
		break;
	default:
		database_failed(request, building->result);
	}
}

static void building_row(
	struct control_request *request, const struct building *building, const char *state)
{
	const struct store_index_progress *progress = &building->progress;
	struct json_writer *w;
	bool is_told = building->is_started && progress->total;

	(void)request_head(request);
	w = request_row_begin(request);
	json_put_str(w, "index", str_cstr(building->name));
	json_put_str(w, "state", str_cstr(state));
	if (is_told) {
		json_put_u64(w, "done", progress->done);
		json_put_u64(w, "total", progress->total);
	} else {
		json_put_null(w, "done");
		json_put_null(w, "total");
	}
	if (building->is_started)
		json_put_double(
			w, "time", (double)(clock_now_ns() - progress->started_ns) / NS_PER_S);
	else
		json_put_null(w, "time");
	request_row_end(request);
}

/* True when it is over. */
static bool building_look(struct control_request *request, const struct building *building)
{
	const struct store_index_progress *progress = &building->progress;
	bool is_this = strcmp(progress->name, building->name) == 0;

	if (is_this && progress->is_running) {
		building_row(request, building, "building");
		return false;
	}
	if (!is_this)
		request_fail(request, OUTCOME_FAILED, "authctl index check",
			"another index was begun before anybody saw how this one ended");
	else if (progress->result < 0)
		request_fail(request, OUTCOME_FAILED, "authctl index check", "%s: %s",
			building->name, progress->reason);
	else
		building_row(request, building, "built");
	return true;
}

static void building_again(struct control_request *request, const struct building *seen)
{
	struct building building = *seen;

	building.is_seen = false;
	request_block(request, building_run, &building, sizeof(building));
	request->step_ns = 0;
}

bool index_create_step(struct control_request *request, uint64_t now_ns)
{
	struct building *building = errand_data(request->errand);

	if (building->is_seen && now_ns >= request->deadline_ns) {
		request_fail(request, OUTCOME_TIMEOUT, "authctl index check",
			"%s is still being built, and goes on by itself", building->name);
		return true;
	}
	if (building->is_seen) {
		building_again(request, building);
		return false;
	}
	building->is_seen = true;
	if (building->result < 0) {
		building_failed(request, building);
		return true;
	}
	if (!building->is_started) {
		building_row(request, building, state_name(building->state));
		return true;
	}
	if (building_look(request, building))
		return true;
	/* Nobody looks any more, or ever wanted to. */
	if (!request->dialog || request_has(request, "background")) {
		request_notice(request,
			"it goes on by itself: authctl index create " STR_FORMAT " waits for it",
			STR_ARGS(request_text(request, "name")));
		return true;
	}
	request->step_ns = MIN(clock_after_ms(now_ns, LOOK_MS), request->deadline_ns);
	return false;
}

/* --- index drop --- */

struct dropping {
	char name[sizeof(((struct store_index_status *)0)->name)];
	bool is_dry_run;
	int result;
	struct store_index_status status; /* before */
};

static void dropping_run(void *data)
{
	struct dropping *dropping = data;

	dropping->result =
		store_index_drop(dropping->name, dropping->is_dry_run, &dropping->status);
}

void index_drop_begin(struct control_request *request)
{
	struct dropping dropping = { .is_dry_run = request->is_dry_run };

	(void)snprintf(dropping.name, sizeof(dropping.name), STR_FORMAT,
		STR_ARGS(request_text(request, "name")));
	request_block(request, dropping_run, &dropping, sizeof(dropping));
}

static void dropping_failed(struct control_request *request, const struct dropping *dropping)
{
	switch (dropping->result) {
	case -ENOENT:
		request_fail(request, OUTCOME_NOT_FOUND, "authctl index list",
			"no index is named '%s'", dropping->name);
		break;
	case -EPERM:
		request_fail(request, OUTCOME_CONFLICT,
			"if it must be, with the database's own shell while authd is stopped",
			"%s keeps something unique: without it two accounts could have one address, or the like",
			dropping->name);
		break;
	case -EBUSY:
		request_fail(request, OUTCOME_BUSY, "authctl wait index NAME built",
			"%s is being built", dropping->name);
		break;
	default:
		database_failed(request, dropping->result);
	}
}

void handle_index_drop(struct control_request *request)
{
	const struct dropping *dropping = errand_data(request->errand);

	if (dropping->result < 0) {
		dropping_failed(request, dropping);
		return;
	}
	json_put_bool(index_row_begin(request, &dropping->status), "done", !dropping->is_dry_run);
	request_row_end(request);
	if (dropping->status.state == INDEX_PRESENT)
		request_notice(request, "undo: authctl index create %s", dropping->name);
	else if (dropping->status.state == INDEX_DIFFERENT)
		request_notice(
			request, "authctl index create %s: makes it as it must be", dropping->name);
}
