/*
 * The life of a request: from a parsed frame (is there such a command, may this client run it, has
 * it confirmed it, is it written down?) to its end. What commands do is in handlers.h.
 */
#pragma once

#include "control/dialog.h"
#include "control/request.h"

/* Takes a free slot of the dialog or answers why not. 0, or negative: close the connection. */
int running_start(struct dialog *dialog, const struct frame_request *frame, uint64_t now_ns);

/* Goes on with a request as far as possible now. As above. */
int running_progress(struct control_request *request, uint64_t now_ns);

/* Ends it with an error, at the client's wish. */
int running_cancel(struct control_request *request, uint64_t now_ns);

/* The connection has gone. A change that was begun goes on without it: see running_orphans(). */
void running_abandon(struct control_request *request, uint64_t now_ns);
/* Goes on with those; when it must be called again at the latest. */
uint64_t running_orphans(uint64_t now_ns);
/* At the end, when no dialog is left. */
void running_deinit(void);

/* When running_progress() must be called at the latest; CLOCK_NEVER for no reason. */
uint64_t running_next_ns(const struct control_request *request);
