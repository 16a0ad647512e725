/* Applying a configuration: see live.h. */
#include "start/live.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "api/access.h"
#include "auth/policy.h"
#include "core/core.h"
#include "guard/limits.h"
#include "http/server.h"
#include "observe/log.h"
#include "observe/log_client.h"
#include "observe/trace.h"
#include "shared/clock.h"
#include "shared/err.h"
#include "shared/macros.h"
#include "store/store.h"
#include "tls/tls_settings.h"

static struct {
	/* Guards keys and config, and that policies are set one at a time: by the control thread,
	 * and by that of the keys. No other lock under it. */
	pthread_mutex_t lock;
	const struct keys *keys;
	struct config config; /* the last one applied */
	_Atomic uint64_t drain_timeout_ms;
} live = { .lock = PTHREAD_MUTEX_INITIALIZER };

static int policy_set(const struct config *config)
{
	return auth_policy_set(&(struct auth_policy){
		.tokens = { .keys = live.keys,
			.issuer = str_cstr(config->token.issuer),
			.audience = str_cstr(config->token.audience) },
		.lockout = { .free = (uint32_t)config->lockout.free,
			.base_ms = (int64_t)config->lockout.base_ms,
			.max_ms = (int64_t)config->lockout.max_ms },
		.hash_cost = (unsigned)config->password.cost,
		.password_points_min = (unsigned)config->password.min,
		.is_hiding_existing = config->accounts.is_hiding_existing,
		.is_mailing = config->mail.transport != MAIL_TRANSPORT_NONE,
		.is_verifying_email = config->accounts.is_verifying_email,
		.is_requiring_verified = config->accounts.is_requiring_verified,
		.token_ms = (int64_t)config->token.ttl_ms,
		.session_idle_ms = (int64_t)config->session.idle_ms,
		.session_ms = (int64_t)config->session.absolute_ms,
		.grace_ms = (int64_t)config->session.grace_ms,
	});
}

static int limits_set(const struct config *config)
{
	const struct {
		enum limit limit;
		const struct config_rate *rate;
	} configured[] = {
		{ LIMIT_LOGIN, &config->limits.login },
		{ LIMIT_REGISTER, &config->limits.registration },
		{ LIMIT_REFRESH, &config->limits.refresh },
		{ LIMIT_OTHER, &config->limits.other },
		{ LIMIT_VERIFY, &config->limits.verify },
		{ LIMIT_ACCOUNT, &config->limits.account },
		{ LIMIT_FAILURES, &config->limits.failures },
		{ LIMIT_MAIL, &config->limits.mail },
		{ LIMIT_MAILBOX, &config->limits.mailbox },
	};
	struct limits_options options = { .subjects_max = (uint32_t)config->limits.subjects_max };

	static_assert(ARRAY_SIZE(configured) == LIMITS - 1, "every limit is configured");
	for (size_t i = 0; config->limits.is_enabled && i < ARRAY_SIZE(configured); i++)
		options.rates[configured[i].limit] =
			(struct limiter_rate){ configured[i].rate->count,
				configured[i].rate->window_ms * NS_PER_MS };
	return limits_apply(&options);
}

static_assert((int)ACCESS_KEPT_NONE == ACCESS_NO && (int)ACCESS_KEPT_SLOW == ACCESS_SLOW &&
		      (int)ACCESS_KEPT_ALL == ACCESS_YES,
	"the option's choices are what the access log knows");

static void logging_set(const struct config *config)
{
	log_level_set((enum log_level)config->log.level);
	access_set(&(struct access_options){
		.kept = (enum access_kept)config->log.access,
		.slow_ms = config->log.slow_ms,
	});
	log_client_show(config->log.client_address == CLIENT_FULL);
}

/* --- certificates --- */

