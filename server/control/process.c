/* drain, shutdown: the end of the process, asked for by an operator. */
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "control/control.h"
#include "control/handlers.h"
#include "core/core.h"
#include "http/server.h"
#include "observe/log.h"
#include "shared/clock.h"
#include "shared/macros.h"

static void done_row(struct control_request *request)
{
	struct json_writer *w = request_row_begin(request);

	json_put_bool(w, "done", !request->is_dry_run);
	request_row_end(request);
}

/* --- drain --- */

#define LOOK_MS 50
#define RUNNING_BYTES_MAX 512 /* a few requests: op list tells all */

static void drain_begin(struct control_request *request)
{
	log_event(LOG_LEVEL_INFO, "server.draining", STR("an operator asked for it"),
		LOG_NUMBER("user.uid", request->peer->uid));
	cores_drain();
}

static bool has_drained(void)
{
	for (unsigned i = 0; i < cores_count(); i++)
		if (!atomic_load_explicit(&core_at(i)->is_ended, memory_order_relaxed))
			return false;
	return true;
}

static uint64_t connections_left(const struct control_context *context)
{
	uint64_t count = 0;

	for (unsigned i = 0; i < cores_count(); i++) {
		const struct http_server *server = context->http_of(core_at(i));

		if (server)
			count += atomic_load_explicit(
				&http_server_stats(server)->connections, memory_order_relaxed);
	}
	return count;
}

static void drain_late(struct control_request *request)
{
	_cleanup_(buf_deinit) struct buf running = buf_init(RUNNING_BYTES_MAX);

	op_list_print(request, &running);
	request_fail(request, OUTCOME_TIMEOUT,
		"authctl op list, authctl conn list; authctl wait drained",
		"%" PRIu64 " connections are left, and it goes on; still running: " STR_FORMAT,
		connections_left(request->context),
		STR_ARGS(running.len
				 ? buf_str(&running)
				 : STR("no request, but clients that have not finished theirs")));
}

struct drain {
	bool is_asked;
};

/* Without a time it is begun, and that is all. */
bool drain_step(struct control_request *request, uint64_t now_ns)
{
	uint64_t end_ns =
		clock_after_ms(request->started_ns, request_number(request, "timeout", 0));
	bool waits = request_has(request, "timeout") && !request->is_dry_run;
	struct drain *drain = request->state;

	if (!drain && !request->is_dry_run)
		drain_begin(request);
	if (waits && !drain) {
		drain = request->state = calloc(1, sizeof(*drain));
		if (!drain) {
			request_fail(request, OUTCOME_FAILED, NULL, "no memory");
			return true;
		}
	}
	if (waits && !has_drained()) {
		if (drain->is_asked) {
			drain_late(request);
			return true;
		}
		drain->is_asked = now_ns >= end_ns;
		if (drain->is_asked)
			op_list_begin(request);
		request->step_ns =
			drain->is_asked ? 0 : MIN(clock_after_ms(now_ns, LOOK_MS), end_ns);
		return false;
	}
	(void)request_head(request);
	done_row(request);
	if (!request->is_dry_run)
		request_notice(request,
			waits ? "all have gone; authctl shutdown: end"
			      : "authctl wait drained: until all have gone; authctl shutdown: end");
	return true;
}

/* The main thread takes the signal, as it does when a supervisor sends it. */
void handle_shutdown(struct control_request *request)
{
	done_row(request);
	if (request->is_dry_run)
		return;
	(void)kill(getpid(), SIGTERM);
	request_notice(request, "requests in progress may finish within [core] drain_timeout");
}
