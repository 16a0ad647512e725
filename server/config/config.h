/*
 * The configuration: what every option is set to, read from an INI file and the files of the
 * `conf.d` folder beside it. options.h is the table of what may be set; nothing here acts on it.
 * Times are milliseconds, sizes bytes. A loaded configuration is never changed.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "shared/buf.h"

#define CONFIG_TEXT_BYTES 256 /* paths, addresses, names: longer ones are refused */
#define CONFIG_LISTEN_MAX 8
#define CONFIG_ERRORS_BYTES_MAX 65536 /* for the caller's buffer: a few hundred errors */

enum config_engine { ENGINE_AUTO, ENGINE_URING, ENGINE_EPOLL };
enum config_receive { RECEIVE_AUTO, RECEIVE_MULTISHOT, RECEIVE_ONESHOT };
enum config_backend { BACKEND_SQLITE, BACKEND_MEMORY, BACKEND_MONGODB };
enum config_algorithm { ALGORITHM_ES256, ALGORITHM_EDDSA, ALGORITHM_RS256, ALGORITHM_HS256 };
enum config_forwarded { FORWARDED_X_FORWARDED_FOR, FORWARDED_RFC_7239 };
enum config_tls_version { TLS_FROM_1_2, TLS_FROM_1_3 };
enum config_client_certificate {
	CLIENT_CERTIFICATE_OFF,
	CLIENT_CERTIFICATE_OPTIONAL,
	CLIENT_CERTIFICATE_REQUIRED
};
enum config_mail_transport { MAIL_TRANSPORT_FILE, MAIL_TRANSPORT_SMTP, MAIL_TRANSPORT_NONE };
enum config_starttls { STARTTLS_REQUIRED, STARTTLS_OPTIONAL, STARTTLS_OFF, STARTTLS_IMPLICIT };
enum config_log_level { LEVEL_DEBUG, LEVEL_INFO, LEVEL_WARN, LEVEL_ERROR };
enum config_log_format { FORMAT_AUTO, FORMAT_JSON, FORMAT_TEXT };
enum config_log_access { ACCESS_NO, ACCESS_SLOW, ACCESS_YES };
enum config_protocol { PROTOCOL_PROTOBUF, PROTOCOL_JSON };
enum config_log_address { CLIENT_MASKED, CLIENT_FULL };

typedef char config_text[CONFIG_TEXT_BYTES];

/* So many within a time; count 0 is no limit. */
struct config_rate {
	uint64_t count, window_ms;
};

/* Up to CONFIG_LISTEN_MAX words. */
struct config_list {
	unsigned count;
	config_text items[CONFIG_LISTEN_MAX];
};

