/* gzip and zstd: see codings.h. */
#include "http/codings.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include <zlib.h>
#include <zstd.h>

/* zlib: a gzip header instead of its own, and hash tables for small inputs (7 of 9). */
#define GZIP_WRAPPER 16
#define GZIP_MEMORY_LEVEL 7
/* zconf.h says what deflate takes for these: window and hash tables. */
#define GZIP_BYTES ((1 << (CODINGS_WINDOW_BITS + 2)) + (1 << (GZIP_MEMORY_LEVEL + 9)))

static int gzip_prepare(struct codings *codings)
{
	struct z_stream_s *stream;

	if (codings->gzip)
		return deflateReset(codings->gzip) == Z_OK ? 0 : -EIO;
	stream = calloc(1, sizeof(*stream));
	if (!stream)
		return -ENOMEM;
	if (deflateInit2(stream, codings->level, Z_DEFLATED, CODINGS_WINDOW_BITS + GZIP_WRAPPER,
		    GZIP_MEMORY_LEVEL, Z_DEFAULT_STRATEGY) != Z_OK) {
		free(stream);
		return -ENOMEM;
	}
	codings->gzip = stream;
	return 0;
}

/* Into room bytes at memory: how many, 0 when it does not fit. */
static int gzip_encode(
	struct codings *codings, struct str body, char *memory, size_t room, size_t *ret_bytes)
{
	struct z_stream_s *stream;
	int r = gzip_prepare(codings);

	if (r < 0)
		return r;
	stream = codings->gzip;
	stream->next_in = (unsigned char *)body.data;
	stream->avail_in = (unsigned)body.len;
	stream->next_out = (unsigned char *)memory;
	stream->avail_out = (unsigned)room;
	r = deflate(stream, Z_FINISH);
	if (r != Z_STREAM_END && r != Z_OK && r != Z_BUF_ERROR)
		return -EIO;
	*ret_bytes = r == Z_STREAM_END ? room - stream->avail_out : 0;
	return 0;
}

static int zstd_prepare(struct codings *codings)
{
	ZSTD_CCtx *context;

	if (codings->zstd)
		return 0;
	context = ZSTD_createCCtx();
	if (!context)
		return -ENOMEM;
	if (ZSTD_isError(
		    ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, codings->level)) ||
		ZSTD_isError(
			ZSTD_CCtx_setParameter(context, ZSTD_c_windowLog, CODINGS_WINDOW_BITS))) {
		ZSTD_freeCCtx(context);
		return -EIO;
	}
	codings->zstd = context;
	return 0;
}

static int zstd_encode(
	struct codings *codings, struct str body, char *memory, size_t room, size_t *ret_bytes)
{
	size_t bytes;
	int r = zstd_prepare(codings);

	if (r < 0)
		return r;
	bytes = ZSTD_compress2(codings->zstd, memory, room, body.data, body.len);
	if (!ZSTD_isError(bytes)) {
		*ret_bytes = bytes;
		return 0;
	}
	(void)ZSTD_CCtx_reset(codings->zstd, ZSTD_reset_session_only);
	*ret_bytes = 0; /* no room, or no memory for its tables: either way it goes as it is */
	return 0;
}

int codings_encode(struct codings *codings, enum coding coding, struct str body, struct buf *out)
{
	size_t bytes, room = body.len ? body.len - 1 : 0; /* as large as it is gains nothing */
	int r;

	assert(coding == CODING_GZIP || coding == CODING_ZSTD);
	assert(codings->level >= 1 && codings->level <= CODINGS_LEVEL_MAX);
	if (!room)
		return 0;
	r = buf_reserve(out, room);
	if (r < 0)
		return r;
	r = coding == CODING_GZIP ? gzip_encode(codings, body, out->data + out->len, room, &bytes)
				  : zstd_encode(codings, body, out->data + out->len, room, &bytes);
	if (r < 0)
		return r;
	out->len += bytes;
	return bytes > 0;
}

void codings_deinit(struct codings *codings)
{
	if (codings->gzip)
		(void)deflateEnd(codings->gzip);
	free(codings->gzip);
	(void)ZSTD_freeCCtx(codings->zstd);
	codings->gzip = NULL;
	codings->zstd = NULL;
}

size_t codings_bytes(const struct codings *codings)
{
	return (codings->gzip ? GZIP_BYTES : 0) + ZSTD_sizeof_CCtx(codings->zstd);
}
