/* POST to a collector by libcurl; a module of its own: see trace_transport.h. */
#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "observe/trace_transport.h"
#include "shared/clock.h"
#include "shared/macros.h"

#define RETRY_S_MAX 3600 /* a collector that says more means "go away" */

struct carrier {
	CURL *curl;
	struct curl_slist *headers;
	struct trace_answer *answer; /* of the request under way */
	const _Atomic uint64_t *end_ns;
	char error[CURL_ERROR_SIZE];
};

static size_t on_body(char *data, size_t size, size_t count, void *arg)
{
	struct carrier *carrier = arg;
	struct buf *body = &carrier->answer->body;
	size_t bytes = size * count;

	(void)!buf_append(body, str_of(data, MIN(bytes, body->max - body->len)));
	return bytes;
}

/* Called at least once a second, whatever the collector does. */
static int on_progress(
	void *arg, curl_off_t down_total, curl_off_t down, curl_off_t up_total, curl_off_t up)
{
	const struct carrier *carrier = arg;

	(void)down_total, (void)down, (void)up_total, (void)up;
	return clock_now_ns() >= atomic_load(carrier->end_ns);
}

static int headers_make(struct carrier *carrier, const struct trace_options *options)
{
	const char *type = options->protocol == TRACE_JSON ? "Content-Type: application/json"
							   : "Content-Type: application/x-protobuf";
	char line[sizeof(struct trace_pair) + 8];
	struct curl_slist *next = curl_slist_append(NULL, type);

	/* No "Expect: 100-continue": it costs a round trip, or a second. */
	for (unsigned i = 0; next && i <= options->header_count; i++) {
		carrier->headers = next;
		if (i == options->header_count)
			(void)snprintf(line, sizeof(line), "Expect:");
		else
			(void)snprintf(line, sizeof(line), "%s: %s", options->headers[i].key,
				options->headers[i].value);
		next = curl_slist_append(carrier->headers, line);
	}
	return next ? 0 : -ENOMEM;
}

static void carrier_free(void *transport)
{
	struct carrier *carrier = transport;

	if (!carrier)
		return;
	curl_slist_free_all(carrier->headers);
	curl_easy_cleanup(carrier->curl);
	free(carrier);
}

static void *carrier_new(const struct trace_options *options, const char **ret_why)
{
	struct carrier *carrier = calloc(1, sizeof(*carrier));
	CURLcode code = CURLE_OUT_OF_MEMORY;

	if (carrier && curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK)
		carrier->curl = curl_easy_init();
	*ret_why = curl_easy_strerror(code);
	if (!carrier || !carrier->curl || headers_make(carrier, options) < 0) {
		carrier_free(carrier);
		return NULL;
	}
	code = curl_easy_setopt(carrier->curl, CURLOPT_URL, options->url);
	if (code == CURLE_OK)
		code = curl_easy_setopt(carrier->curl, CURLOPT_PROTOCOLS_STR, "http,https");
	if (code == CURLE_OK && options->certificate[0])
		code = curl_easy_setopt(carrier->curl, CURLOPT_CAINFO, options->certificate);
	if (code != CURLE_OK) {
		*ret_why = curl_easy_strerror(code);
		carrier_free(carrier);
		return NULL;
	}
	curl_easy_setopt(carrier->curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(carrier->curl, CURLOPT_USERAGENT, "authd/" AUTHD_VERSION);
	curl_easy_setopt(carrier->curl, CURLOPT_HTTPHEADER, carrier->headers);
	curl_easy_setopt(carrier->curl, CURLOPT_TIMEOUT_MS, (long)options->timeout_ms);
	curl_easy_setopt(carrier->curl, CURLOPT_ERRORBUFFER, carrier->error);
	curl_easy_setopt(carrier->curl, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(carrier->curl, CURLOPT_WRITEDATA, carrier);
	curl_easy_setopt(carrier->curl, CURLOPT_XFERINFOFUNCTION, on_progress);
	curl_easy_setopt(carrier->curl, CURLOPT_XFERINFODATA, carrier);
	curl_easy_setopt(carrier->curl, CURLOPT_NOPROGRESS, 0L);
	return carrier;
}

static int carrier_post(void *transport, struct str body, const _Atomic uint64_t *end_ns,
	struct trace_answer *answer, const char **ret_why)
{
	struct carrier *carrier = transport;
	curl_off_t retry_s = 0;
	CURLcode code;

	carrier->answer = answer;
	carrier->end_ns = end_ns;
	carrier->error[0] = '\0';
	curl_easy_setopt(carrier->curl, CURLOPT_POSTFIELDS, body.data);
	curl_easy_setopt(carrier->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.len);
	code = curl_easy_perform(carrier->curl);
	if (code != CURLE_OK) {
		*ret_why = carrier->error[0] ? carrier->error : curl_easy_strerror(code);
		return -EIO;
	}
	curl_easy_getinfo(carrier->curl, CURLINFO_RESPONSE_CODE, &answer->status);
	curl_easy_getinfo(carrier->curl, CURLINFO_RETRY_AFTER, &retry_s);
	answer->retry_ms = (uint64_t)MIN(MAX(retry_s, 0), RETRY_S_MAX) * 1000;
	return 0;
}

extern const struct trace_transport TRACE_TRANSPORT;

__attribute__((visibility("default"))) const struct trace_transport TRACE_TRANSPORT = {
	.open = carrier_new, .post = carrier_post, .close = carrier_free
};
