/*
 * The certificates in force and what goes with them: see tls_settings.h. A snapshot that is never
 * changed but for its counters; each session has a reference, and the last one frees it.
 */
#include "tls/tls_settings.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "shared/macros.h"
#include "shared/secret.h"
#include "tls/tls.h"
#include "tls/tls_account.h"
#include "tls/tls_parts.h"

struct tls_settings {
	_Atomic unsigned references;
	struct tls_options options; /* its texts are those below */
	char *texts;
	unsigned count;
	struct tls_certificate certificates[TLS_CERTIFICATES_MAX];
	struct tls_crls crls;
	unsigned ticket_key_count;
	struct tls_ticket_key ticket_keys[TLS_TICKET_KEYS_MAX];
};

static struct {
	/* Guards `current`: taken once for each session, nothing else under it. */
	pthread_mutex_t lock;
	struct tls_settings *current;
} settings = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* --- references --- */

struct tls_settings *tls_settings_get(void)
{
	struct tls_settings *current;

	pthread_mutex_lock(&settings.lock);
	current = settings.current;
	if (current)
		atomic_fetch_add_explicit(&current->references, 1, memory_order_relaxed);
	pthread_mutex_unlock(&settings.lock);
	return current;
}

static void settings_free(struct tls_settings *old)
{
	for (unsigned i = 0; i < old->count; i++)
		tls_certificate_deinit(&old->certificates[i]);
	tls_crls_deinit(&old->crls);
	secret_wipe(old->ticket_keys, sizeof(old->ticket_keys));
	free(old->texts);
	free(old);
}

void tls_settings_put(struct tls_settings *old)
{
	if (old && atomic_fetch_sub_explicit(&old->references, 1, memory_order_acq_rel) == 1)
		settings_free(old);
}

static void tls_settings_put_p(struct tls_settings **old)
{
	tls_settings_put(*old);
}

/* --- choosing a certificate --- */

/* The exact name of one certificate is also found when another's wildcard stands before it. */
static struct tls_certificate *find(struct tls_settings *of, const char *host)
{
	struct tls_certificate *covers = NULL;

	for (unsigned i = 0; i < of->count; i++) {
		struct tls_certificate *certificate = &of->certificates[i];

		for (unsigned j = 0; j < certificate->name_count; j++)
			if (strcmp(certificate->names[j], host) == 0)
				return certificate;
		if (!covers && tls_certificate_covers(certificate, host))
			covers = certificate;
	}
	return covers;
}

static int on_name(SSL *ssl, _unused_ int *alert, void *arg)
{
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	struct tls_certificate *certificate;
	char host[TLS_TEXT_BYTES];
	size_t i = 0;

	if (!name || strlen(name) >= sizeof(host))
		return SSL_TLSEXT_ERR_NOACK;
	for (; name[i]; i++)
		host[i] = ascii_lower(name[i]);
	host[i] = '\0';
	certificate = find(arg, host);
	if (!certificate)
		return SSL_TLSEXT_ERR_NOACK; /* the first one, which it may like or not */
	SSL_set_SSL_CTX(ssl, certificate->context);
	return SSL_TLSEXT_ERR_OK;
}

SSL_CTX *tls_settings_context(const struct tls_settings *of)
{
	return of->certificates[0].context;
}

const struct tls_ticket_key *tls_settings_ticket_keys(
	const struct tls_settings *of, unsigned *ret_count)
{
	*ret_count = of->ticket_key_count;
	return of->ticket_keys;
}

void tls_settings_served(struct tls_settings *of, const SSL *ssl)
{
	const X509 *shown = SSL_session_reused(ssl) ? NULL : SSL_get_certificate(ssl);

	for (unsigned i = 0; shown && i < of->count; i++)
		if (of->certificates[i].x509 == shown)
			atomic_fetch_add_explicit(
				&of->certificates[i].served, 1, memory_order_relaxed);
}

/* --- making --- */

static const char *text_put(char **at, const char *text)
{
	size_t bytes = strlen(text) + 1;
	char *copy = *at;

	memcpy(copy, text, bytes);
	*at += bytes;
	return copy;
}

static void list_put(char **at, const char **copies, const char *const *texts, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		copies[i] = text_put(at, texts[i]);
}

static size_t list_bytes(const char *const *texts, unsigned count)
{
	size_t bytes = 0;

	for (unsigned i = 0; i < count; i++)
		bytes += strlen(texts[i]) + 1;
	return bytes;
}

static size_t texts_bytes(const struct tls_options *options)
{
	size_t bytes = strlen(options->ciphers) + strlen(options->ciphersuites) +
		       strlen(options->client_ca_file) + 3;

	bytes += list_bytes(options->certificate_files, options->certificates);
	bytes += list_bytes(options->key_files, options->keys);
	bytes += list_bytes(options->crl_files, options->crls);
	return bytes + list_bytes(options->ticket_key_files, options->ticket_keys);
}

