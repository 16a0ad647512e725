/* Tells what an application's users are to authd: see adopt.h. */
#include "offline/adopt.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "shared/err.h"
#include "shared/macros.h"
#include "store/store.h"
#include "store/upkeep.h"

static void finding_tell(const struct store_finding *finding, void *arg)
{
	bool *has_problem = arg;

	*has_problem |= finding->is_problem;
	(void)printf("%s%llu %s%s%s\n", finding->is_problem ? "PROBLEM: " : "",
		(unsigned long long)finding->count, finding->what, finding->examples[0] ? ": " : "",
		finding->examples);
}

static void index_tell(const struct store_index_status *status, _unused_ void *arg)
{
	if (status->state == INDEX_MISSING || status->state == INDEX_DIFFERENT)
		(void)printf("the index %s %s is %s: %s\n", status->name, status->key,
			status->state == INDEX_MISSING ? "missing" : "another one", status->detail);
}

int adopt_check(_unused_ const char *no_file)
{
	bool has_problem = false;
	int r = store_adopt_check(finding_tell, &has_problem);

	if (r == 0)
		r = store_indexes_check(index_tell, NULL);
	if (r < 0) {
		(void)fprintf(stderr, "authd: %s\n",
			r == -EOPNOTSUPP ? "only MongoDB has users to adopt" : err_text(r));
		return r;
	}
	return has_problem ? -EBADMSG : 0;
}

/* --- indexes --- */

#define MISSING_MAX 32 /* more than are declared */
#define LOOK_MS 100

struct missing {
	unsigned count;
	char names[MISSING_MAX][128];
	bool has_different;
};

static void missing_take(const struct store_index_status *status, void *arg)
{
	struct missing *missing = arg;

	if (status->state == INDEX_DIFFERENT) {
		missing->has_different = true;
		(void)printf("%s %s is there, but %s: drop it yourself if nobody needs it\n",
			status->name, status->key, status->detail);
	}
	if (status->state == INDEX_MISSING && missing->count < MISSING_MAX)
		memcpy(missing->names[missing->count++], status->name, sizeof(status->name));
}

/* Waits for the index that is being built. */
static int progress_tell(const char *name)
{
	const struct timespec pause = { .tv_nsec = LOOK_MS * 1000000L };
	struct store_index_progress progress;

	for (;;) {
		store_index_progress(&progress);
		if (!progress.is_running)
			break;
		if (progress.total)
			(void)printf("%s: %llu of %llu documents\n", name,
				(unsigned long long)progress.done,
				(unsigned long long)progress.total);
		(void)fflush(stdout);
		(void)nanosleep(&pause, NULL);
	}
	if (progress.result < 0)
		(void)fprintf(stderr, "authd: %s: %s\n", name, progress.reason);
	else
		(void)printf("%s: built\n", name);
	return progress.result;
}

int indexes_create(_unused_ const char *no_file)
{
	struct missing missing = {};
	int r = store_indexes_check(missing_take, &missing);

	if (r < 0)
		(void)fprintf(stderr, "authd: %s\n",
			r == -EOPNOTSUPP ? "this store has all its indexes" : err_text(r));
	for (unsigned i = 0; i < missing.count && r == 0; i++) {
		r = store_index_create(missing.names[i]);
		if (r == 0)
			r = progress_tell(missing.names[i]);
	}
	if (r == 0 && !missing.count && !missing.has_different)
		(void)printf("no index is missing\n");
	return r == 0 && missing.has_different ? -EEXIST : r;
}
