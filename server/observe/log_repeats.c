/* One window of a second for each event and error.type: see log_repeats.h. */
#include "observe/log_repeats.h"

#include <pthread.h>

#include "shared/clock.h"
#include "shared/macros.h"

#define KINDS_MAX                                                                                  \
	128 /* we have some forty events; a newcomer takes the place of one of its bucket */
#define WINDOW_NS NS_PER_S

static struct kind {
	uint64_t hash, began_ns, suppressed;
	unsigned count;
} kinds[KINDS_MAX];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards kinds; no lock follows */

/* FNV-1a: names of ours, so nobody can aim at a place. */
static uint64_t hash_add(uint64_t hash, struct str text)
{
	for (size_t i = 0; i < text.len; i++)
		hash = (hash ^ (unsigned char)text.data[i]) * UINT64_C(0x100000001b3);
	return hash;
}

bool log_repeats_allow(const char *event, struct str error_type, uint64_t *ret_suppressed)
{
	uint64_t hash = hash_add(UINT64_C(0xcbf29ce484222325), str_cstr(event));
	uint64_t now_ns = clock_now_ns();
	struct kind *kind;
	bool is_allowed;

	hash = hash_add(hash_add(hash, STR(" ")), error_type);
	kind = &kinds[hash % KINDS_MAX];
	*ret_suppressed = 0;
	pthread_mutex_lock(&lock);
	if (kind->hash != hash)
		*kind = (struct kind){ .hash = hash, .began_ns = now_ns };
	if (now_ns - kind->began_ns >= WINDOW_NS) {
		kind->began_ns = now_ns;
		kind->count = 0;
	}
	is_allowed = kind->count < LOG_REPEATS_MAX;
	if (is_allowed) {
		kind->count++;
		*ret_suppressed = kind->suppressed;
		kind->suppressed = 0;
	} else {
		kind->suppressed++;
	}
	pthread_mutex_unlock(&lock);
	return is_allowed;
}
