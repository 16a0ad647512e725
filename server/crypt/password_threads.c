/*
 * The hashing threads. Each works on a batch (bcrypt.h): between two steps of it, jobs join and
 * leave. A thread takes a second job only when no other thread is idle, so that a lone login has a
 * core for itself; when logins queue up, lanes make the most of every core.
 */
#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "core/priority.h"
#include "core/thread.h"
#include "crypt/bcrypt.h"
#include "crypt/libxcrypt.h"
#include "crypt/password_job.h"
#include "crypt/password_sharing.h"
#include "crypt/password_threads.h"
#include "shared/clock.h"
#include "shared/err.h"
#include "shared/macros.h"
#include "shared/secret.h"

static_assert(PASSWORD_LANES_MAX == BCRYPT_LANES_MAX, "every lane is used");

/*
 * Between two looks at the queue and the clock. At cost 12, 64 of 4,096 iterations take 3 to 5 ms:
 * what a job waits for a free lane is little beside its hash, and what the looks cost is nothing.
 */
#define STEP_ITERATIONS 64

struct worker {
	pthread_t thread;
	struct bcrypt_batch *batch;
	struct password_job *held; /* answers that it is too early for, linked by sharing.next */
};

static struct {
	struct job_queue queue;
	struct worker workers[PASSWORD_THREADS_MAX];
	unsigned threads; /* as configured: set before the first runs */
	unsigned to_join; /* those that run */
	bool is_started;
} service;

static struct {
	_Atomic bool is_interleaved;
	_Atomic uint32_t lanes_busy;
	_Atomic uint64_t hashes[BCRYPT_LANES_MAX + 1], left;
} stats;

#define READ(field) atomic_load_explicit(&(field), memory_order_relaxed)
#define WRITE(field, value) atomic_store_explicit(&(field), (value), memory_order_relaxed)
#define ADD(field, value) atomic_fetch_add_explicit(&(field), (value), memory_order_relaxed)
#define SUB(field, value) atomic_fetch_sub_explicit(&(field), (value), memory_order_relaxed)

/* --- answers --- */

/* A no that was shared waits for its time; see password_check_await(). */
static void sharers_answer(struct worker *worker, struct password_job *sharers, int result)
{
	while (sharers) {
		struct password_job *p = sharers;

		sharers = p->sharing.next;
		if (result == 0) {
			p->sharing.next = worker->held;
			worker->held = p;
		} else {
			job_answer(&p->job, result);
		}
	}
}

/* Answers what may be told now; returns when the next may be. */
static uint64_t held_answer(struct worker *worker, uint64_t now_ns)
{
	struct password_job **link = &worker->held, *p;
	uint64_t next_ns = CLOCK_NEVER;

	while ((p = *link)) {
		if (p->sharing.not_before_ns > now_ns) {
			next_ns = MIN(next_ns, p->sharing.not_before_ns);
			link = &p->sharing.next;
			continue;
		}
		*link = p->sharing.next;
		job_answer(&p->job, 0);
	}
	return next_ns;
}

/* job.result has the answer. */
static void finish(struct worker *worker, struct password_job *p)
{
	struct password_job *sharers = password_sharing_close(p, clock_now_ns());

	sharers_answer(worker, sharers, p->job.result);
	job_done(&service.queue, &p->job);
}

/* Gives the job up if nobody waits for it, by what `reason` says. */
static bool drop(struct password_job *p, uint64_t now_ns,
	int (*reason)(const struct job *job, uint64_t now_ns))
{
	struct password_job *sharers, *next;
	int r = password_sharing_leave(p, now_ns, reason, &sharers);

	for (; sharers; sharers = next) {
		next = sharers->sharing.next;
		job_answer(&sharers->job, r);
	}
	if (r < 0)
		job_drop(&service.queue, &p->job, r);
	return r < 0;
}

/* --- work --- */

/* Into a lane, or at once with libxcrypt what is not bcrypt; returns false when it is answered. */
static bool begin(struct worker *worker, struct password_job *p)
{
	struct password_what what;
	int r;

	if (!READ(stats.is_interleaved)) {
		password_job_run_here(p);
		ADD(stats.hashes[0], 1);
		return false;
	}
	do {
		char made[PASSWORD_HASH_BYTES];

		password_job_what(p, &what);
		r = bcrypt_batch_add(worker->batch, what.setting, what.password, p);
		if (r == 0)
			return true;
		assert(r == -EINVAL);
		r = libxcrypt_hash(what.password, what.setting, made);
		if (r == 0) {
			ADD(stats.hashes[0], 1);
			password_job_finish(p, made);
			secret_wipe(made, sizeof(made));
		}
	} while (r < 0 && password_job_failed(p, r));
	return false;
}

/*
 * How many jobs may be taken: a deep queue fills all lanes at once, a short one is spread over the
 * threads. At least one: what comes while the thread waits is not in the queue yet. And no more
 * than one when libxcrypt hashes, so that none lies here while another thread could take it.
 */
static unsigned share_of_queue(unsigned room)
{
	unsigned share = (READ(service.queue.queued) + service.threads - 1) / service.threads;

	return READ(stats.is_interleaved) ? MIN(room, MAX(1, share)) : 1;
}

