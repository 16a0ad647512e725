/*
 * A byte buffer that owns its memory, grows by doubling and never past a maximum that its owner
 * names. Used for output, for lines that arrive in pieces, for text that is built up.
 */
#pragma once

#include "shared/macros.h"
#include "shared/str.h"

struct buf {
	char *data;
	size_t len;
	size_t cap;
	size_t max;
};

/* An empty buffer that may hold up to max bytes; allocates nothing yet. */
static inline struct buf buf_init(size_t max)
{
	return (struct buf){ .max = max };
}

void buf_deinit(struct buf *buf);

/* As buf_deinit(), after wiping every byte that was ever written: for secrets. */
void buf_wipe(struct buf *buf);

static inline struct str buf_str(const struct buf *buf)
{
	return str_of(buf->data, buf->len);
}

/* Forgets the content and keeps the memory. */
static inline void buf_clear(struct buf *buf)
{
	buf->len = 0;
}

/*
 * Makes room for at least `bytes` more; they start at data + len.
 * -ENOBUFS: more than max (nothing changed); -ENOMEM.
 */
_must_check_ int buf_reserve(struct buf *buf, size_t bytes);

/* All of these append everything or nothing: 0, -ENOBUFS, -ENOMEM. */
_must_check_ int buf_append(struct buf *buf, struct str text);
_must_check_ int buf_append_char(struct buf *buf, char c);
_must_check_ int buf_printf(struct buf *buf, const char *format, ...) _printf_(2, 3);

/* Drops the first `bytes` bytes. */
void buf_consume(struct buf *buf, size_t bytes);
