/*
 * Where a list goes on: the id of the last item, as a text that clients hand back and need not
 * understand. It tells no more than that item did, so it needs no signature; whatever is handed
 * back is a place in the order of ids, or refused.
 */
#pragma once

#include "shared/base64url.h"
#include "store/store.h"

#define CURSOR_BYTES BASE64URL_BYTES(1 + STORE_ID_BYTES_MAX)

/* Borrows text. */
struct str cursor_write(const char *id, char text[static CURSOR_BYTES]);

/* 0, or -ERR_MALFORMED: no cursor of ours. */
int cursor_read(struct str text, char ret_id[static STORE_ID_BYTES_MAX + 1]);
