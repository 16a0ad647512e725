/*
 * Answers of commands that changed something, kept for a while under the client's random key: a
 * client whose connection broke asks again and gets the same answer, and nothing happens twice.
 * Only the control thread calls.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "control/request.h"

#define REPLAY_MS (10 * 60 * 1000)
/* The oldest answers give way: who repeats a change does so soon, and a script that makes a
 * thousand accounts must not be refused. */
#define REPLAY_ENTRIES_MAX 256
/* Answers of changes are a few rows. A larger one is answered by its end alone. */
#define REPLAY_ANSWER_BYTES_MAX (16 * 1024)

enum replay {
	REPLAY_NEW,     /* run it; replay_store() when it ends */
	REPLAY_RUNNING, /* the first one has not ended */
	REPLAY_OTHER,   /* the key was used for another command or other arguments */
	REPLAY_FULL,    /* so many run at this moment */
	REPLAY_SENT,    /* the stored answer was appended */
};

/* The request has a key. -ENOMEM, -ENOBUFS, or: */
int replay_begin(struct control_request *request, struct str args, uint64_t now_ns);

/* The answer: everything that request->out holds from `from` on. */
void replay_store(const struct control_request *request, size_t from, uint64_t now_ns);

/* It ended without running: the key is free again. */
void replay_forget(const struct control_request *request);

void replay_deinit(void);
