/* The caches of a core, as a whole: see caches.h. */
#include "auth/caches.h"

#include <errno.h>

#include "auth/users.h"
#include "auth/verified.h"
#include "cache/lookup.h"
#include "core/core.h"
#include "shared/macros.h"

int caches_start(const struct caches_options *options)
{
	struct lookup_options lookup = {
		.cache.core = core_current()->index,
		.wheel = core_current()->wheel,
		.waiters_max = options->waiters_max,
		.ttl_ms = options->ttl_ms,
		.negative_ms = MIN(options->ttl_ms, CACHES_NEGATIVE_MS),
		.sweep_ms = options->sweep_ms,
	};
	int r;

	lookup.cache.entries_max = options->tokens_max;
	r = verified_start(&lookup);
	if (r < 0)
		return r;
	lookup.cache.entries_max = options->users_max;
	return users_start(&lookup);
}

void caches_stop(void)
{
	users_stop();
	verified_stop();
}

int caches_flush_here(struct str name, const char *id)
{
	static const struct {
		struct str name;
		struct lookup *(*lookup)(void);
		void (*forget)(const char *id);
	} caches[] = {
		{ STR("tokens"), verified_lookup, verified_forget_here },
		{ STR("users"), users_lookup, users_forget_here },
	};

	for (size_t i = 0; i < ARRAY_SIZE(caches); i++) {
		if (!str_equal(caches[i].name, name))
			continue;
		if (*id)
			caches[i].forget(id);
		else
			lookup_flush(caches[i].lookup());
		return 0;
	}
	return -ENOENT;
}
