/*
 * Mails to an SMTP server, by libcurl: the module authd-smtp.so and the only file that includes its
 * header. One connection, kept for the next mail. What a server says is translated here: "never",
 * "not now", or "this server does not work".
 */
#include <curl/curl.h>

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "mail/transport.h"
#include "shared/macros.h"

#define CONNECT_TIMEOUT_MS 10000L
#define URL_BYTES 1024

static struct {
	CURL *curl;
	struct transport_options options;
	char url[URL_BYTES];
	char error[CURL_ERROR_SIZE];
} smtp;

/* --- opening --- */

static bool is_here(const char *host)
{
	return strcmp(host, "localhost") == 0 || strcmp(host, "127.0.0.1") == 0 ||
	       strcmp(host, "::1") == 0;
}

/* A password over a line that others can read is nobody's intention. */
static bool is_exposed(const struct transport_options *options)
{
	return *options->user && !is_here(options->host) &&
	       (options->tls == TLS_OFF || options->tls == TLS_OPTIONAL);
}

static int on_progress(_unused_ void *arg, _unused_ curl_off_t a, _unused_ curl_off_t b,
	_unused_ curl_off_t c, _unused_ curl_off_t d)
{
	return atomic_load_explicit(smtp.options.is_closing, memory_order_relaxed);
}

static CURLcode tls_set(CURL *curl, const struct transport_options *options)
{
	static const long levels[] = { [TLS_REQUIRED] = CURLUSESSL_ALL,
		[TLS_OPTIONAL] = CURLUSESSL_TRY,
		[TLS_OFF] = CURLUSESSL_NONE,
		[TLS_IMPLICIT] = CURLUSESSL_ALL };
	/* Where it may be left out, whoever is in between can have it left out: a certificate
	 * that is not checked takes nothing away. */
	long verify = options->tls != TLS_OPTIONAL;
	CURLcode code = curl_easy_setopt(curl, CURLOPT_USE_SSL, levels[options->tls]);

	if (code == CURLE_OK)
		code = curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, verify);
	if (code == CURLE_OK)
		code = curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, verify * 2);
	if (code == CURLE_OK)
		code = curl_easy_setopt(curl, CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2);
	if (code == CURLE_OK && *options->ca_file)
		code = curl_easy_setopt(curl, CURLOPT_CAINFO, options->ca_file);
	return code;
}

static CURLcode limits_set(CURL *curl, const struct transport_options *options)
{
	CURLcode code = curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);

	if (code == CURLE_OK)
		code = curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS,
			MIN(CONNECT_TIMEOUT_MS, (long)options->timeout_ms));
	if (code == CURLE_OK)
		code = curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)options->timeout_ms);
	if (code == CURLE_OK)
		code = curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
	if (code == CURLE_OK)
		code = curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
	return code;
}

static CURLcode server_set(CURL *curl, const struct transport_options *options)
{
	CURLcode code = curl_easy_setopt(curl, CURLOPT_URL, smtp.url);

	if (code == CURLE_OK)
		code = curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
	if (code == CURLE_OK)
		code = curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, smtp.error);
	if (code == CURLE_OK && *options->user)
		code = curl_easy_setopt(curl, CURLOPT_USERNAME, options->user);
	if (code == CURLE_OK && *options->user)
		code = curl_easy_setopt(curl, CURLOPT_PASSWORD, options->password);
	return code;
}

