/* Tells what an application's users are to authd: see adopt.h. */
#include "adopt.h"

#include <errno.h>
#include <stdio.h>

#include "shared/err.h"
#include "shared/macros.h"
#include "store/store.h"

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