static_assert((int)TLS_CLIENTS_OFF == CLIENT_CERTIFICATE_OFF &&
		      (int)TLS_CLIENTS_OPTIONAL == CLIENT_CERTIFICATE_OPTIONAL &&
		      (int)TLS_CLIENTS_REQUIRED == CLIENT_CERTIFICATE_REQUIRED,
	"the option's choices are what TLS knows");
static_assert(TLS_CERTIFICATES_MAX == CONFIG_LISTEN_MAX && TLS_CRL_FILES_MAX == CONFIG_LISTEN_MAX &&
		      TLS_TICKET_KEYS_MAX == CONFIG_LISTEN_MAX,
	"every file has a place");

static bool has_tls(const struct config *config)
{
	return config->tls.certificate_files.count > 0;
}

static struct tls_options tls_options_of(const struct config *config)
{
	struct tls_options options = { .certificates = config->tls.certificate_files.count,
		.keys = config->tls.key_files.count,
		.is_1_3_only = config->tls.min_version == TLS_FROM_1_3,
		.ciphers = config->tls.ciphers,
		.ciphersuites = config->tls.ciphersuites,
		.clients = (enum tls_clients)config->tls.client_certificate,
		.client_ca_file = config->tls.client_ca_file,
		.crls = config->tls.client_crl_files.count,
		.has_tickets = config->tls.has_tickets,
		.ticket_keys = config->tls.ticket_key_files.count };

	for (unsigned i = 0; i < options.certificates; i++)
		options.certificate_files[i] = config->tls.certificate_files.items[i];
	for (unsigned i = 0; i < options.keys; i++)
		options.key_files[i] = config->tls.key_files.items[i];
	for (unsigned i = 0; i < options.crls; i++)
		options.crl_files[i] = config->tls.client_crl_files.items[i];
	for (unsigned i = 0; i < options.ticket_keys; i++)
		options.ticket_key_files[i] = config->tls.ticket_key_files.items[i];
	return options;
}

static bool is_tls_equal(const struct config *a, const struct config *b)
{
	return memcmp(&a->tls, &b->tls, sizeof(a->tls)) == 0;
}

int live_tls_try(const struct config *config, const struct config *in_force, struct buf *errors)
{
	const struct tls_options options = tls_options_of(config);

	if (in_force && is_tls_equal(config, in_force))
		return 0;
	return has_tls(config) ? tls_settings_try(&options, errors) : 0;
}

static void soon_over(const struct tls_certificate_info *info, void *arg)
{
	int64_t days = tls_days_left(info->not_after_ms, *(int64_t *)arg);

	if (info->not_after_ms - *(int64_t *)arg < TLS_EXPIRES_SOON_MS)
		log_event(LOG_LEVEL_WARN, "tls.certificate_ends", STR("renew it"),
			LOG_TEXT("file.path", str_cstr(info->file)),
			LOG_TEXT("tls.server.name", str_cstr(info->name)),
			LOG_NUMBER("authd.days_left", days));
}

static void list_over(const struct tls_crl_info *info, void *arg)
{
	int64_t days = tls_days_left(info->next_update_ms, *(int64_t *)arg);

	if (info->next_update_ms < *(int64_t *)arg)
		log_event(LOG_LEVEL_WARN, "tls.revocations_ended",
			STR("clients of this authority are refused"),
			LOG_TEXT("file.path", str_cstr(info->file)),
			LOG_TEXT("tls.issuer", str_cstr(info->issuer)),
			LOG_NUMBER("authd.days_left", days));
}

/* The same files as before may have become wrong since: that must not keep other options back. */
static int tls_set(const struct config *config)
{
	_cleanup_(buf_deinit) struct buf errors = buf_init(TLS_ERRORS_BYTES_MAX);
	const struct tls_options options = tls_options_of(config);
	int64_t now_ms = clock_wall_ms();
	int r;

	if (!has_tls(config))
		return 0;
	r = tls_settings_use(&options, &errors);
	if (r < 0)
		log_event(LOG_LEVEL_WARN, "tls.kept", buf_str(&errors),
			LOG_TEXT("error.type", str_cstr(err_name(r))));
	else {
		tls_certificates_each(soon_over, &now_ms);
		tls_crls_each(list_over, &now_ms);
	}
	return r;
}

