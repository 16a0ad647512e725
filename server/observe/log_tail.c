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
	size_t len = 0, first, start;
	int r;

	r = buf_reserve(lines, room);
	if (r < 0)
		return r;
	pthread_mutex_lock(&tail.lock);
	*ret_lost = cursor_catch_up(cursor);
	for (size_t i = 0; i < room && cursor->bytes + i < tail.total; i++)
		if (byte_at(cursor->bytes + i) == '\n')
			len = i + 1;
	start = cursor->bytes % LOG_RING_BYTES;
	first = MIN(len, LOG_RING_BYTES - start);
	memcpy(lines->data + lines->len, tail.ring + start, first);
	memcpy(lines->data + lines->len + first, tail.ring, len - first);
	pthread_mutex_unlock(&tail.lock);
	for (size_t i = 0; i < len; i++)
		cursor->records += lines->data[lines->len + i] == '\n';
	lines->len += len;
	cursor->bytes += len;
	return 0;
}
