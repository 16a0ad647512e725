/*
 * The configurations that this process has had, numbered from 1: what was read, from where, when
 * and for whom. The latest few are kept so that one can go back to them. Only stores them: applying
 * is start/live.c's, deciding is control/reload.c's. One thread.
 */
#pragma once

#include "config/config.h"

/* About 20 KiB each; the oldest is forgotten. */
#define GENERATIONS_MAX 16
/* The process itself made it, at its start or because a time was over. */
#define GENERATION_NOBODY INT64_C(-1)

struct generation {
	uint64_t number;
	int64_t made_ms;   /* wall clock */
	int64_t uid;       /* who, or GENERATION_NOBODY */
	const char *cause; /* static text: "start", "reload", "rollback" */
	bool is_undone;
	struct config config;          /* as it was read: some of it may need a restart */
	struct config_origins origins; /* where each value came from */
};

/* Copies it; it is the current one from now on. 0, -ENOMEM. */
int generation_add(const struct generation *generation, uint64_t *ret_number);

/* The current one goes, undone; the one that was before it comes back. -ENOENT: there is none. */
int generation_undo(void);

/* NULL before the first generation_add(). */
const struct generation *generation_current(void);
/* NULL when it never was or is forgotten. */
const struct generation *generation_find(uint64_t number);
/* The i-th that is kept, newest first; NULL behind the last. */
const struct generation *generation_at(unsigned i);
void generations_deinit(void);
