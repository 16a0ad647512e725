/* A ring of lines that is overwritten from its oldest end: see log.h and log_tail.h. */
#include "observe/log_tail.h"

#include <pthread.h>
#include <string.h>

#include "observe/log.h"
#include "shared/macros.h"

static struct {
	pthread_mutex_t lock; /* guards the rest; no lock follows */
	char ring[LOG_RING_BYTES];
	uint64_t total, records; /* ever; the last byte is at total - 1 */
} tail = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* A piece is far smaller than the ring. */
void log_tail_add(struct str lines, uint64_t count)
{
	size_t start, first;

	pthread_mutex_lock(&tail.lock);
	start = tail.total % LOG_RING_BYTES;
	first = MIN(lines.len, LOG_RING_BYTES - start);
	memcpy(tail.ring + start, lines.data, first);
	memcpy(tail.ring, lines.data + first, lines.len - first);
	tail.total += lines.len;
	tail.records += count;
	pthread_mutex_unlock(&tail.lock);
}

struct log_cursor log_cursor_now(void)
{
	struct log_cursor cursor;

	pthread_mutex_lock(&tail.lock);
	cursor = (struct log_cursor){ .bytes = tail.total, .records = tail.records };
	pthread_mutex_unlock(&tail.lock);
	return cursor;
}

static char byte_at(uint64_t position)
{
	return tail.ring[position % LOG_RING_BYTES];
}

/* Moves a cursor that was overtaken to the oldest whole line. Under the lock. */
static uint64_t cursor_catch_up(struct log_cursor *cursor)
{
	uint64_t at = tail.total - LOG_RING_BYTES, lines = 0, lost;

	if (tail.total <= LOG_RING_BYTES || cursor->bytes >= at)
		return 0;
	while (at < tail.total && byte_at(at++) != '\n')
		;
	cursor->bytes = at;
	for (; at < tail.total; at++)
		lines += byte_at(at) == '\n';
	lost = tail.records - lines - cursor->records;
	cursor->records += lost;
	return lost;
}

int log_read(struct log_cursor *cursor, size_t room, struct buf *lines, uint64_t *ret_lost)
{
	size_t len, first, start;
	const char *last;
	char *to;
	int r;

	r = buf_reserve(lines, room);
	if (r < 0)
		return r;
	to = lines->data + lines->len;
	pthread_mutex_lock(&tail.lock);
	*ret_lost = cursor_catch_up(cursor);
	len = MIN(room, tail.total - cursor->bytes);
	start = cursor->bytes % LOG_RING_BYTES;
	first = MIN(len, LOG_RING_BYTES - start);
	memcpy(to, tail.ring + start, first);
	memcpy(to + first, tail.ring, len - first);
	pthread_mutex_unlock(&tail.lock);
	/* Whole lines only: the rest comes with the next ones. */
	last = len ? memrchr(to, '\n', len) : NULL;
	len = last ? (size_t)(last - to) + 1 : 0;
	for (size_t i = 0; i < len; i++)
		cursor->records += to[i] == '\n';
	lines->len += len;
	cursor->bytes += len;
	return 0;
}
