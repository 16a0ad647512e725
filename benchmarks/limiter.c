/*
 * What one decision of a limit costs: bench-limiter [REPEATS] (9 by default). Each repeat runs
 * every case once, so that whatever else the machine does meets all of them; the medians are
 * printed.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "guard/limits.h"
#include "shared/macros.h"

#define REPEATS_MAX 99
#define DECISIONS 1000000
/* The bar of /verify, printed beside what was measured. */
#define GOAL_NS 100.0

static struct limits_options options = { .subjects_max = 32768 };

struct bench_case {
	const char *name;
	enum limit limit;
	uint64_t subjects;
	unsigned threads;
};

static const struct bench_case cases[] = {
	{ "switched off", LIMIT_OTHER, 1, 1 },
	{ "one address", LIMIT_VERIFY, 1, 1 },
	{ "1,000 addresses", LIMIT_VERIFY, 1000, 1 },
	{ "a million addresses", LIMIT_VERIFY, 1000000, 1 },
	{ "one address, two threads", LIMIT_VERIFY, 1, 2 },
	{ "1,000 addresses, two threads", LIMIT_VERIFY, 1000, 2 },
};

static double seconds(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* Processor time of this thread for one decision. */
struct run {
	const struct bench_case *what;
	uint64_t begun_ns;
	double ns;
};

static void *decide_often(void *arg)
{
	struct run *run = arg;
	double begun_s = seconds(CLOCK_THREAD_CPUTIME_ID);
	uint64_t allowed = 0;

	for (uint64_t i = 0; i < DECISIONS; i++) {
		/* A stride that is prime to all counts: no order that a prefetcher could learn. */
		struct subject subject = { i * 7919 % run->what->subjects, SUBJECT_V4 };

		allowed +=
			limit_take(run->what->limit, &subject, run->begun_ns + i * 1000).is_allowed;
	}
	run->ns = (seconds(CLOCK_THREAD_CPUTIME_ID) - begun_s) * 1e9 / DECISIONS;
	return (void *)(uintptr_t)(allowed == 0);
}

static double case_run(const struct bench_case *what)
{
	static uint64_t begun_ns;
	struct run runs[2] = { { .what = what, .begun_ns = begun_ns },
		{ .what = what, .begun_ns = begun_ns } };
	pthread_t threads[2];
	double ns = 0;

	for (unsigned i = 0; i < what->threads; i++)
		if (pthread_create(&threads[i], NULL, decide_often, &runs[i]) != 0)
			abort();
	for (unsigned i = 0; i < what->threads; i++) {
		pthread_join(threads[i], NULL);
		ns += runs[i].ns / what->threads;
	}
	begun_ns += DECISIONS * 1000; /* time goes on */
	return ns;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
	static double ns[ARRAY_SIZE(cases)][REPEATS_MAX];
	unsigned repeats = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 9;

	if (repeats < 1 || repeats > REPEATS_MAX)
		return 2;
	options.rates[LIMIT_VERIFY] = (struct limiter_rate){ 1000000, 1000000000 };
	if (limits_apply(&options) < 0)
		return 1;
	for (unsigned repeat = 0; repeat < repeats; repeat++)
		for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
			ns[i][repeat] = case_run(&cases[i]);
	(void)printf("ns of processor time for a decision, medians of %u repeats (goal: %.0f):\n",
		repeats, GOAL_NS);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		qsort(ns[i], repeats, sizeof(ns[i][0]), compare);
		(void)printf("%-30s %6.1f\n", cases[i].name, ns[i][repeats / 2]);
	}
	limits_stop();
	return 0;
}
