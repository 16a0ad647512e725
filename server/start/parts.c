/* Starting the parts: see parts.h. */
#include "start/parts.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "api/documents.h"
#include "auth/clients.h"
#include "auth/common.h"
#include "auth/rotation.h"
#include "core/core.h"
#include "crypt/password.h"
#include "guard/admission.h"
#include "guard/breaker.h"
#include "observe/log.h"
#include "shared/macros.h"
#include "shared/probe.h"
#include "start/fail.h"
#include "start/live.h"

unsigned processors(uint64_t configured)
{
	long online = sysconf(_SC_NPROCESSORS_ONLN);

	if (configured)
		return (unsigned)configured;
	return online < 1 ? 1 : (unsigned)MIN(online, CORES_MAX);
}

/* The secret that HS256 shares with an application: as long as its key. */
static char token_secret[STORE_KEY_BYTES_MAX];

int keys_make(const struct config *config, const struct keys **ret_keys)
{
	struct rotation_options options = { .algorithm =
						    (enum signing_algorithm)config->token.algorithm,
		.every_ms = (int64_t)config->token.rotate_every_ms,
		.apply = live_keys };
	const char *path = config->token.secret_file;
	FILE *file;
	size_t bytes;

	if (options.algorithm == SIGNING_HS256 && path[0]) {
		file = fopen(path, "re");
		if (!file)
			return fail(path, -errno, NULL);
		bytes = fread(token_secret, 1, sizeof(token_secret), file);
		(void)fclose(file);
		/* Editors end files with a newline; secrets do not. */
		while (bytes && token_secret[bytes - 1] == '\n')
			bytes--;
		options.secret = str_of(token_secret, bytes);
	}
	return rotation_init(&options, ret_keys);
}

int common_start(const struct config *config)
{
	const char *path = config->password.refused_file;
	unsigned line;
	int r = common_load(path, &line);

	if (r < 0 && line)
		(void)fprintf(stderr, "authd: %s: line %u is no UTF-8\n", path, line);
	return r < 0 ? fail(path, r, NULL) : 0;
}

int documents_start(const struct config *config)
{
	return documents_make(&(struct openapi_options){ .base = str_cstr(config->http.base),
				      .cookie = str_cstr(config->token.cookie),
				      .password_points_min = (unsigned)config->password.min },
		config->http.has_docs);
}

int oauth_start(const struct config *config)
{
	const char *path = config->oauth.clients_file, *why;
	unsigned line;
	int r = clients_load(path, &line, &why);

	if (r < 0 && line)
		(void)fprintf(stderr, "authd: %s: line %u\n", path, line);
	return r < 0 ? fail(path, r, why) : 0;
}

int hashing_start(const struct config *config)
{
	const struct password_options options = {
		.threads = processors(config->password.threads),
		.queued_max = (unsigned)config->password.queue_max,
		.cost = (unsigned)config->password.cost,
	};
	struct password_stats stats;
	int r;

	r = password_threads_start(&options);
	if (r < 0)
		return r;
	password_stats_read(&stats);
	if (!stats.is_interleaved)
		log_event(LOG_LEVEL_ERROR, "password.bcrypt_wrong",
			STR("our bcrypt makes wrong hashes on this machine: libxcrypt makes all,"
			    " one at a time on each thread"),
			LOG_NUMBER("authd.hashing_threads", options.threads));
	return 0;
}

void admission_start(const struct config *config)
{
	/* A quarter of a core's stacks is for requests that are not costly, whatever happens. */
	unsigned fibers = (unsigned)config->core.fibers_max;

	job_wait_max_set(config->admission.queue_time_max_ms);
	admission_init(&(struct admission_options){
		.concurrent_max = (unsigned)config->admission.concurrent_max *
				  processors(config->core.threads),
		.core_max = fibers - fibers / 4,
		.queue_time_max_ms = config->admission.queue_time_max_ms,
		.queue_time_standing_ms = config->admission.queue_time_standing_ms,
		.reads = job_queue_find("store-read"),
		.hashing = password_queue(),
		.writes = job_queue_find("store-write"),
	});
}

static void breaker_changed(const char *name, const struct breaker_change *change)
{
	static const char *const events[] = { [BREAKER_CLOSED] = "breaker.closed",
		[BREAKER_OPEN] = "breaker.opened",
		[BREAKER_HALF_OPEN] = "breaker.half_open" };

	PROBE3(breaker__change, name, change->from, change->to);
	log_event(change->to == BREAKER_OPEN ? LOG_LEVEL_ERROR : LOG_LEVEL_INFO, events[change->to],
		str_cstr(change->reason), LOG_TEXT("authd.breaker", str_cstr(name)),
		LOG_NUMBER("authd.breaker.calls", change->calls),
		LOG_NUMBER("authd.breaker.failures", change->failures));
}

void breakers_watch(void)
{
	breakers_on_change(breaker_changed);
}
