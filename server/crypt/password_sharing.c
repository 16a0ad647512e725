/* One hash for equal checks: see password_sharing.h. */
#include "crypt/password_sharing.h"

#include <assert.h>
#include <pthread.h>
#include <string.h>

#include "shared/clock.h"
#include "shared/macros.h"
#include "shared/secret.h"

/* A few hundred hashes are queued or computed at most: some per bucket are found fast enough. */
#define BUCKETS 256

static struct {
	/*
	 * Guards the buckets and the sharing part of every job in them. The lock of the queue may
	 * follow: a job must be in both or in neither when somebody looks.
	 */
	pthread_mutex_t lock;
	struct password_job *buckets[BUCKETS];
	struct siphash_key keys[2];
	_Atomic uint64_t count;
} table = { .lock = PTHREAD_MUTEX_INITIALIZER };

void password_sharing_init(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(table.keys); i++)
		table.keys[i] = siphash_key_new();
}

uint64_t password_sharing_count(void)
{
	return atomic_load_explicit(&table.count, memory_order_relaxed);
}

/* New hashes have a salt of their own, and what is damaged is equal to nothing. */
static bool is_shareable(const struct password_job *p)
{
	return p->work == PASSWORD_CHECK && p->sharing.tag;
}

static struct str password_of(const struct password_job *p)
{
	return str_of(p->password, p->password_len);
}

/* Under a secret key, so that nobody can fill one bucket, or learn from it; never 0. */
static uint64_t tag_of(const struct password_job *p)
{
	return 1 | (siphash(&table.keys[0], p->hash, strlen(p->hash)) ^
			   siphash(&table.keys[1], p->password, p->password_len));
}

static struct password_job **bucket_of(const struct password_job *p)
{
	return &table.buckets[(p->sharing.tag >> 1) % BUCKETS];
}

static struct password_job *leader_find(const struct password_job *p)
{
	struct password_job *leader = *bucket_of(p);

	for (; leader; leader = leader->sharing.next_in_bucket) {
		if (leader->sharing.tag == p->sharing.tag &&
			leader->sharing.count < PASSWORD_SHARERS_MAX &&
			secret_equal(str_cstr(leader->hash), str_cstr(p->hash)) &&
			secret_equal(password_of(leader), password_of(p)))
			return leader;
	}
	return NULL;
}

static void leader_join(
	struct password_job *leader, struct password_job *p, const struct job_queue *queue)
{
	p->sharing.wait_ns = job_queue_wait_ns(queue, job_queue_waiting(queue), p->job.queued_ns);
	p->sharing.next = leader->sharing.first;
	leader->sharing.first = p;
	leader->sharing.count++;
	atomic_fetch_add_explicit(&table.count, 1, memory_order_relaxed);
}

static void leader_list(struct password_job *p)
{
	struct password_job **bucket = bucket_of(p);

	p->sharing.next_in_bucket = *bucket;
	*bucket = p;
}

int password_sharing_submit(struct job *job, void *queue)
{
	struct password_job *p = container_of(job, struct password_job, job), *leader;
	int r = 0;

	if (p->is_damaged || p->work != PASSWORD_CHECK)
		return job_queue_append(job, queue);
	p->sharing.tag = tag_of(p);
	pthread_mutex_lock(&table.lock);
	leader = leader_find(p);
	if (leader)
		leader_join(leader, p, queue);
	else
		r = job_queue_append(job, queue);
	if (!leader && r == 0)
		leader_list(p);
	pthread_mutex_unlock(&table.lock);
	return r;
}

/* Takes a leader off the table; under the lock. */
static struct password_job *close_locked(struct password_job *p)
{
	struct password_job **link = bucket_of(p), *sharers = p->sharing.first;

	while (*link != p) {
		assert(*link);
		link = &(*link)->sharing.next_in_bucket;
	}
	*link = p->sharing.next_in_bucket;
	p->sharing.first = NULL;
	return sharers;
}

int password_sharing_leave(struct password_job *p, uint64_t now_ns,
	int (*reason)(const struct job *job, uint64_t now_ns), struct password_job **ret_sharers)
{
	int r = reason(&p->job, now_ns);

	*ret_sharers = NULL;
	if (r == 0 || !is_shareable(p))
		return r;
	pthread_mutex_lock(&table.lock);
	for (struct password_job *sharer = p->sharing.first; r < 0 && sharer;
		sharer = sharer->sharing.next) {
		if (reason(&sharer->job, now_ns) == 0)
			r = 0;
	}
	if (r < 0)
		*ret_sharers = close_locked(p);
	pthread_mutex_unlock(&table.lock);
	return r;
}

/*
 * When a hash of its own would have been done: after the wait in the queue that it was spared, and
 * as long as the leader's has taken. Not after its deadline, when nobody waits for it any more.
 */
static uint64_t own_end_ns(
	const struct password_job *sharer, const struct password_job *leader, uint64_t now_ns)
{
	uint64_t end_ns = sharer->job.queued_ns + (now_ns - leader->job.started_ns);

	if (__builtin_add_overflow(end_ns, sharer->sharing.wait_ns, &end_ns))
		end_ns = CLOCK_NEVER;
	return MIN(end_ns, sharer->job.deadline_ns);
}

struct password_job *password_sharing_close(struct password_job *p, uint64_t now_ns)
{
	struct password_job *sharers;

	if (!is_shareable(p))
		return NULL;
	pthread_mutex_lock(&table.lock);
	sharers = close_locked(p);
	pthread_mutex_unlock(&table.lock);
	for (struct password_job *sharer = sharers; sharer; sharer = sharer->sharing.next)
		sharer->sharing.not_before_ns = own_end_ns(sharer, p, now_ns);
	return sharers;
}
