/* drain, shutdown: the end of the process, asked for by an operator. */
#include <signal.h>
#include <unistd.h>

#include "control/handlers.h"
#include "core/core.h"
#include "observe/log.h"

static void done_row(struct control_request *request)
{
	struct json_writer *w = request_row_begin(request);

	json_put_bool(w, "done", !request->is_dry_run);
	request_row_end(request);
}

void handle_drain(struct control_request *request)
{
	done_row(request);
	if (request->is_dry_run)
		return;
	log_event(LOG_LEVEL_INFO, "server.draining", STR("an operator asked for it"),
		LOG_NUMBER("user.uid", request->peer->uid));
	cores_drain();
	request_notice(request, "authctl wait drained: until all have gone; authctl shutdown: end");
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
