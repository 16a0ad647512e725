/*
 * What other processes on the same store have changed, and this one's caches must forget: a session
 * that was ended or an account that was suspended on another node is refused here within a second.
 */
#pragma once

#include "store/store.h"

/* For store_watch(): on a thread of the store, tells every core and waits for none. */
void remote_change(enum store_change change, const char *id);

/* The main thread, once the cores run: what was changed before is forgotten too. */
void remote_begin(void);
