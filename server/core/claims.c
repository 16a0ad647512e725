/* The list of large pieces of memory: see claims.h. */
#include "core/claims.h"

#include <pthread.h>

static struct {
	pthread_mutex_t lock; /* guards the rest; no lock follows */
	struct claim list[CLAIMS_MAX];
	unsigned count;
	uint64_t lost;
} claims = { .lock = PTHREAD_MUTEX_INITIALIZER };

void claim(enum claim_use use, enum claim_from from, const void *start, size_t bytes)
{
	if (!start)
		return;
	pthread_mutex_lock(&claims.lock);
	if (claims.count < CLAIMS_MAX)
		claims.list[claims.count++] =
			(struct claim){ .start = start, .bytes = bytes, .use = use, .from = from };
	else
		claims.lost++;
	pthread_mutex_unlock(&claims.lock);
}

void claim_end(const void *start)
{
	pthread_mutex_lock(&claims.lock);
	for (unsigned i = claims.count; start && i-- > 0;)
		if (claims.list[i].start == start) {
			claims.list[i] = claims.list[--claims.count];
			break;
		}
	pthread_mutex_unlock(&claims.lock);
}

uint64_t claims_each(void (*visit)(const struct claim *claim, void *arg), void *arg)
{
	uint64_t lost;

	pthread_mutex_lock(&claims.lock);
	for (unsigned i = 0; i < claims.count; i++)
		visit(&claims.list[i], arg);
	lost = claims.lost;
	pthread_mutex_unlock(&claims.lock);
	return lost;
}