/* Numbers are uint64_t and choices (enum above) too, so that one table can describe them all. */
struct config {
	struct {
		struct config_list listen;
		config_text base;
		uint64_t idle_timeout_ms, request_timeout_ms, send_timeout_ms;
		uint64_t connections_max; /* per core */
		bool is_compressing;
		uint64_t compression_level, compression_threshold_bytes;
		struct config_list trusted_proxies;
		uint64_t forwarded; /* enum config_forwarded */
		bool has_proxy_protocol;
		struct config_list cors_origins;
		bool has_docs;
	} http;
	struct {
		struct config_list listen, redirect_listen;
		uint64_t redirect_port; /* 0: that of the first of listen */
		struct config_list certificate_files, key_files;
		uint64_t min_version; /* enum config_tls_version */
		config_text ciphers, ciphersuites;
		uint64_t client_certificate; /* enum config_client_certificate */
		config_text client_ca_file;
		struct config_list client_crl_files;
		bool has_tickets;
		struct config_list ticket_key_files;
		uint64_t handshake_timeout_ms, hsts_ms;
	} tls;
	struct {
		uint64_t threads; /* 0: one per processor */
		bool is_pinned;
		uint64_t fibers_max, stack_bytes;
		uint64_t drain_timeout_ms;
	} core;
	struct {
		uint64_t engine;  /* enum config_engine */
		uint64_t receive; /* enum config_receive */
		uint64_t entries, buffers, buffer_bytes;
	} io;
	struct {
		uint64_t backend; /* enum config_backend */
		config_text path;
		uint64_t reader_threads, queue_max;
		config_text uri, uri_file;
		uint64_t pool_min, pool_max;
		uint64_t connect_timeout_ms, op_timeout_ms, select_timeout_ms;
	} store;
	struct { /* fields of an existing collection in MongoDB */
		config_text collection;
		config_text email, password, name, roles, email_verified, status, active;
		config_text created, updated, last_login, attempts, locked_until;
	} adopt;
	struct {
		uint64_t cost, min;
		uint64_t threads; /* 0: one per processor */
		uint64_t queue_max;
		config_text refused_file;
	} password;
	struct {
		uint64_t concurrent_max; /* per core, counted together */
		uint64_t queue_time_max_ms, queue_time_standing_ms;
	} admission;
	struct {
		uint64_t call_timeout_ms, window_ms, failures_percent, calls_min, open_ms, probes;
	} breaker;
	struct {
		uint64_t free, base_ms, max_ms;
	} lockout;
	struct {
		bool is_enabled;
		uint64_t subjects_max; /* of each limit */
		struct config_rate login, registration, refresh, other, verify, account, failures,
			mail, mailbox;
	} limits;
	struct {
		uint64_t algorithm; /* enum config_algorithm */
		config_text secret_file, issuer, audience, cookie;
		uint64_t ttl_ms;
		uint64_t rotate_every_ms; /* 0: never by itself */
	} token;
	struct {
		config_text clients_file;
	} oauth;
	struct {
		uint64_t idle_ms, absolute_ms, grace_ms;
	} session;
	struct {
		uint64_t users_max, tokens_max; /* per core */
		uint64_t ttl_ms, sweep_ms;
	} cache;
	struct {
		bool is_hiding_existing, is_verifying_email, is_requiring_verified;
	} accounts;
	struct {
		uint64_t transport; /* enum config_mail_transport */
		config_text folder; /* "": "mails" beside the database */
		config_text templates, link_base, from, from_name;
		config_text host, user, password_file, ca_file;
		uint64_t port, starttls; /* enum config_starttls */
		uint64_t timeout_ms, attempts_max, age_max_ms, retry_base_ms, retry_max_ms;
		uint64_t reset_ms, verify_ms;
	} mail;
	struct {
		config_text socket;
		config_text viewer_group, operator_group, admin_group;
		config_text audit_file; /* "": none, the log alone */
	} control;
	struct {
		bool is_recording;
		config_text listen; /* "": none */
	} metrics;
	struct {
		uint64_t level;   /* enum config_log_level */
		config_text file; /* "": standard error */
		uint64_t format;  /* enum config_log_format */
		uint64_t access;  /* enum config_log_access */
		uint64_t slow_ms;
		uint64_t client_address; /* enum config_log_address */
		uint64_t rotate_bytes, rotate_keep;
	} log;
	struct {
		config_text endpoint; /* "": no traces */
		uint64_t protocol;    /* enum config_protocol */
		uint64_t sample;      /* per cent */
		uint64_t slow_ms;
		struct config_list trust_traceparent;
	} trace;
};

static inline bool config_list_has(const struct config_list *list, const char *item)
{
	for (unsigned i = 0; i < list->count; i++)
		if (strcmp(list->items[i], item) == 0)
			return true;
	return false;
}

void config_defaults(struct config *config);

/*
 * Reads path, then the .conf files of conf.d/ beside it in byte order; later files win. Fills
 * *config only on success. -EINVAL: *errors says what is wrong, every error with file:line:column,
 * the line and a caret; -ENOENT, -EACCES...: a file cannot be read, *errors names it; -ENOMEM.
 */
int config_load(const char *path, struct config *config, struct buf *errors);

/* The same for text in memory, named `name` in errors. *config must have been filled before. */
int config_parse(const char *name, struct str text, struct config *config, struct buf *errors);

/* What one option cannot know alone: 0, or -EINVAL and *errors says it. path is named in it. */
int config_check(const char *path, const struct config *config, struct buf *errors);

/* Where each option was set: in the order of the table in options.h. line 0: nowhere, the default.
 */
#define CONFIG_OPTIONS_MAX 192
#define CONFIG_FILE_BYTES 64
struct config_origin {
	char file[CONFIG_FILE_BYTES]; /* without its folder */
	unsigned line;
};
struct config_origins {
	struct config_origin of[CONFIG_OPTIONS_MAX];
};

/* As config_load(); *origins (may be NULL) must be zeroed before. */
int config_load_traced(const char *path, struct config *config, struct config_origins *origins,
	struct buf *errors);
