/* The two forms of a text in Unicode: the one that is kept and the one that is compared. */
#pragma once

#include "shared/arena.h"
#include "shared/buf.h"
#include "shared/str.h"

/*
 * The text in NFC (Unicode UAX #15), in the arena: what is typed on another keyboard is the same
 * bytes. Of UTF-8. 0 or -ENOMEM.
 */
int unicode_normalize(struct arena *arena, struct str text, struct str *ret_normal);

/* Appends it without case, in NFC. 0, -ERR_MALFORMED (no UTF-8), -ENOBUFS, -ENOMEM. */
int unicode_fold(struct str text, struct buf *out);
