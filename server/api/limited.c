/* Limits as HTTP: see limited.h. */
#include "api/limited.h"

#include <stdatomic.h>

#include "core/core.h"
#include "observe/log.h"
#include "shared/clock.h"

#define WARN_EVERY_NS (60 * NS_PER_S) /* often enough to be found, too rare to fill a disk */

/* Rounded up: a client that waits so long is not too early. */
static uint64_t seconds_of(uint64_t ns)
{
	return ns / NS_PER_S + (ns % NS_PER_S > 0);
}

/*
 * RateLimit-Policy: "login";q=300;w=60 (what there is) and RateLimit: "login";r=12;t=1 (what is
 * left of it, and in how many seconds there is more). A hint: without memory it is left out.
 */
static void put_fields(
	enum limit limit, const struct limiter_verdict *verdict, struct response *response)
{
	struct arena *arena = response->request->arena;
	struct str policy = arena_printf(arena, "\"%s\";q=%llu;w=%llu", limit_name(limit),
		(unsigned long long)verdict->rate.count,
		(unsigned long long)(verdict->rate.window_ns / NS_PER_S));
	struct str left = arena_printf(arena, "\"%s\";r=%llu;t=%llu", limit_name(limit),
		(unsigned long long)verdict->remaining,
		(unsigned long long)seconds_of(verdict->wait_ns));

	if (policy.data && left.data && response_header(response, "RateLimit-Policy", policy) == 0)
		(void)response_header(response, "RateLimit", left);
}

/*
 * A proxy that nobody named in the configuration makes all its clients one. It is found when they
 * are refused together; a client that only pretends to be a proxy costs a line a minute.
 */
static void warn_of_proxy(const struct request *request, uint64_t now_ns)
{
	static _Atomic uint64_t next_ns;
	uint64_t next = atomic_load_explicit(&next_ns, memory_order_relaxed);
	struct subject network = subject_of_network(request->peer);
	char text[SUBJECT_TEXT_BYTES];

	if (request->is_behind_proxy || now_ns < next ||
		(!request_header(request, STR("X-Forwarded-For")).data &&
			!request_header(request, STR("Forwarded")).data) ||
		!atomic_compare_exchange_strong(&next_ns, &next, now_ns + WARN_EVERY_NS))
		return;
	log_event(LOG_LEVEL_WARN, "limits.unknown_proxy",
		STR("a client was refused that says it is a proxy: is it missing in"
		    " http.trusted_proxies?"),
		LOG_TEXT("client.address", subject_text(&network, text)));
}

static int refuse(
	enum limit limit, const struct limiter_verdict *verdict, struct response *response)
{
	response_problem(response, PROBLEM_RATE_LIMITED);
	(void)response_header_u64(response, "Retry-After", seconds_of(verdict->wait_ns));
	put_fields(limit, verdict, response);
	return 1;
}

int limited_by_address(enum limit limit, const struct request *request, struct response *response)
{
	struct limiter_verdict verdict;
	struct subject subject;
	uint64_t now_ns;

	if (!limit_is_on(limit))
		return 0;
	now_ns = loop_now_ns(core_current()->loop);
	subject = subject_of_address(request->peer);
	verdict = limit_take(limit, &subject, now_ns);
	if (!verdict.is_allowed) {
		warn_of_proxy(request, now_ns);
		return refuse(limit, &verdict, response);
	}
	/* /verify's answers are for proxies, which have no use for the fields, and many. */
	if (limit != LIMIT_VERIFY)
		put_fields(limit, &verdict, response);
	return 0;
}

int limited_by_account(const char *email_key, struct response *response)
{
	struct limiter_verdict verdict;
	struct subject subject;

	if (!limit_is_on(LIMIT_ACCOUNT))
		return 0;
	subject = subject_of_account(str_cstr(email_key));
	verdict = limit_take(LIMIT_ACCOUNT, &subject, loop_now_ns(core_current()->loop));
	return verdict.is_allowed ? 0 : refuse(LIMIT_ACCOUNT, &verdict, response);
}