/* --- what each core is told --- */

struct news {
	struct inbox_item item;
	struct http_options http;
};

static void on_core(struct inbox_item *item)
{
	struct news *news = container_of(item, struct news, item);

	if (core_current()->app)
		http_server_times(core_current()->app, &news->http);
	free(news);
}

/* All or none: NULL when memory is out. */
static struct news **news_make(const struct config *config)
{
	unsigned count = cores_count();
	struct news **all = calloc(count, sizeof(struct news *));

	for (unsigned i = 0; all && i < count; i++) {
		all[i] = calloc(1, sizeof(*all[i]));
		if (!all[i]) {
			while (i)
				free(all[--i]);
			free(all);
			return NULL;
		}
		all[i]->item.on_core = on_core;
		all[i]->http.idle_timeout_ms = config->http.idle_timeout_ms;
		all[i]->http.request_timeout_ms = config->http.request_timeout_ms;
		all[i]->http.send_timeout_ms = config->http.send_timeout_ms;
		all[i]->http.handshake_timeout_ms = config->tls.handshake_timeout_ms;
	}
	return all;
}

static void news_send(struct news **all)
{
	for (unsigned i = 0; i < cores_count(); i++) {
		if (atomic_load_explicit(&core_at(i)->is_ended, memory_order_acquire))
			free(all[i]);
		else
			inbox_send(&core_at(i)->inbox, &all[i]->item);
	}
	free(all);
}

/* --- all of it --- */

static void remember(const struct config *config)
{
	live.config = *config;
	atomic_store_explicit(
		&live.drain_timeout_ms, config->core.drain_timeout_ms, memory_order_relaxed);
}

int live_start(const struct config *config, const struct keys *keys)
{
	int r = limits_set(config);

	if (r < 0)
		return r;
	r = tls_set(config);
	if (r < 0)
		return r;
	live.keys = keys;
	logging_set(config);
	remember(config);
	return policy_set(config);
}

static int apply_locked(const struct config *config)
{
	struct news **news = news_make(config);
	int r;

	if (!news)
		return -ENOMEM;
	r = limits_set(config);
	if (r == 0)
		r = policy_set(config);
	if (r == 0 && tls_set(config) < 0 && !is_tls_equal(config, &live.config))
		r = -EINVAL;
	if (r < 0) {
		(void)limits_set(&live.config);
		(void)policy_set(&live.config);
		for (unsigned i = 0; i < cores_count(); i++)
			free(news[i]);
		free(news);
		return r;
	}
	if (config->trace.sample != live.config.trace.sample ||
		config->trace.slow_ms != live.config.trace.slow_ms)
		trace_tune((uint32_t)config->trace.sample * (TRACE_PARTS / 100),
			config->trace.slow_ms);
	if (config->store.pool_max != live.config.store.pool_max)
		store_pool_resize((unsigned)config->store.pool_max);
	news_send(news);
	logging_set(config);
	remember(config);
	return 0;
}

int live_apply(const struct config *config)
{
	int r;

	pthread_mutex_lock(&live.lock);
	r = apply_locked(config);
	pthread_mutex_unlock(&live.lock);
	return r;
}

int live_keys(const struct keys *keys)
{
	const struct keys *before;
	int r;

	pthread_mutex_lock(&live.lock);
	before = live.keys;
	live.keys = keys;
	r = policy_set(&live.config);
	if (r < 0)
		live.keys = before;
	pthread_mutex_unlock(&live.lock);
	return r;
}

void live_stop(void)
{
	tls_settings_drop();
}

uint64_t live_drain_timeout_ms(void)
{
	return atomic_load_explicit(&live.drain_timeout_ms, memory_order_relaxed);
}
