/* The growing byte buffer with a maximum: see buf.h. */
#include "shared/buf.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* First allocation: most lines and answers fit, so that they never grow. */
#define BUF_BYTES_FIRST 512

void buf_deinit(struct buf *buf)
{
	free(buf->data);
	*buf = buf_init(buf->max);
}

void buf_wipe(struct buf *buf)
{
	if (buf->data)
		explicit_bzero(buf->data, buf->cap);
	buf_deinit(buf);
}

int buf_reserve(struct buf *buf, size_t bytes)
{
	size_t cap = buf->cap ? buf->cap : BUF_BYTES_FIRST;
	char *data;

	assert(buf->len <= buf->cap);
	if (bytes <= buf->cap - buf->len)
		return 0;
	if (bytes > buf->max || buf->len > buf->max - bytes)
		return -ENOBUFS;
	while (cap < buf->len + bytes)
		cap *= 2;
	cap = MIN(cap, buf->max);
	data = realloc(buf->data, cap);
	if (!data)
		return -ENOMEM;
	buf->data = data;
	buf->cap = cap;
	return 0;
}

int buf_append(struct buf *buf, struct str text)
{
	int r;

	assert(buf->len <= buf->cap);
	/* Nearly always there is room. */
	r = text.len <= buf->cap - buf->len ? 0 : buf_reserve(buf, text.len);
	if (r < 0)
		return r;
	if (text.len)
		memcpy(buf->data + buf->len, text.data, text.len);
	buf->len += text.len;
	return 0;
}

int buf_append_char(struct buf *buf, char c)
{
	return buf_append(buf, str_of(&c, 1));
}

int buf_printf(struct buf *buf, const char *format, ...)
{
	va_list args;
	int length, r;

	va_start(args, format);
	length = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (length < 0)
		return -EINVAL;
	/* One more than the text: vsnprintf always writes a terminator. */
	r = buf_reserve(buf, (size_t)length + 1);
	if (r < 0)
		return r;
	va_start(args, format);
	vsnprintf(buf->data + buf->len, (size_t)length + 1, format, args);
	va_end(args);
	buf->len += (size_t)length;
	return 0;
}

void buf_consume(struct buf *buf, size_t bytes)
{
	assert(bytes <= buf->len);
	if (bytes && bytes < buf->len)
		memmove(buf->data, buf->data + bytes, buf->len - bytes);
	buf->len -= bytes;
}
