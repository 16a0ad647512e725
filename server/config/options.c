/*
 * The table of options, and how their values are read. nearest.c knows which name a misspelt one
 * was meant to be. Files are read in config.c.
 */
#include "config/options.h"

#include <assert.h>
#include <errno.h>

#include "shared/duration.h"

#define AT(field) offsetof(struct config, field)
#define TEXT_MAX (CONFIG_TEXT_BYTES - 1)
#define SECOND UINT64_C(1000)
#define DAY (86400 * SECOND)
#define KIB UINT64_C(1024)
#define RATE_MAX 100000000 /* a second's worth of nanoseconds has ten for each */

/* clang-format off */
const struct option options[] = {
	/* section, key, type, default, min, max, unit, restart, help, offset */
	{ "http", "listen", OPTION_LIST, "127.0.0.1:8080", 0, CONFIG_LISTEN_MAX, "addresses", true, "Addresses to serve without TLS, host:port", AT(http.listen) },
	{ "http", "base", OPTION_TEXT, "/v1/auth", 0, TEXT_MAX, "path", true, "Path in front of every route", AT(http.base) },
	{ "http", "idle_timeout", OPTION_DURATION, "75s", SECOND, 3600 * SECOND, "time", false, "Close a connection without requests after this", AT(http.idle_timeout_ms) },
	{ "http", "request_timeout", OPTION_DURATION, "30s", SECOND, 600 * SECOND, "time", false, "From the first byte of a request to its answer", AT(http.request_timeout_ms) },
	{ "http", "send_timeout", OPTION_DURATION, "10s", SECOND, 600 * SECOND, "time", false, "A client must take its answer within this", AT(http.send_timeout_ms) },
	{ "http", "connections_max", OPTION_NUMBER, "10000", 1, 1000000, "per core", true, "Connections at a time", AT(http.connections_max) },
	{ "http", "compression", OPTION_BOOL, "yes", 0, 1, "yes or no", true, "Compress public documents with zstd or gzip", AT(http.is_compressing) },
	{ "http", "compression_level", OPTION_NUMBER, "6", 1, 9, "level", true, "1 is fast, 9 is small", AT(http.compression_level) },
	{ "http", "compression_threshold", OPTION_SIZE, "1KiB", 1, 256 * KIB, "bytes", true, "Smaller bodies are sent as they are", AT(http.compression_threshold_bytes) },
	{ "http", "trusted_proxies", OPTION_LIST, "", 0, CONFIG_LISTEN_MAX, "networks", true, "Proxies that say who the client is: 10.0.0.0/8, fd00::/8, or @FILE with one a line", AT(http.trusted_proxies) },
	{ "http", "forwarded", OPTION_CHOICE, "x-forwarded-for", 0, 1, "x-forwarded-for|forwarded", true, "The header field in which they say it; no other is believed", AT(http.forwarded) },
	{ "http", "proxy_protocol", OPTION_BOOL, "no", 0, 1, "yes or no", true, "Their connections begin with a PROXY header, version 1 or 2", AT(http.has_proxy_protocol) },
	{ "http", "cors_origins", OPTION_LIST, "", 0, CONFIG_LISTEN_MAX, "origins", true, "Whose pages may call us from a browser: https://app.example; compared whole", AT(http.cors_origins) },
	{ "http", "docs", OPTION_BOOL, "yes", 0, 1, "yes or no", true, "Serve the interface as a page, at /docs", AT(http.has_docs) },
	{ "tls", "listen", OPTION_LIST, "", 0, CONFIG_LISTEN_MAX, "addresses", true, "Addresses to serve over TLS, host:port", AT(tls.listen) },
	{ "tls", "redirect_listen", OPTION_LIST, "", 0, CONFIG_LISTEN_MAX, "addresses", true, "Addresses that answer plain HTTP with the way to https", AT(tls.redirect_listen) },
	{ "tls", "redirect_port", OPTION_NUMBER, "0", 0, 65535, "port", true, "The port in that answer; 0 is that of the first tls.listen", AT(tls.redirect_port) },
	{ "tls", "certificate_files", OPTION_LIST, "", 0, CONFIG_LISTEN_MAX, "files", false, "Certificates in PEM, each with its chain; the first is for clients that name nobody we know", AT(tls.certificate_files) },
	{ "tls", "key_files", OPTION_LIST, "", 0, CONFIG_LISTEN_MAX, "files", false, "Their keys in the same order; empty: they are in the files of the certificates", AT(tls.key_files) },
	{ "tls", "min_version", OPTION_CHOICE, "1.2", 0, 1, "1.2|1.3", false, "The oldest version to speak", AT(tls.min_version) },
	{ "tls", "ciphers", OPTION_TEXT, "", 0, TEXT_MAX, "OpenSSL's names", false, "Of version 1.2, colons between; empty: those of Mozilla's intermediate configuration", AT(tls.ciphers) },
	{ "tls", "ciphersuites", OPTION_TEXT, "", 0, TEXT_MAX, "OpenSSL's names", false, "Of version 1.3; empty: likewise", AT(tls.ciphersuites) },
	{ "tls", "client_certificate", OPTION_CHOICE, "off", 0, 2, "off|optional|required", false, "Ask clients for one; a wrong one is refused even when it is optional", AT(tls.client_certificate) },
	{ "tls", "client_ca_file", OPTION_TEXT, "", 0, TEXT_MAX, "file", false, "Who vouches for clients, certificates in PEM", AT(tls.client_ca_file) },
	{ "tls", "client_crl_files", OPTION_LIST, "", 0, CONFIG_LISTEN_MAX, "files", false, "Whom they have revoked, lists in PEM; one of every authority", AT(tls.client_crl_files) },
	{ "tls", "tickets", OPTION_BOOL, "yes", 0, 1, "yes or no", false, "Clients may go on with a session of the last two hours", AT(tls.has_tickets) },
	{ "tls", "ticket_key_files", OPTION_LIST, "", 0, CONFIG_LISTEN_MAX, "files", false, "Keys of tickets that nodes share, 80 random bytes each; the first makes tickets; empty: our own", AT(tls.ticket_key_files) },
	{ "tls", "handshake_timeout", OPTION_DURATION, "10s", SECOND, 600 * SECOND, "time", false, "A connection has to be set up within this", AT(tls.handshake_timeout_ms) },
	{ "tls", "hsts", OPTION_DURATION, "365d", 0, 3650 * DAY, "time", true, "Browsers shall use TLS alone for this long, said in answers over TLS; 0: they are not told", AT(tls.hsts_ms) },
	{ "core", "threads", OPTION_NUMBER, "0", 0, 256, "threads", true, "Cores to run; 0 is one for each processor", AT(core.threads) },
	{ "core", "pin", OPTION_BOOL, "no", 0, 1, "yes or no", true, "Tie each core to a processor", AT(core.is_pinned) },
	{ "core", "fibers_max", OPTION_NUMBER, "512", 1, 65536, "per core", true, "Requests in progress at a time", AT(core.fibers_max) },
	{ "core", "stack", OPTION_SIZE, "64KiB", 64 * KIB, 8192 * KIB, "bytes", true, "Stack of a request, in whole pages", AT(core.stack_bytes) },
	{ "core", "drain_timeout", OPTION_DURATION, "30s", 0, 3600 * SECOND, "time", false, "Requests may finish within this at the end", AT(core.drain_timeout_ms) },
	{ "io", "engine", OPTION_CHOICE, "auto", 0, 2, "auto|io_uring|epoll", true, "What the loops run on; auto is io_uring, or epoll where that is forbidden", AT(io.engine) },
	{ "io", "receive", OPTION_CHOICE, "auto", 0, 2, "auto|multishot|oneshot", true, "How the kernel is asked for received bytes", AT(io.receive) },
	{ "io", "entries", OPTION_NUMBER, "1024", 64, 32768, "per core", true, "Entries of the submission ring", AT(io.entries) },
	{ "io", "buffers", OPTION_NUMBER, "512", 16, 32768, "per core", true, "Receive buffers; a power of two", AT(io.buffers) },
	{ "io", "buffer_size", OPTION_SIZE, "2KiB", KIB, 64 * KIB, "bytes", true, "Size of a receive buffer", AT(io.buffer_bytes) },
	{ "store", "backend", OPTION_CHOICE, "sqlite", 0, 2, "sqlite|memory|mongodb", true, "Where accounts and sessions are kept", AT(store.backend) },
	{ "store", "path", OPTION_TEXT, "/var/lib/authd/authd.db", 1, TEXT_MAX, "file", true, "The SQLite database", AT(store.path) },
	{ "store", "reader_threads", OPTION_NUMBER, "2", 1, 64, "threads", true, "Threads that read; one more writes", AT(store.reader_threads) },
	{ "store", "queue_max", OPTION_NUMBER, "1024", 1, 65536, "jobs", true, "Waiting jobs before requests are refused", AT(store.queue_max) },
	{ "store", "uri", OPTION_TEXT, "mongodb://127.0.0.1:27017/authd", 0, TEXT_MAX, "URI", true, "Where MongoDB is, and the database; without a password", AT(store.uri) },
	{ "store", "uri_file", OPTION_TEXT, "", 0, TEXT_MAX, "file", true, "A file with the URI, for one with a password", AT(store.uri_file) },
	{ "store", "pool_min", OPTION_NUMBER, "5", 1, 60, "connections", true, "To MongoDB, kept ready", AT(store.pool_min) },
	{ "store", "pool_max", OPTION_NUMBER, "50", 7, 64, "connections", false, "To MongoDB, of all cores together; while it runs never below pool_min and six more", AT(store.pool_max) },
	{ "store", "connect_timeout", OPTION_DURATION, "5s", 1, 60 * SECOND, "time", true, "To connect to a server of MongoDB", AT(store.connect_timeout_ms) },
	{ "store", "op_timeout", OPTION_DURATION, "10s", SECOND, 60 * SECOND, "time", true, "For one operation of MongoDB", AT(store.op_timeout_ms) },
	{ "store", "select_timeout", OPTION_DURATION, "5s", 1, 60 * SECOND, "time", true, "To find a primary of MongoDB", AT(store.select_timeout_ms) },
	{ "adopt", "collection", OPTION_TEXT, "users", 1, TEXT_MAX, "collection", true, "Of MongoDB, with the accounts", AT(adopt.collection) },
	{ "adopt", "email", OPTION_TEXT, "email", 1, TEXT_MAX, "field", true, "The address", AT(adopt.email) },
	{ "adopt", "password", OPTION_TEXT, "password", 1, TEXT_MAX, "field", true, "The hash of the password", AT(adopt.password) },
	{ "adopt", "name", OPTION_TEXT, "name", 1, TEXT_MAX, "field", true, "The name", AT(adopt.name) },
	{ "adopt", "roles", OPTION_TEXT, "roles", 1, TEXT_MAX, "field", true, "A list of words, or one", AT(adopt.roles) },
	{ "adopt", "email_verified", OPTION_TEXT, "emailVerified", 1, TEXT_MAX, "field", true, "Whether the address is proven", AT(adopt.email_verified) },
	{ "adopt", "status", OPTION_TEXT, "status", 1, TEXT_MAX, "field", true, "Whether the account may log in", AT(adopt.status) },
	{ "adopt", "active", OPTION_TEXT, "active", 1, TEXT_MAX, "text", true, "The status of those who may", AT(adopt.active) },
	{ "adopt", "created", OPTION_TEXT, "createdAt", 1, TEXT_MAX, "field", true, "When it was made", AT(adopt.created) },
	{ "adopt", "updated", OPTION_TEXT, "updatedAt", 1, TEXT_MAX, "field", true, "When it was changed", AT(adopt.updated) },
	{ "adopt", "last_login", OPTION_TEXT, "lastLogin", 1, TEXT_MAX, "field", true, "When somebody logged in", AT(adopt.last_login) },
	{ "adopt", "attempts", OPTION_TEXT, "loginAttempts.count", 1, TEXT_MAX, "field", true, "Wrong passwords since then", AT(adopt.attempts) },
	{ "adopt", "locked_until", OPTION_TEXT, "loginAttempts.lockUntil", 1, TEXT_MAX, "field", true, "Until when nobody may", AT(adopt.locked_until) },
	{ "password", "cost", OPTION_NUMBER, "12", 4, 16, "log2 rounds", true, "Work for one hash; one more is twice the time", AT(password.cost) },
	{ "password", "min", OPTION_NUMBER, "8", 1, 64, "characters", false, "Shortest password for new accounts", AT(password.min) },
	{ "password", "threads", OPTION_NUMBER, "0", 0, 256, "threads", true, "Threads that hash; 0 is one for each processor", AT(password.threads) },
	{ "password", "queue_max", OPTION_NUMBER, "256", 1, 65536, "jobs", true, "Waiting hashes before requests are refused", AT(password.queue_max) },
	{ "password", "refused_file", OPTION_TEXT, "", 0, TEXT_MAX, "file", true, "Passwords to refuse beside the built-in list, one a line", AT(password.refused_file) },
	{ "admission", "concurrent_max", OPTION_NUMBER, "50", 1, 10000, "per core", true, "Logins and the like at a time; counted together", AT(admission.concurrent_max) },
	{ "admission", "queue_time_max", OPTION_DURATION, "5s", 10, 600 * SECOND, "time", true, "Refuse who would wait longer for a thread", AT(admission.queue_time_max_ms) },
	{ "admission", "queue_time_standing", OPTION_DURATION, "1s", 10, 600 * SECOND, "time", true, "The same while overload lasts", AT(admission.queue_time_standing_ms) },
	{ "breaker", "call_timeout", OPTION_DURATION, "5s", 10, 600 * SECOND, "time", true, "A store call without an answer has failed after this", AT(breaker.call_timeout_ms) },
	{ "breaker", "window", OPTION_DURATION, "10s", SECOND, 600 * SECOND, "time", true, "Failures are counted over this", AT(breaker.window_ms) },
	{ "breaker", "failures", OPTION_NUMBER, "50", 1, 100, "percent", true, "So many failed calls open the breaker", AT(breaker.failures_percent) },
	{ "breaker", "calls_min", OPTION_NUMBER, "20", 1, 100000, "calls", true, "But never fewer calls than this in the window", AT(breaker.calls_min) },
	{ "breaker", "open_time", OPTION_DURATION, "30s", 100, 3600 * SECOND, "time", true, "Refuse calls for this long, then try again", AT(breaker.open_ms) },
	{ "breaker", "probes", OPTION_NUMBER, "3", 1, 1000, "calls", true, "Calls that try it again, and must succeed to close it", AT(breaker.probes) },
	{ "lockout", "free", OPTION_NUMBER, "5", 1, 1000, "attempts", false, "Wrong passwords before the first delay", AT(lockout.free) },
	{ "lockout", "base", OPTION_DURATION, "1s", 1, 3600 * SECOND, "time", false, "The first delay; doubles each time", AT(lockout.base_ms) },
	{ "lockout", "max", OPTION_DURATION, "15m", 1, DAY, "time", false, "The longest delay", AT(lockout.max_ms) },
	{ "limits", "enabled", OPTION_BOOL, "yes", 0, 1, "yes or no", false, "Limit how often clients may ask; no switches off everything below", AT(limits.is_enabled) },
	{ "limits", "subjects_max", OPTION_NUMBER, "32768", 1024, 16777216, "each limit", true, "Addresses or accounts that a limit remembers; 24 bytes each", AT(limits.subjects_max) },
	{ "limits", "login", OPTION_RATE, "300/1m", 1, RATE_MAX, "per time, or off", false, "Logins of an address (IPv6: a /64); a whole office may be behind one", AT(limits.login) },
	{ "limits", "register", OPTION_RATE, "100/1h", 1, RATE_MAX, "per time, or off", false, "Registrations of an address", AT(limits.registration) },
	{ "limits", "refresh", OPTION_RATE, "600/1m", 1, RATE_MAX, "per time, or off", false, "Refreshed sessions of an address", AT(limits.refresh) },
	{ "limits", "other", OPTION_RATE, "6000/1m", 1, RATE_MAX, "per time, or off", false, "Other requests of an address; health is never limited", AT(limits.other) },
	{ "limits", "verify", OPTION_RATE, "off", 1, RATE_MAX, "per time, or off", false, "Verified tokens of an address; it is mostly your own proxy that asks", AT(limits.verify) },
	{ "limits", "account", OPTION_RATE, "30/1m", 1, RATE_MAX, "per time, or off", false, "Logins into one account from anywhere", AT(limits.account) },
	{ "limits", "failures", OPTION_RATE, "100/10m", 1, RATE_MAX, "per time, or off", false, "Wrong passwords from a network, /24 or /64, into whatever accounts", AT(limits.failures) },
	{ "limits", "mail", OPTION_RATE, "60/1h", 1, RATE_MAX, "per time, or off", false, "Mails that an address asks for: forgotten passwords, verification", AT(limits.mail) },
	{ "limits", "mailbox", OPTION_RATE, "5/1h", 1, RATE_MAX, "per time, or off", false, "Mails to one account, whoever asks; more are not sent, and nobody is told", AT(limits.mailbox) },
	{ "token", "algorithm", OPTION_CHOICE, "ES256", 0, 3, "ES256|EdDSA|RS256|HS256", true, "How access tokens are signed", AT(token.algorithm) },
	{ "token", "secret_file", OPTION_TEXT, "", 0, TEXT_MAX, "file", true, "The secret for HS256", AT(token.secret_file) },
	{ "token", "issuer", OPTION_TEXT, "authd", 1, TEXT_MAX, "text", false, "The iss claim", AT(token.issuer) },
	{ "token", "audience", OPTION_TEXT, "authd", 1, TEXT_MAX, "text", false, "The aud claim", AT(token.audience) },
	{ "token", "ttl", OPTION_DURATION, "15m", SECOND, DAY, "time", false, "How long an access token is good for", AT(token.ttl_ms) },
	{ "token", "cookie", OPTION_TEXT, "", 0, TEXT_MAX, "name", true, "A cookie that may bring the access token to /verify: __Host-token; empty for none", AT(token.cookie) },
	{ "token", "rotate_every", OPTION_DURATION, "90d", 0, 3650 * DAY, "time", true, "A new signing key after this; 0 never, and never for a shared secret", AT(token.rotate_every_ms) },
	{ "oauth", "clients_file", OPTION_TEXT, "", 0, TEXT_MAX, "file", true, "Programs that may introspect and revoke tokens: an id and a secret a line", AT(oauth.clients_file) },
	{ "session", "idle", OPTION_DURATION, "30d", 60 * SECOND, 3650 * DAY, "time", false, "A session ends when unused for this long", AT(session.idle_ms) },
	{ "session", "absolute", OPTION_DURATION, "90d", 60 * SECOND, 3650 * DAY, "time", false, "A session ends after this in any case", AT(session.absolute_ms) },
	{ "session", "grace", OPTION_DURATION, "10s", 0, 300 * SECOND, "time", false, "A replaced refresh token still answers for this long", AT(session.grace_ms) },
	{ "cache", "users_max", OPTION_NUMBER, "1000", 1, 1000000, "per core", true, "Users kept in memory", AT(cache.users_max) },
	{ "cache", "tokens_max", OPTION_NUMBER, "10000", 1, 1000000, "per core", true, "Verified access tokens kept in memory", AT(cache.tokens_max) },
	{ "cache", "ttl", OPTION_DURATION, "10m", SECOND, DAY, "time", true, "What is cached is looked up again after this", AT(cache.ttl_ms) },
	{ "cache", "sweep", OPTION_DURATION, "2m", SECOND, DAY, "time", true, "What is too old is removed this often", AT(cache.sweep_ms) },
	{ "accounts", "hide_existing", OPTION_BOOL, "no", 0, 1, "yes or no", false, "Registering answers 202 whether or not the address is known", AT(accounts.is_hiding_existing) },
	{ "accounts", "verify_email", OPTION_BOOL, "no", 0, 1, "yes or no", false, "Registering mails a token that verifies the address", AT(accounts.is_verifying_email) },
	{ "accounts", "require_verified", OPTION_BOOL, "no", 0, 1, "yes or no", false, "Nobody logs in before the address is verified", AT(accounts.is_requiring_verified) },
	{ "mail", "transport", OPTION_CHOICE, "file", 0, 2, "file|smtp|none", true, "Mails are written to files, sent, or neither", AT(mail.transport) },
	{ "mail", "folder", OPTION_TEXT, "", 0, TEXT_MAX, "folder", true, "For transport = file; empty is mails, beside the database", AT(mail.folder) },
	{ "mail", "from", OPTION_TEXT, "authd@localhost", 3, TEXT_MAX, "address", true, "Who mails are from", AT(mail.from) },
	{ "mail", "from_name", OPTION_TEXT, "", 0, TEXT_MAX, "text", true, "The name before that address", AT(mail.from_name) },
	{ "mail", "link_base", OPTION_TEXT, "http://localhost:3000", 1, TEXT_MAX, "URL", true, "Where the links in mails begin: your application, not authd", AT(mail.link_base) },
	{ "mail", "templates", OPTION_TEXT, "", 0, TEXT_MAX, "folder", true, "Your own reset.txt, verify.txt, exists.txt; what is not there is built in", AT(mail.templates) },
	{ "mail", "reset_time", OPTION_DURATION, "30m", 60 * SECOND, DAY, "time", true, "How long a token for a new password is good for", AT(mail.reset_ms) },
	{ "mail", "verify_time", OPTION_DURATION, "1d", 60 * SECOND, 30 * DAY, "time", true, "The same for a token that verifies the address", AT(mail.verify_ms) },
	{ "mail", "host", OPTION_TEXT, "localhost", 1, TEXT_MAX, "host", true, "The SMTP server", AT(mail.host) },
	{ "mail", "port", OPTION_NUMBER, "587", 1, 65535, "port", true, "Its port; 465 with starttls = implicit", AT(mail.port) },
	{ "mail", "starttls", OPTION_CHOICE, "required", 0, 3, "required|optional|off|implicit", true, "TLS with it; optional neither insists nor checks who it is", AT(mail.starttls) },
	{ "mail", "ca_file", OPTION_TEXT, "", 0, TEXT_MAX, "file", true, "Who may vouch for it; empty is whom the system trusts", AT(mail.ca_file) },
	{ "mail", "user", OPTION_TEXT, "", 0, TEXT_MAX, "name", true, "To log in there; empty for none", AT(mail.user) },
	{ "mail", "password_file", OPTION_TEXT, "", 0, TEXT_MAX, "file", true, "Its password, in a file", AT(mail.password_file) },
	{ "mail", "timeout", OPTION_DURATION, "30s", SECOND, 600 * SECOND, "time", true, "For sending one mail", AT(mail.timeout_ms) },
	{ "mail", "attempts_max", OPTION_NUMBER, "20", 1, 1000, "attempts", true, "Give a mail up after so many", AT(mail.attempts_max) },
	{ "mail", "age_max", OPTION_DURATION, "1d", 60 * SECOND, 30 * DAY, "time", true, "Give a mail up after this", AT(mail.age_max_ms) },
	{ "mail", "retry_base", OPTION_DURATION, "30s", 10, 3600 * SECOND, "time", true, "Until the second attempt, doubles each time; and until a server that is down is tried again", AT(mail.retry_base_ms) },
	{ "mail", "retry_max", OPTION_DURATION, "1h", 10, DAY, "time", true, "But never longer than this", AT(mail.retry_max_ms) },
	{ "control", "socket", OPTION_TEXT, "/run/authd/authctl.sock", 0, 107, "file", true, "Where authctl connects; empty for none", AT(control.socket) },
	{ "control", "viewer_group", OPTION_TEXT, "authctl", 0, TEXT_MAX, "group", false, "May look", AT(control.viewer_group) },
	{ "control", "operator_group", OPTION_TEXT, "authctl-operator", 0, TEXT_MAX, "group", false, "May also change how it runs", AT(control.operator_group) },
	{ "control", "admin_group", OPTION_TEXT, "authctl-admin", 0, TEXT_MAX, "group", false, "May also change accounts", AT(control.admin_group) },
	{ "control", "audit_file", OPTION_TEXT, "/var/log/authd/audit.log", 0, TEXT_MAX, "file", true, "Who changed what; empty for none, the log alone", AT(control.audit_file) },
	{ "metrics", "record", OPTION_BOOL, "yes", 0, 1, "yes or no", true, "Count and time requests, logins, store calls and the like", AT(metrics.is_recording) },
	{ "metrics", "listen", OPTION_TEXT, "127.0.0.1:9464", 0, 107, "address", true, "Where /metrics is served, host:port or the path of a socket; empty for none", AT(metrics.listen) },
	{ "log", "level", OPTION_CHOICE, "info", 0, 3, "debug|info|warn|error", false, "The least severe records to keep", AT(log.level) },
	{ "log", "file", OPTION_TEXT, "", 0, TEXT_MAX, "file", true, "Where records go; empty is standard error", AT(log.file) },
	{ "log", "format", OPTION_CHOICE, "auto", 0, 2, "auto|json|text", true, "How they look; auto: fields for the journal, text on a terminal, else JSON", AT(log.format) },
	{ "log", "access", OPTION_CHOICE, "slow", 0, 2, "no|slow|yes", false, "A record for each request; slow: for those that took long or failed", AT(log.access) },
	{ "log", "slow", OPTION_DURATION, "1s", 1, 600 * SECOND, "time", false, "What takes longer is slow", AT(log.slow_ms) },
	{ "log", "client_address", OPTION_CHOICE, "masked", 0, 1, "masked|full", false, "Who asked; masked: the network alone, /24 or /48", AT(log.client_address) },
	{ "log", "rotate_size", OPTION_SIZE, "0", 0, 1024 * 1024 * KIB, "bytes", true, "A larger file becomes FILE.1; 0: only others rotate it", AT(log.rotate_bytes) },
	{ "log", "rotate_keep", OPTION_NUMBER, "5", 1, 100, "files", true, "Rotated files that stay", AT(log.rotate_keep) },
	{ "trace", "endpoint", OPTION_TEXT, "", 0, TEXT_MAX, "URL", true, "Where spans go by OTLP: http://127.0.0.1:4318/v1/traces; empty for no traces", AT(trace.endpoint) },
	{ "trace", "protocol", OPTION_CHOICE, "protobuf", 0, 1, "protobuf|json", true, "How they are written", AT(trace.protocol) },
	{ "trace", "sample", OPTION_NUMBER, "1", 0, 100, "percent", false, "Of requests, whatever becomes of them; failed and slow ones are always traced", AT(trace.sample) },
	{ "trace", "slow", OPTION_DURATION, "1s", 0, 600 * SECOND, "time", false, "What takes longer is slow; 0: nothing is", AT(trace.slow_ms) },
	{ "trace", "trust_traceparent", OPTION_LIST, "", 0, CONFIG_LISTEN_MAX, "networks", true, "Clients that may continue their own traces here; others are linked", AT(trace.trust_traceparent) },
};
/* clang-format on */
const size_t options_count = ARRAY_SIZE(options);
static_assert(ARRAY_SIZE(options) <= CONFIG_OPTIONS_MAX, "each has an origin");

