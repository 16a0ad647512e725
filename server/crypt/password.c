/* Checking and hashing, on a fiber or here and now: see password.h. */
#include "crypt/password.h"

#include <errno.h>
#include <string.h>

#include "core/fiber.h"
#include "core/job.h"
#include "core/span.h"
#include "crypt/password_job.h"
#include "crypt/password_sharing.h"
#include "crypt/password_threads.h"
#include "observe/metrics.h"
#include "shared/clock.h"
#include "shared/err.h"

static bool is_bcrypt(struct str hash)
{
	return str_starts(hash, STR("$2"));
}

/* Where the time went. Who shared another's hash was waiting, not hashing. */
static void account(const struct job *job, struct str hash, uint64_t began_ns)
{
	uint64_t now_ns = clock_now_ns();

	if (!job_is_done(job) || !job->started_ns) {
		fiber_spend(SPENT_QUEUE, now_ns - began_ns);
		return;
	}
	fiber_spend(SPENT_QUEUE, job->started_ns - began_ns);
	fiber_spend(SPENT_HASH, job->ended_ns - job->started_ns);
	metric_hash(is_bcrypt(hash) ? ALGORITHM_BCRYPT : ALGORITHM_OTHER,
		job->ended_ns - job->started_ns);
}

/* How long it waited for its turn is what an overload shows first. */
static void hash_span_end(struct span *span, const struct job *job, struct str hash, int result)
{
	span_text(span, "authd.password.algorithm", is_bcrypt(hash) ? "bcrypt" : "other");
	if (span && job_is_done(job) && job->started_ns)
		span_number(span, "authd.queue_us",
			(int64_t)((job->started_ns - job->queued_ns) / NS_PER_US));
	span_text(span, "authd.pool", "hash");
	span_end(span, result);
}

int password_check_await(struct str hash, struct str password)
{
	struct job_queue *queue = password_threads_queue();
	uint64_t began_ns = clock_now_ns();
	struct password_job *p;
	struct span *span;
	int r;

	if (!queue)
		return -ERR_OVERLOADED;
	r = password_job_check_new(hash, password, &p);
	if (r < 0)
		return r;
	span = span_begin("password.hash", "check", SPAN_INTERNAL);
	r = job_await_by(&p->job, password_sharing_submit, queue);
	account(&p->job, hash, began_ns);
	hash_span_end(span, &p->job, hash, r);
	job_put(&p->job);
	return r;
}

int password_hash_await(
	struct str password, unsigned cost, char ret_hash[static PASSWORD_HASH_BYTES])
{
	struct job_queue *queue = password_threads_queue();
	uint64_t began_ns = clock_now_ns();
	struct password_job *p;
	struct span *span;
	int r;

	if (!queue)
		return -ERR_OVERLOADED;
	r = password_job_hash_new(password, cost, &p);
	if (r < 0)
		return r;
	span = span_begin("password.hash", "make", SPAN_INTERNAL);
	r = job_await(queue, &p->job);
	account(&p->job, STR("$2b$"), began_ns);
	hash_span_end(span, &p->job, STR("$2b$"), r);
	if (r >= 0 && job_is_done(&p->job))
		memcpy(ret_hash, p->hash, strlen(p->hash) + 1);
	job_put(&p->job);
	return r;
}

int password_check(struct str hash, struct str password)
{
	struct password_job *p;
	int r;

	r = password_job_check_new(hash, password, &p);
	if (r < 0)
		return r;
	password_job_run_here(p);
	r = p->job.result;
	password_job_free(p);
	return r;
}

int password_hash(struct str password, unsigned cost, char ret_hash[static PASSWORD_HASH_BYTES])
{
	struct password_job *p;
	int r;

	r = password_job_hash_new(password, cost, &p);
	if (r < 0)
		return r;
	password_job_run_here(p);
	r = p->job.result;
	if (r >= 0)
		memcpy(ret_hash, p->hash, strlen(p->hash) + 1);
	password_job_free(p);
	return r;
}
