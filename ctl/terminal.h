/*
 * A terminal for a screen of our own: keys at once, the other screen, no cursor. It is given back
 * as it was on every way out, also by a signal or an abort.
 */
#pragma once

#include <stdbool.h>

/* 0, -ENOTTY. */
int terminal_enter(void);
void terminal_leave(void);

enum terminal_key {
	KEY_NONE = 0, /* nothing within the time */
	KEY_ESCAPE = 27,
	KEY_LEFT = 256,
	KEY_RIGHT,
	KEY_UP,
	KEY_DOWN,
	KEY_PAGE_UP,
	KEY_PAGE_DOWN,
	KEY_RESIZED,
};

/* A character or one of the above. */
int terminal_key(int timeout_ms);