const struct option *option_find(struct str section, struct str key)
{
	for (size_t i = 0; i < options_count; i++)
		if (str_equal(section, str_cstr(options[i].section)) &&
			str_equal(key, str_cstr(options[i].key)))
			return &options[i];
	return NULL;
}

static int size_parse(struct str text, uint64_t *ret_bytes)
{
	static const struct unit units[] = { { STR(""), 1 }, { STR("KiB"), KIB },
		{ STR("MiB"), KIB * KIB } };

	return units_parse(text, units, ARRAY_SIZE(units), ret_bytes);
}

/* "300/1m" */
static int rate_parse(const struct option *option, struct str text, struct config_rate *ret_rate)
{
	struct config_rate rate = {};
	ptrdiff_t slash = str_index(text, '/');
	int r;

	if (str_equal(text, STR("off"))) {
		*ret_rate = rate;
		return 0;
	}
	if (slash < 0)
		return -EINVAL;
	r = str_to_u64(str_of(text.data, (size_t)slash), &rate.count);
	if (r == 0)
		r = duration_parse(str_skip(text, (size_t)slash + 1), &rate.window_ms);
	if (r < 0)
		return r;
	if (rate.count < option->min || rate.count > option->max || rate.window_ms < SECOND ||
		rate.window_ms > DAY || rate.window_ms % SECOND)
		return -ERANGE;
	*ret_rate = rate;
	return 0;
}

