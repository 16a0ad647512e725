/*
 * Changing the configuration of a running daemon: generations, the timer that goes back to the one
 * before unless somebody confirms, and temporary values of single options. A file with an error
 * changes nothing. Only the control thread calls. The commands are in configs.c.
 */
#pragma once

#include "config/generations.h"

struct option;

/* Temporary values at a time; one more is refused. */
#define OVERRIDES_MAX 16
#define OVERRIDE_MS_MAX UINT64_C(86400000) /* 24 h: longer belongs into the file */
#define CONFIRM_MS_MAX UINT64_C(3600000)

struct reload_options {
	const char *path;            /* "": no file was read */
	const struct config *config; /* in use now; copied */
	const struct config_origins *origins;
	/* As live_apply(). */
	int (*apply)(const struct config *config);
	/* What only starting parts can know: 0, or -EINVAL and a sentence. */
	int (*check)(
		const struct config *config, const struct config *in_force, struct buf *errors);
};

int reload_start(const struct reload_options *setup); /* 0, -ENOMEM */
void reload_stop(void);

/* The number of the generation in force; 0 before the start. */
uint64_t reload_generation(void);

/* What is in force: the values of the start where a restart is needed, overrides on top. */
const struct config *reload_running(void);

/* Ends what is over: overrides, an undo timer. Returns when it must be called again. */
uint64_t reload_tick(uint64_t now_ns);

/* Reads the file of the start again, changes nothing. As config_load_traced(). */
int reload_read(struct config *ret_config, struct config_origins *ret_origins, struct buf *errors);
/* The same for a text. */
int reload_parse(const char *name, struct str text, struct config *ret_config, struct buf *errors);

struct reload_wish {
	const struct config *config;
	const struct config_origins *origins;
	const char *cause; /* static text */
	int64_t uid;
	uint64_t confirm_ms; /* 0: at once and for good */
};

/* A new generation, in force on the cores when they answer. 0; -EBUSY: one waits for confirmation;
 * -ENOMEM. */
int reload_apply(const struct reload_wish *wish);

/* 0; -ENOENT: nothing waits for it. */
int reload_confirm(void);
/* Back to the generation before. 0; -ENOENT: there is none; -EBUSY... as reload_apply(). */
int reload_undo(void);

/* Milliseconds until the undo timer runs out; 0: nothing waits for confirmation. */
uint64_t reload_unconfirmed_ms(uint64_t now_ns);

/* --- temporary values --- */

struct override {
	const struct option *option; /* NULL: a free slot */
	char text[CONFIG_TEXT_BYTES];
	uint64_t until_ns;
	int64_t uid;
};

/* 0; -EINVAL, -ERANGE (of option_set()); -EPERM: needs a restart; -EBUSY: OVERRIDES_MAX. */
int override_set(
	const struct option *option, struct str text, uint64_t ms, int64_t uid, uint64_t now_ns);
int override_end(const struct option *option); /* 0; -ENOENT */
/* Of an option, NULL none; or the i-th slot (its option is NULL when free), NULL behind the last.
 */
const struct override *override_find(const struct option *option);
const struct override *override_at(unsigned i);