static int options_copy(struct tls_settings *made, const struct tls_options *options)
{
	char *at = made->texts = malloc(texts_bytes(options));

	if (!at)
		return -ENOMEM;
	made->options = *options;
	made->options.ciphers = text_put(&at, options->ciphers);
	made->options.ciphersuites = text_put(&at, options->ciphersuites);
	made->options.client_ca_file = text_put(&at, options->client_ca_file);
	list_put(&at, made->options.certificate_files, options->certificate_files,
		options->certificates);
	list_put(&at, made->options.key_files, options->key_files, options->keys);
	list_put(&at, made->options.crl_files, options->crl_files, options->crls);
	list_put(&at, made->options.ticket_key_files, options->ticket_key_files,
		options->ticket_keys);
	return 0;
}

static bool has_same_names(const struct tls_certificate *a, const struct tls_certificate *b)
{
	if (a->name_count != b->name_count)
		return false;
	for (unsigned i = 0; i < a->name_count; i++)
		if (strcmp(a->names[i], b->names[i]) != 0)
			return false;
	return true;
}

/*
 * Two certificates for the same names are one choice of the client's, by the signatures that it
 * knows, if their keys are of different kinds; else nobody would ever see the second one.
 */
static int twin_join(struct tls_settings *made, struct tls_certificate *later, struct buf *errors)
{
	for (unsigned i = 0; later->name_count && &made->certificates[i] != later; i++) {
		struct tls_certificate *first = &made->certificates[i];
		const char *key_file =
			made->options.keys ? made->options.key_files[made->count - 1] : later->file;
		struct tls_certificate joined = { .file = later->file };
		int r;

		if (!has_same_names(first, later))
			continue;
		if (EVP_PKEY_get_base_id(X509_get0_pubkey(first->x509)) ==
			EVP_PKEY_get_base_id(X509_get0_pubkey(later->x509)))
			return tls_file_wrong(errors, later->file,
				"another certificate has the same names and kind of key");
		SSL_CTX_up_ref(first->context);
		joined.context = first->context;
		r = tls_certificate_load(&joined, key_file, errors);
		if (r < 0) {
			tls_certificate_deinit(&joined);
			return r;
		}
		tls_certificate_deinit(later);
		*later = joined;
		return 0;
	}
	return 0;
}

static int certificate_add(struct tls_settings *made, struct str authorities, struct buf *errors)
{
	struct tls_certificate *certificate = &made->certificates[made->count];
	const struct tls_options *options = &made->options;
	const char *key_file;
	int r;

	certificate->file = options->certificate_files[made->count];
	key_file = options->keys ? options->key_files[made->count] : certificate->file;
	made->count++;
	r = tls_offer_make(options, authorities, &made->crls, errors, &certificate->context);
	if (r < 0)
		return r;
	SSL_CTX_set_tlsext_servername_callback(certificate->context, on_name);
	SSL_CTX_set_tlsext_servername_arg(certificate->context, made);
	r = tls_certificate_load(certificate, key_file, errors);
	return r < 0 ? r : twin_join(made, certificate, errors);
}

/* Who vouches for clients, and whom they have revoked. */
static int clients_read(struct tls_settings *made, struct buf *authorities, struct buf *errors)
{
	const struct tls_options *options = &made->options;
	int r;

	if (options->clients == TLS_CLIENTS_OFF)
		return 0;
	r = tls_file_read(options->client_ca_file, false, authorities, errors);
	for (unsigned i = 0; r == 0 && i < options->crls; i++)
		r = tls_crls_read(options->crl_files[i], &made->crls, errors);
	return r;
}

static int ticket_keys_read(struct tls_settings *made, struct buf *errors)
{
	struct tls_ticket_key *key = made->ticket_keys;

	for (unsigned i = 0; i < made->options.ticket_keys; i++, key++) {
		const char *path = made->options.ticket_key_files[i];
		int r = tls_ticket_key_read(path, key, errors);

		if (r < 0)
			return r;
		made->ticket_key_count++;
		for (unsigned j = 0; j < i; j++)
			if (memcmp(made->ticket_keys[j].name, key->name, sizeof(key->name)) == 0)
				return tls_file_wrong(
					errors, path, "has a key that another of these files has");
	}
	return 0;
}