static int choice_parse(struct str choices, struct str text, uint64_t *ret_index)
{
	struct str choice;

	for (uint64_t i = 0; str_split(&choices, '|', &choice); i++)
		if (str_equal(choice, text)) {
			*ret_index = i;
			return 0;
		}
	return -EINVAL;
}

static int list_parse(const struct option *option, struct str text, struct config_list *ret_list)
{
	struct config_list list = {};
	size_t i = 0;

	while (i < text.len) {
		size_t start = i;

		while (i < text.len && !memchr(" \t,", text.data[i], 3))
			i++;
		if (i > start) {
			if (list.count == option->max || i - start > TEXT_MAX)
				return -ERANGE;
			memcpy(list.items[list.count++], text.data + start, i - start);
		}
		i++;
	}
	if (list.count < option->min)
		return -ERANGE;
	*ret_list = list;
	return 0;
}

int option_set(const struct option *option, struct str text, struct config *config)
{
	void *field = (char *)config + option->offset;
	uint64_t value = 0;
	int r = 0;

	if (text.len && memchr(text.data, '\0', text.len))
		return -EINVAL;
	switch (option->type) {
	case OPTION_LIST:
		return list_parse(option, text, field);
	case OPTION_RATE:
		return rate_parse(option, text, field);
	case OPTION_TEXT:
	case OPTION_SECRET:
		if (text.len < option->min || text.len > option->max)
			return -ERANGE;
		memset(field, 0, CONFIG_TEXT_BYTES);
		if (text.len)
			memcpy(field, text.data, text.len);
		return 0;
	case OPTION_BOOL:
		r = choice_parse(STR("no|yes"), text, &value);
		if (r == 0)
			*(bool *)field = value;
		return r;
	case OPTION_CHOICE:
		r = choice_parse(str_cstr(option->unit), text, &value);
		break;
	case OPTION_DURATION:
		r = duration_parse(text, &value);
		break;
	case OPTION_SIZE:
		r = size_parse(text, &value);
		break;
	default:
		r = str_to_u64(text, &value);
	}
	if (r < 0)
		return r;
	if (value < option->min || value > option->max)
		return -ERANGE;
	*(uint64_t *)field = value;
	return 0;
}

