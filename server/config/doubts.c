/* The table of doubts: see doubts.h. */
#include "config/doubts.h"

#include <stddef.h>

#include "shared/macros.h"

void config_doubts(
	const struct config *config, void (*visit)(const char *sentence, void *arg), void *arg)
{
	uint64_t request_ms = config->http.request_timeout_ms;
	const struct {
		bool is_doubtful;
		const char *sentence;
	} doubts[] = {
		/* A call that ends because its request does says nothing of the store. */
		{ request_ms <= config->breaker.call_timeout_ms,
			"http.request_timeout is not above breaker.call_timeout: requests end"
			" first, and a store that hangs opens no breaker" },
		{ request_ms < config->admission.queue_time_max_ms,
			"http.request_timeout is below admission.queue_time_max, which is never"
			" reached" },
		{ config->core.fibers_max <= config->admission.concurrent_max,
			"core.fibers_max is not above admission.concurrent_max: logins may leave"
			" no fiber to anything else" },
		{ config->log.access == ACCESS_SLOW && config->log.slow_ms >= request_ms,
			"log.slow is not below http.request_timeout: no request is ever slow" },
		{ config->trace.endpoint[0] && config->trace.slow_ms >= request_ms,
			"trace.slow is not below http.request_timeout: no request is ever slow" },
		{ config->token.ttl_ms > config->session.idle_ms,
			"token.ttl is above session.idle: who verifies tokens offline takes those"
			" of sessions that have ended" },
		{ config->accounts.is_requiring_verified &&
				config->mail.transport == MAIL_TRANSPORT_NONE,
			"accounts.require_verified without a mail.transport: nobody who registers"
			" can ever log in" },
		{ config->mail.transport == MAIL_TRANSPORT_SMTP &&
				config->mail.retry_base_ms >= config->mail.age_max_ms,
			"mail.retry_base is not below mail.age_max: no mail is tried twice" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(doubts); i++)
		if (doubts[i].is_doubtful)
			visit(doubts[i].sentence, arg);
}