static int make(const struct tls_options *options, struct buf *errors, struct tls_settings **ret)
{
	_cleanup_(tls_settings_put_p) struct tls_settings *made = calloc(1, sizeof(*made));
	_cleanup_(buf_deinit) struct buf authorities = buf_init(TLS_FILE_BYTES_MAX);
	int r;

	assert(options->certificates > 0 && options->certificates <= TLS_CERTIFICATES_MAX);
	assert(!options->keys || options->keys == options->certificates);
	if (!made)
		return -ENOMEM;
	made->references = 1;
	r = options_copy(made, options);
	if (r == 0)
		r = clients_read(made, &authorities, errors);
	if (r == 0)
		r = ticket_keys_read(made, errors);
	while (r == 0 && made->count < options->certificates)
		r = certificate_add(made, buf_str(&authorities), errors);
	if (r == 0)
		*ret = TAKE(made);
	return r;
}

/* --- putting into force --- */

/* A certificate that is the same as before goes on counting. */
static void served_carry(struct tls_settings *made, const struct tls_settings *before)
{
	for (unsigned i = 0; i < made->count; i++)
		for (unsigned j = 0; j < before->count; j++)
			if (X509_cmp(made->certificates[i].x509, before->certificates[j].x509) == 0)
				made->certificates[i].served = before->certificates[j].served;
}

static void replace(struct tls_settings *made)
{
	struct tls_settings *before;

	pthread_mutex_lock(&settings.lock);
	before = settings.current;
	settings.current = made;
	pthread_mutex_unlock(&settings.lock);
	if (before && made)
		served_carry(made, before);
	tls_settings_put(before);
}

int tls_settings_try(const struct tls_options *options, struct buf *errors)
{
	struct tls_settings *made = NULL;
	int r = make(options, errors, &made);

	tls_settings_put(made);
	return r;
}

int tls_settings_use(const struct tls_options *options, struct buf *errors)
{
	struct tls_settings *made = NULL;
	int r = make(options, errors, &made);

	if (r == 0)
		replace(made);
	return r;
}

int tls_settings_reload(bool is_dry_run, struct buf *errors)
{
	_cleanup_(tls_settings_put_p) struct tls_settings *current = tls_settings_get();

	if (!current)
		return -ENOENT;
	return is_dry_run ? tls_settings_try(&current->options, errors)
			  : tls_settings_use(&current->options, errors);
}

bool tls_settings_are_there(void)
{
	_cleanup_(tls_settings_put_p) struct tls_settings *current = tls_settings_get();

	return current != NULL;
}

void tls_settings_drop(void)
{
	replace(NULL);
}

/* --- looking --- */

static int names_join(const struct tls_certificate *certificate, struct buf *names)
{
	int r = 0;

	buf_clear(names);
	for (unsigned i = 0; r == 0 && i < certificate->name_count; i++)
		r = buf_printf(names, "%s%s", i ? " " : "", certificate->names[i]);
	return r < 0 ? r : buf_append_char(names, '\0');
}

void tls_certificates_each(
	void (*visit)(const struct tls_certificate_info *info, void *arg), void *arg)
{
	_cleanup_(tls_settings_put_p) struct tls_settings *current = tls_settings_get();
	_cleanup_(buf_deinit) struct buf names = buf_init(TLS_NAMES_MAX * TLS_TEXT_BYTES);

	for (unsigned i = 0; current && i < current->count; i++) {
		struct tls_certificate *certificate = &current->certificates[i];

		visit(
			&(struct tls_certificate_info){
				.names = names_join(certificate, &names) < 0 ? "" : names.data,
				.name = certificate->shown,
				.file = certificate->file,
				.issuer = certificate->issuer,
				.key_type = certificate->key_type,
				.not_before_ms = certificate->not_before_ms,
				.not_after_ms = certificate->not_after_ms,
				.served = atomic_load_explicit(
					&certificate->served, memory_order_relaxed),
				.is_first = i == 0 },
			arg);
	}
}

void tls_crls_each(void (*visit)(const struct tls_crl_info *info, void *arg), void *arg)
{
	_cleanup_(tls_settings_put_p) struct tls_settings *current = tls_settings_get();

	for (unsigned i = 0; current && i < current->crls.count; i++) {
		const struct tls_crl *crl = &current->crls.items[i];

		visit(&(struct tls_crl_info){ .file = crl->file,
			      .issuer = crl->issuer,
			      .this_update_ms = crl->this_update_ms,
			      .next_update_ms = crl->next_update_ms,
			      .revoked = crl->revoked },
			arg);
	}
}

int64_t tls_days_left(int64_t not_after_ms, int64_t now_ms)
{
	const int64_t day_ms = INT64_C(86400) * 1000;
	int64_t left_ms = not_after_ms - now_ms;

	return left_ms < 0 ? -((-left_ms + day_ms - 1) / day_ms) : left_ms / day_ms;
}