/* --- values as text --- */

int option_print_number(enum option_type type, uint64_t value, struct buf *text)
{
	static const struct {
		enum option_type type;
		uint64_t factor;
		const char *name;
	} scales[] = {
		{ OPTION_DURATION, DAY, "d" },
		{ OPTION_DURATION, 3600 * SECOND, "h" },
		{ OPTION_DURATION, 60 * SECOND, "m" },
		{ OPTION_DURATION, SECOND, "s" },
		{ OPTION_DURATION, 1, "ms" },
		{ OPTION_SIZE, KIB * KIB, "MiB" },
		{ OPTION_SIZE, KIB, "KiB" },
	};

	for (size_t i = 0; value && i < ARRAY_SIZE(scales); i++)
		if (scales[i].type == type && value % scales[i].factor == 0)
			return buf_printf(text, "%llu%s",
				(unsigned long long)(value / scales[i].factor), scales[i].name);
	return buf_printf(text, "%llu", (unsigned long long)value);
}

static int list_print(const struct config_list *list, struct buf *text)
{
	int r = 0;

	for (unsigned i = 0; i < list->count && r == 0; i++)
		r = buf_printf(text, "%s%s", i ? " " : "", list->items[i]);
	return r;
}

static int rate_print(const struct config_rate *rate, struct buf *text)
{
	int r;

	if (!rate->count)
		return buf_append(text, STR("off"));
	r = buf_printf(text, "%llu/", (unsigned long long)rate->count);
	return r < 0 ? r : option_print_number(OPTION_DURATION, rate->window_ms, text);
}

