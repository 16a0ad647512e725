/* Checking a configuration: see check.h. */
#include "start/check.h"

#include <errno.h>
#include <stdio.h>

#include "api/cors.h"
#include "config/doubts.h"
#include "core/listener.h"
#include "observe/log.h"
#include "shared/macros.h"
#include "start/fail.h"
#include "start/live.h"

static int address_try(const char *option, const char *text, struct buf *errors)
{
	struct address address;

	if (address_parse(str_cstr(text), &address) == 0)
		return 0;
	(void)!buf_printf(errors,
		"error: %s: '%s' is no address: write 127.0.0.1:8080, [::1]:8080 or *:8080\n",
		option, text);
	return -EINVAL;
}

static int addresses_try(
	const char *option, const struct config_list *addresses, struct buf *errors)
{
	int r = 0;

	for (unsigned i = 0; i < addresses->count; i++)
		r = MIN(r, address_try(option, addresses->items[i], errors));
	return r;
}

static int origin_try(const char *text, struct buf *errors)
{
	if (cors_is_origin(str_cstr(text)))
		return 0;
	(void)!buf_printf(errors,
		"error: http.cors_origins: '%s' is no origin: write https://app.example or"
		" http://localhost:3000\n",
		text);
	return -EINVAL;
}

/* An address serves one thing: the kernel would give half of its clients to the other. */
static int lists_differ(
	const struct config_list *one, const struct config_list *other, struct buf *errors)
{
	int r = 0;

	for (unsigned i = 0; i < one->count; i++) {
		if (!config_list_has(other, one->items[i]))
			continue;
		(void)!buf_printf(
			errors, "error: %s is to serve with TLS and without\n", one->items[i]);
		r = -EINVAL;
	}
	return r;
}

int config_try(const struct config *tried, const struct config *in_force, struct buf *errors)
{
	const char *scraped = tried->metrics.listen;
	int r = 0;

	r = MIN(r, addresses_try("http.listen", &tried->http.listen, errors));
	r = MIN(r, addresses_try("tls.listen", &tried->tls.listen, errors));
	r = MIN(r, addresses_try("tls.redirect_listen", &tried->tls.redirect_listen, errors));
	r = MIN(r, lists_differ(&tried->http.listen, &tried->tls.listen, errors));
	r = MIN(r, lists_differ(&tried->http.listen, &tried->tls.redirect_listen, errors));
	r = MIN(r, lists_differ(&tried->tls.listen, &tried->tls.redirect_listen, errors));
	r = MIN(r, live_tls_try(tried, in_force, errors));
	if (scraped[0] && scraped[0] != '/')
		r = MIN(r, address_try("metrics.listen", scraped, errors));
	for (unsigned i = 0; i < tried->http.cors_origins.count; i++)
		r = MIN(r, origin_try(tried->http.cors_origins.items[i], errors));
	return r;
}

static void doubt_print(const char *sentence, void *path)
{
	(void)fprintf(stderr, "%s: warning: %s\n", (const char *)path, sentence);
}

void doubts_print(const char *path, const struct config *config)
{
	config_doubts(config, doubt_print, (void *)path);
}

static void doubt_log(const char *sentence, _unused_ void *arg)
{
	log_event(LOG_LEVEL_WARN, "config.doubtful", str_cstr(sentence));
}

void doubts_log(const struct config *config)
{
	config_doubts(config, doubt_log, NULL);
}

static int proxies_add(const char *text, struct http_trust *trust)
{
	unsigned line;
	int r;

	if (text[0] != '@') {
		r = networks_add(&trust->proxies, str_cstr(text));
		if (r < 0)
			return fail(text, r,
				r == -EINVAL ? "is no network: write 10.0.0.0/8 or fd00::/8"
					     : NULL);
		return 0;
	}
	r = networks_add_file(&trust->proxies, text + 1, &line);
	if (r < 0 && line)
		(void)fprintf(stderr, "authd: %s: line %u is wrong\n", text + 1, line);
	return r < 0 ? fail(text + 1, r, r == -EINVAL ? "one network a line is expected" : NULL)
		     : 0;
}

int trust_parse(const struct config *config, struct http_trust *ret_trust)
{
	int r = 0;

	ret_trust->forwarded = (enum http_forwarded)config->http.forwarded;
	ret_trust->has_proxy_protocol = config->http.has_proxy_protocol;
	for (unsigned i = 0; r == 0 && i < config->http.trusted_proxies.count; i++)
		r = proxies_add(config->http.trusted_proxies.items[i], ret_trust);
	return r;
}
