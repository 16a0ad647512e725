/*
 * gzip and zstd, by their libraries, which are included in codings.c alone. A context of each is
 * made when it is first needed and used again for every body; of one core.
 */
#pragma once

#include "http/accept.h"
#include "shared/buf.h"

/* A body of ours is a document of some ten kilobytes: a larger window would find nothing more. */
#define CODINGS_WINDOW_BITS 15
#define CODINGS_LEVEL_MAX 9
/* What the contexts of a core take at the most: 192 KiB for gzip, the rest for zstd at level 9. */
#define CODINGS_BYTES_MAX (1024 * 1024)

struct codings {
	int level; /* 1 (fast) to CODINGS_LEVEL_MAX (small), for either */
	struct z_stream_s *gzip;
	struct ZSTD_CCtx_s *zstd;
};

/*
 * Appends the coded body to out: 1; 0 when that would not be smaller (out is as it was then);
 * -ENOMEM; -EIO: the library failed.
 */
int codings_encode(struct codings *codings, enum coding coding, struct str body, struct buf *out);
void codings_deinit(struct codings *codings);

/* Memory that the contexts hold now. */
size_t codings_bytes(const struct codings *codings);