static int choice_print(struct str choices, uint64_t index, struct buf *text)
{
	struct str choice = {};

	for (uint64_t i = 0; i <= index; i++)
		if (!str_split(&choices, '|', &choice))
			return -EINVAL;
	return buf_append(text, choice);
}

int option_print(const struct option *option, const struct config *config, struct buf *text)
{
	const void *field = (const char *)config + option->offset;

	switch (option->type) {
	case OPTION_LIST:
		return list_print(field, text);
	case OPTION_RATE:
		return rate_print(field, text);
	case OPTION_TEXT:
		return buf_append(text, str_cstr(field));
	case OPTION_SECRET:
		return buf_append(text, *(const char *)field ? STR("(set)") : STR(""));
	case OPTION_BOOL:
		return buf_append(text, *(const bool *)field ? STR("yes") : STR("no"));
	case OPTION_CHOICE:
		return choice_print(str_cstr(option->unit), *(const uint64_t *)field, text);
	default:
		return option_print_number(option->type, *(const uint64_t *)field, text);
	}
}

static size_t field_bytes(const struct option *option)
{
	switch (option->type) {
	case OPTION_LIST:
		return sizeof(struct config_list);
	case OPTION_RATE:
		return sizeof(struct config_rate);
	case OPTION_TEXT:
	case OPTION_SECRET:
		return CONFIG_TEXT_BYTES;
	case OPTION_BOOL:
		return sizeof(bool);
	default:
		return sizeof(uint64_t);
	}
}

