/*
 * Our bcrypt against libxcrypt's, on one core: bench-bcrypt [COST [REPEATS]] (12 and 9 by default).
 * Every repeat runs libxcrypt once and then each number of lanes once, so that whatever else the
 * machine does meets all of them; the medians are compared. Processor time of this thread counts,
 * for the latency of a lone hash also the time on the wall.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <crypt.h>

#include "crypt/bcrypt.h"

#define REPEATS_MAX 999
#define RUNS (BCRYPT_LANES_MAX + 1) /* number 0 is libxcrypt */

/* The goals of ARCHITECTURE.md, printed beside what was measured. */
#define RATE_GOAL 2.5
#define LATENCY_GOAL 1.05

static struct {
	double cpu_s[RUNS][REPEATS_MAX];
	double wall_s[RUNS][REPEATS_MAX];
} measured;

static double seconds(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* One hash in every lane, from its setup to its text. */
static void lanes_run(struct bcrypt_batch *batch, unsigned lanes, const char *setting)
{
	char hash[BCRYPT_HASH_CHARS + 1];

	for (unsigned i = 0; i < lanes; i++) {
		if (bcrypt_batch_add(batch, setting, "correct horse battery", NULL) < 0)
			abort();
	}
	bcrypt_batch_run(batch, UINT32_MAX);
	while (batch->count) {
		bcrypt_batch_hash(batch, batch->count - 1, hash);
		bcrypt_batch_remove(batch, batch->count - 1);
	}
}

static void libxcrypt_run(const char *setting)
{
	static struct crypt_data data;

	if (!crypt_rn("correct horse battery", setting, &data, sizeof(data)))
		abort();
}

static void repeat(struct bcrypt_batch *batch, const char *setting, unsigned number)
{
	for (unsigned lanes = 0; lanes < RUNS; lanes++) {
		double cpu_s = seconds(CLOCK_THREAD_CPUTIME_ID), wall_s = seconds(CLOCK_MONOTONIC);

		if (lanes)
			lanes_run(batch, lanes, setting);
		else
			libxcrypt_run(setting);
		measured.cpu_s[lanes][number] = seconds(CLOCK_THREAD_CPUTIME_ID) - cpu_s;
		measured.wall_s[lanes][number] = seconds(CLOCK_MONOTONIC) - wall_s;
	}
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *values, unsigned count)
{
	qsort(values, count, sizeof(*values), compare);
	return count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

static void report(unsigned cost, unsigned repeats)
{
	double libxcrypt_s = median(measured.cpu_s[0], repeats), best = 0;
	double wall_ratio =
		median(measured.wall_s[1], repeats) / median(measured.wall_s[0], repeats);
	double lane_s[RUNS];

	for (unsigned lanes = 1; lanes < RUNS; lanes++) {
		lane_s[lanes] = median(measured.cpu_s[lanes], repeats) / lanes;
		if (libxcrypt_s / lane_s[lanes] > best)
			best = libxcrypt_s / lane_s[lanes];
	}
	(void)printf("hashes/s per core against libxcrypt: %.2fx (goal: at least %.1fx)\n", best,
		RATE_GOAL);
	(void)printf("latency of a lone hash against libxcrypt: %.2fx, on the wall %.2fx (goal: at "
		     "most %.2fx)\n",
		lane_s[1] / libxcrypt_s, wall_ratio, LATENCY_GOAL);
	(void)printf("cost %u, medians of %u repeats:\n", cost, repeats);
	(void)printf("%-10s %7s %10s %12s\n", "", "ratio", "hashes/s", "ms for all");
	(void)printf("%-10s %6.2fx %10.2f %12.1f\n", "libxcrypt", 1.0, 1 / libxcrypt_s,
		libxcrypt_s * 1e3);
	for (unsigned lanes = 1; lanes < RUNS; lanes++)
		(void)printf("%u %-8s %6.2fx %10.2f %12.1f\n", lanes, lanes == 1 ? "lane" : "lanes",
			libxcrypt_s / lane_s[lanes], 1 / lane_s[lanes],
			lane_s[lanes] * lanes * 1e3);
}

int main(int argc, char **argv)
{
	unsigned cost = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 12;
	unsigned repeats = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 9;
	char setting[] = "$2b$12$CCCCCCCCCCCCCCCCCCCCC.";
	struct bcrypt_batch *batch = bcrypt_batch_new();

	if (cost < BCRYPT_COST_MIN || cost > 20 || repeats == 0 || repeats > REPEATS_MAX) {
		(void)fprintf(stderr, "usage: bench-bcrypt [COST (4..20) [REPEATS (1..%d)]]\n",
			REPEATS_MAX);
		return 2;
	}
	if (!batch || bcrypt_self_test() < 0) {
		(void)fprintf(stderr, "bench-bcrypt: the self-test fails\n");
		return 1;
	}
	setting[4] = (char)('0' + cost / 10);
	setting[5] = (char)('0' + cost % 10);
	for (unsigned number = 0; number < repeats; number++)
		repeat(batch, setting, number);
	report(cost, repeats);
	bcrypt_batch_free(batch);
	return 0;
}
