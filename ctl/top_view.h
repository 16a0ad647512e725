/*
 * What top is at and how that looks: drawing for top.c, which asks and takes keys. Lines are cut at
 * the edge of the screen, and old numbers say so.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "ctl/output.h"
#include "ctl/settings.h"

struct session;

struct top_tab {
	char key;
	const char *name, *command;
};

extern const struct top_tab top_tabs[];
extern const unsigned top_tab_count;

#define TOP_FILTER_BYTES 64
#define TOP_NOTICE_BYTES 160

struct top {
	struct session *session;
	struct settings settings; /* table, no pager */
	uint64_t interval_ms;
	const struct top_tab *tab;
	unsigned sort;   /* column to sort by, from 1; 0: as it comes */
	unsigned scroll; /* lines of the list above the first that is shown */
	bool is_frozen, is_filtering, is_helping, is_due; /* is_due: asks at once */
	char filter[TOP_FILTER_BYTES];
	char notice[TOP_NOTICE_BYTES]; /* what the last key did; "": nothing to say */
	/* The latest answers as text, and when they came. */
	char *status, *list;
	uint64_t status_ns, list_ns;
	struct output tables[2];
	uint64_t tables_ns[2];
	unsigned turn;
	int code; /* of the last answer */
};

/* A tab exists when the daemon has its command. */
bool top_has_tab(const struct top_tab *tab);

/* All of it. What is scrolled too far comes back. */
void top_draw(struct top *top);