bool option_is_equal(const struct option *option, const struct config *a, const struct config *b)
{
	return memcmp((const char *)a + option->offset, (const char *)b + option->offset,
		       field_bytes(option)) == 0;
}

void option_copy(const struct option *option, const struct config *from, struct config *to)
{
	memcpy((char *)to + option->offset, (const char *)from + option->offset,
		field_bytes(option));
}

const struct option *option_find_name(struct str name)
{
	ptrdiff_t dot = str_index(name, '.');

	if (dot < 0)
		return NULL;
	return option_find(str_of(name.data, (size_t)dot), str_skip(name, (size_t)dot + 1));
}

int option_print_allowed(const struct option *option, struct buf *text)
{
	int r;

	if (option->type == OPTION_CHOICE || option->type == OPTION_BOOL)
		return buf_append(text, str_cstr(option->unit));
	if (option->type == OPTION_RATE)
		return buf_printf(text, "%llu/1s..%llu/1d in whole seconds, or off",
			(unsigned long long)option->min, (unsigned long long)option->max);
	r = option_print_number(option->type, option->min, text);
	if (r == 0)
		r = buf_append(text, STR(".."));
	if (r == 0)
		r = option_print_number(option->type, option->max, text);
	if (r == 0 && (option->type == OPTION_TEXT || option->type == OPTION_SECRET))
		r = buf_append(text, STR(" bytes"));
	if (r == 0 && option->type == OPTION_LIST)
		r = buf_append(text, STR(" items"));
	return r;
}