static int smtp_open(const struct transport_options *options, char why[static TRANSPORT_WHY_BYTES])
{
	bool is_v6 = strchr(options->host, ':') != NULL;
	CURLcode code;

	if (is_exposed(options)) {
		(void)snprintf(why, TRANSPORT_WHY_BYTES,
			"a password needs TLS on the way to %.100s: [mail] starttls = required",
			options->host);
		return -EINVAL;
	}
	smtp.options = *options;
	(void)snprintf(smtp.url, sizeof(smtp.url), "%s://%s%s%s:%u/%s",
		options->tls == TLS_IMPLICIT ? "smtps" : "smtp", is_v6 ? "[" : "", options->host,
		is_v6 ? "]" : "", options->port, options->hello);
	(void)snprintf(why, TRANSPORT_WHY_BYTES, "libcurl cannot be started");
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return -ENOMEM;
	smtp.curl = curl_easy_init();
	if (!smtp.curl)
		return -ENOMEM;
	code = server_set(smtp.curl, options);
	if (code == CURLE_OK)
		code = limits_set(smtp.curl, options);
	if (code == CURLE_OK)
		code = tls_set(smtp.curl, options);
	if (code == CURLE_OK)
		return 0;
	(void)snprintf(why, TRANSPORT_WHY_BYTES, "libcurl: %s", curl_easy_strerror(code));
	return -EINVAL;
}

static void smtp_close(void)
{
	curl_easy_cleanup(smtp.curl);
	smtp.curl = NULL;
	curl_global_cleanup();
}

/* --- sending --- */

static size_t on_read(char *data, size_t size, size_t count, void *arg)
{
	struct str *left = arg;
	size_t n = MIN(size * count, left->len);

	if (n)
		memcpy(data, left->data, n);
	*left = str_skip(*left, n);
	return n;
}

/* In the words of RFC 5321: 5yz to the mail itself is for ever, 4yz is for now. Who is not known to
 * the server, or not trusted by it, is a matter of its configuration and ours, not of this mail. */
static enum transport_outcome outcome_of(CURLcode code, long reply, bool has_begun)
{
	bool is_about_access = reply == 530 || reply == 534 || reply == 535 || reply == 538;

	if (code == CURLE_OK)
		return TRANSPORT_SENT;
	/* MAIL, RCPT and DATA fail as a send error; what is said to the text itself is "weird". */
	if (is_about_access || (code != CURLE_SEND_ERROR && !has_begun))
		return TRANSPORT_DOWN;
	if (reply >= 500 && reply < 600)
		return TRANSPORT_REFUSED;
	return reply >= 400 && reply < 500 && reply != 421 ? TRANSPORT_LATER : TRANSPORT_DOWN;
}

static CURLcode perform(const struct envelope *envelope, struct curl_slist *to, struct str *left)
{
	CURLcode code = curl_easy_setopt(smtp.curl, CURLOPT_MAIL_FROM, envelope->from);

	if (code == CURLE_OK)
		code = curl_easy_setopt(smtp.curl, CURLOPT_MAIL_RCPT, to);
	if (code == CURLE_OK)
		code = curl_easy_setopt(smtp.curl, CURLOPT_UPLOAD, 1L);
	if (code == CURLE_OK)
		code = curl_easy_setopt(smtp.curl, CURLOPT_READFUNCTION, on_read);
	if (code == CURLE_OK)
		code = curl_easy_setopt(smtp.curl, CURLOPT_READDATA, left);
	return code == CURLE_OK ? curl_easy_perform(smtp.curl) : code;
}

static enum transport_outcome smtp_send(
	const struct envelope *envelope, char why[static TRANSPORT_WHY_BYTES])
{
	struct curl_slist *to = curl_slist_append(NULL, envelope->to);
	struct str left = envelope->message;
	curl_off_t sent = 0;
	long reply = 0;
	CURLcode code;

	if (!to)
		return TRANSPORT_DOWN;
	smtp.error[0] = '\0';
	code = perform(envelope, to, &left);
	(void)curl_easy_getinfo(smtp.curl, CURLINFO_RESPONSE_CODE, &reply);
	(void)curl_easy_getinfo(smtp.curl, CURLINFO_SIZE_UPLOAD_T, &sent);
	curl_slist_free_all(to);
	if (code != CURLE_OK)
		(void)snprintf(why, TRANSPORT_WHY_BYTES, "%.180s (reply %ld)",
			smtp.error[0] ? smtp.error : curl_easy_strerror(code), reply);
	return outcome_of(code, reply, sent > 0);
}

extern const struct transport transport_smtp;

__attribute__((visibility("default"))) const struct transport transport_smtp = {
	.name = "smtp", .open = smtp_open, .send = smtp_send, .close = smtp_close
};