/* Fills free lanes; without any work it waits. False when there will be none any more. */
static bool worker_take(struct worker *worker)
{
	unsigned busy = worker->batch->count, room = BCRYPT_LANES_MAX - busy;
	uint64_t now_ns = clock_now_ns(), held_ns = held_answer(worker, now_ns);
	struct job *job, *next;
	int taken;

	if (!room)
		return true;
	taken = job_queue_take_until(
		&service.queue, share_of_queue(room), busy ? 0 : held_ns, &job);
	if (taken < 0) {
		(void)held_answer(worker, CLOCK_NEVER);
		return busy;
	}
	for (; taken > 0 && job; job = next) {
		struct password_job *p = container_of(job, struct password_job, job);

		assert(job->magic == JOB_MAGIC);
		next = job->next;
		/* Now, not when it was taken: libxcrypt may have hashed another one first. */
		if (drop(p, clock_now_ns(), job_stale_reason))
			continue;
		if (begin(worker, p))
			ADD(stats.lanes_busy, 1);
		else
			finish(worker, p);
	}
	return true;
}

static void lane_remove(struct worker *worker, unsigned lane)
{
	bcrypt_batch_remove(worker->batch, lane);
	SUB(stats.lanes_busy, 1);
}

/* Answers the lanes that are done, and frees those that nobody waits for. */
static void worker_collect(struct worker *worker)
{
	struct bcrypt_batch *batch = worker->batch;
	unsigned count = batch->count;
	uint64_t now_ns = clock_now_ns();
	char made[BCRYPT_HASH_CHARS + 1];

	for (unsigned lane = count; lane-- > 0;) {
		struct password_job *p = batch->owners[lane];

		if (bcrypt_batch_is_done(batch, lane)) {
			bcrypt_batch_hash(batch, lane, made);
			lane_remove(worker, lane);
			ADD(stats.hashes[count], 1);
			password_job_finish(p, made);
			finish(worker, p);
		} else if (drop(p, now_ns, job_leave_reason)) {
			lane_remove(worker, lane);
			ADD(stats.left, 1);
		}
	}
	secret_wipe(made, sizeof(made));
}

static void *hashing_thread(void *arg)
{
	struct worker *worker = arg;

	(void)priority_yielding();
	while (worker_take(worker)) {
		bcrypt_batch_run(worker->batch, STEP_ITERATIONS);
		worker_collect(worker);
	}
	return NULL;
}

/* --- start and stop --- */

/* From the tests of pyca/bcrypt; of the least cost, so that the start does not wait. */
#define TEST_COST PASSWORD_COST_MIN
static int libxcrypt_test(void)
{
	const struct str hash = STR("$2b$04$cVWp4XaNU8a4v1uMRum2SO026BWLIoQMD/TXg5uZV.0P.uO8m3YEm");
	int right = password_check(hash, STR("Kk4DQuMMfZL9o"));

	if (right < 0)
		return right;
	return right == 1 ? 0 : -EOPNOTSUPP;
}

/* *ret_ns: what one hash of TEST_COST took; each step of the cost doubles it. */
static int self_test(uint64_t *ret_ns)
{
	uint64_t started_ns = clock_now_ns();
	int r = libxcrypt_test();

	if (r < 0)
		return r;
	*ret_ns = clock_now_ns() - started_ns;
	r = bcrypt_self_test();
	if (r < 0 && r != -EOPNOTSUPP)
		return r;
	WRITE(stats.is_interleaved, r == 0);
	return 0;
}

static int worker_start(void)
{
	struct worker *worker = &service.workers[service.to_join];
	int r;

	*worker = (struct worker){ .batch = bcrypt_batch_new() };
	if (!worker->batch)
		return -ENOMEM;
	r = thread_start(&worker->thread, "hash", hashing_thread, worker);
	if (r < 0) {
		bcrypt_batch_free(worker->batch);
		return r;
	}
	service.to_join++;
	return 0;
}

int password_threads_start(const struct password_options *options)
{
	sigset_t all, old;
	uint64_t test_ns;
	int r;

	assert(!service.is_started);
	if (options->threads == 0 || options->threads > PASSWORD_THREADS_MAX)
		return -EINVAL;
	r = self_test(&test_ns);
	if (r < 0)
		return r;
	r = password_dummy_init(options->cost);
	if (r < 0)
		return r;
	password_sharing_init();

	job_queue_init(&service.queue, "hash", options->queued_max);
	job_queue_expect(&service.queue, options->threads, (test_ns << options->cost) >> TEST_COST);
	service.threads = options->threads;
	service.is_started = true;
	/* Signals belong to the main thread. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	for (unsigned i = 0; i < options->threads && r == 0; i++)
		r = worker_start();
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (r < 0)
		password_threads_stop();
	return r;
}

void password_threads_stop(void)
{
	if (!service.is_started)
		return;
	job_queue_close(&service.queue);
	for (; service.to_join > 0; service.to_join--) {
		struct worker *worker = &service.workers[service.to_join - 1];

		pthread_join(worker->thread, NULL);
		bcrypt_batch_free(worker->batch);
	}
	service.threads = 0;
	job_queue_deinit(&service.queue);
	service.is_started = false;
	password_dummy_deinit();
}

struct job_queue *password_threads_queue(void)
{
	return service.is_started ? &service.queue : NULL;
}

const struct job_queue *password_queue(void)
{
	return password_threads_queue();
}

void password_stats_read(struct password_stats *ret_stats)
{
	*ret_stats = (struct password_stats){
		.is_interleaved = READ(stats.is_interleaved),
		.lanes = service.threads * (READ(stats.is_interleaved) ? BCRYPT_LANES_MAX : 1),
		.lanes_busy = READ(stats.lanes_busy),
		.shared = password_sharing_count(),
		.left = READ(stats.left),
	};
	for (unsigned i = 0; i <= BCRYPT_LANES_MAX; i++)
		ret_stats->hashes[i] = READ(stats.hashes[i]);
}
