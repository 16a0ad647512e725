/* Opens the store that the configuration describes: see start/store.h. */
#include "start/store.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "auth/remote.h"
#include "observe/log.h"
#include "start/fail.h"
#include "start/secret_file.h"
#include "shared/err.h"
#include "shared/macros.h"
#include "store/store.h"
#include "store/upkeep.h"

#define URI_BYTES_MAX 4096

/* Holds a password: lives as long as the store, which may connect again at any time. */
static char uri[URI_BYTES_MAX + 1];

/* --- where MongoDB is --- */

/* Configurations are read by everybody and shown by authctl: no passwords in them. */
static bool has_password(const char *text)
{
	const char *host = strstr(text, "://"), *at = strchr(text, '@');

	return host && at && memchr(host + 3, ':', (size_t)MAX(at - host - 3, 0));
}

static int uri_make(const struct config *config)
{
	if (config->store.uri_file[0])
		return secret_file_read("store.uri_file", config->store.uri_file, uri, sizeof(uri));
	if (has_password(config->store.uri))
		return fail("store.uri", -EINVAL,
			"has a password in it: write the URI into a file of its own and name that in"
			" store.uri_file");
	(void)snprintf(uri, sizeof(uri), "%s", config->store.uri);
	return 0;
}

/* --- indexes --- */

static void index_log(const struct store_index_status *status, _unused_ void *arg)
{
	static const char *const events[] = {
		[INDEX_MISSING] = "store.index_missing", [INDEX_DIFFERENT] = "store.index_different"
	};

	if (status->state == INDEX_PRESENT || status->state == INDEX_EXTRA)
		return;
	log_event(LOG_LEVEL_WARN, events[status->state], str_cstr(status->detail),
		LOG_TEXT("authd.index", str_cstr(status->name)),
		LOG_TEXT("authd.index.key", str_cstr(status->key)));
}

/* --- opening --- */

static struct store_fields fields_of(const struct config *config)
{
	return (struct store_fields){
		.users = config->adopt.collection,
		.email = config->adopt.email,
		.password = config->adopt.password,
		.name = config->adopt.name,
		.roles = config->adopt.roles,
		.verified = config->adopt.email_verified,
		.status = config->adopt.status,
		.active = config->adopt.active,
		.created = config->adopt.created,
		.updated = config->adopt.updated,
		.last_login = config->adopt.last_login,
		.attempts = config->adopt.attempts,
		.locked_until = config->adopt.locked_until,
	};
}

static int open_options(const struct config *config, struct store_options *options)
{
	static const char *const backends[] = { [BACKEND_SQLITE] = "sqlite",
		[BACKEND_MEMORY] = "memory",
		[BACKEND_MONGODB] = "mongodb" };

	*options = (struct store_options){ .backend = backends[config->store.backend],
		.path = config->store.path,
		.reader_threads = (unsigned)config->store.reader_threads,
		.queued_max = (unsigned)config->store.queue_max,
		.call_timeout_ms = config->breaker.call_timeout_ms,
		.breaker = { .window_ms = config->breaker.window_ms,
			.failures_percent = (unsigned)config->breaker.failures_percent,
			.calls_min = (unsigned)config->breaker.calls_min,
			.open_ms = config->breaker.open_ms,
			.probes = (unsigned)config->breaker.probes },
		.uri = uri,
		.pool_min = (unsigned)config->store.pool_min,
		.pool_max = (unsigned)config->store.pool_max,
		.connect_timeout_ms = (unsigned)config->store.connect_timeout_ms,
		.op_timeout_ms = (unsigned)config->store.op_timeout_ms,
		.select_timeout_ms = (unsigned)config->store.select_timeout_ms,
		.fields = fields_of(config) };
	if (config->store.backend != BACKEND_MONGODB)
		return 0;
	if (options->pool_min > options->pool_max - STORE_POOL_KEPT)
		return fail("store.pool_min", -EINVAL,
			"leaves no room: six of pool_max are kept for other work");
	return uri_make(config);
}

int store_start(const struct config *config)
{
	struct store_options options;
	const char *why;
	int r = open_options(config, &options);

	if (r < 0)
		return r;
	store_watch(remote_change);
	r = store_open(&options, &why);
	if (r < 0)
		return fail("store", r, why);
	if (config->store.backend == BACKEND_MEMORY)
		log_event(LOG_LEVEL_WARN, "store.memory",
			STR("accounts are kept in memory: all is lost at the end"));
	(void)store_indexes_check(index_log, NULL);
	return 0;
}
