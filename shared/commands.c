/* The table of commands: see commands.h. */
#include "shared/commands.h"

#include <errno.h>
#include <string.h>

#include "shared/macros.h"

/* clang-format off */
#define WIDE COLUMN_WIDE
#define COUNTER COLUMN_COUNTER

static const struct command_column status_columns[] = {
	{ "state", COLUMN_TEXT, "READY, NOT READY (the store), DRAINING or DRAINED", 0 },
	{ "version", COLUMN_TEXT, "of authd", 0 },
	{ "pid", COLUMN_INTEGER, "its process", 0 },
	{ "boot", COLUMN_TEXT, "another one after every start", WIDE },
	{ "upgrades", COLUMN_INTEGER, "hand-overs since the first start", WIDE },
	{ "predecessor", COLUMN_BOOL, "does the daemon before this one still finish what it has?", WIDE },
	{ "up", COLUMN_SECONDS, "since its start", 0 },
	{ "generation", COLUMN_INTEGER, "of the configuration", 0 },
	{ "generation_age", COLUMN_SECONDS, "since it was taken over", 0 },
	{ "generation_uid", COLUMN_USER, "who did it; none at the start", 0 },
	{ "unconfirmed", COLUMN_SECONDS, "until it goes back by itself; none when it stays", 0 },
	{ "config", COLUMN_TEXT, "file in use", WIDE },
	{ "engine", COLUMN_TEXT, "what the loops run on", WIDE },
	{ "engine_why", COLUMN_TEXT, "why that one, and what would change it", WIDE },
	{ "receive", COLUMN_TEXT, "multishot or oneshot", WIDE },
	{ "requests_per_second", COLUMN_NUMBER, "in the last second", 0 },
	{ "requests", COLUMN_INTEGER, "since the start", COUNTER },
	{ "error_ratio", COLUMN_RATIO, "share of answers of 500 and above in the last second", 0 },
	{ "errors", COLUMN_INTEGER, "answers of 500 and above", COUNTER },
	{ "p50", COLUMN_SECONDS, "half of the last minute's requests took no longer; none: there were none", 0 },
	{ "p99", COLUMN_SECONDS, "99 of 100 took no longer", 0 },
	{ "connections", COLUMN_INTEGER, "open now", 0 },
	{ "cores", COLUMN_INTEGER, "threads that serve", 0 },
	{ "cores_answering", COLUMN_INTEGER, "of them, within a second", 0 },
	{ "busiest_core", COLUMN_INTEGER, "its number", 0 },
	{ "busiest", COLUMN_RATIO, "of a processor that it used in the last second", 0 },
	{ "turn_max", COLUMN_SECONDS, "the longest pass of a loop", 0 },
	{ "pools", COLUMN_TEXT, "queues of the store and of hashing", 0 },
	{ "store", COLUMN_TEXT, "up or DOWN", 0 },
	{ "store_latency", COLUMN_SECONDS, "of the last probe", 0 },
	{ "store_failures", COLUMN_INTEGER, "calls that failed", COUNTER },
	{ "breakers", COLUMN_TEXT, "what is refused without being tried", 0 },
	{ "memory", COLUMN_BYTES, "resident", 0 },
	{ "memory_parts", COLUMN_TEXT, "what it is used for", 0 },
	{ "overrides", COLUMN_TEXT, "what is so for a while only: values, forces, levels, profiles", 0 },
	{ "warnings", COLUMN_TEXT, "what to look at, and how; one on each line", 0 },
	{}
};

static const struct command_column health_columns[] = {
	{ "check", COLUMN_TEXT, "what was looked at", 0 },
	{ "ok", COLUMN_BOOL, "is it well?", 0 },
	{ "detail", COLUMN_TEXT, "what was found", 0 },
	{}
};

static const struct command_argument health_arguments[] = {
	{ "ready", ARGUMENT_FLAG, 0, "only what decides whether it takes requests", NULL, NULL },
	{ "live", ARGUMENT_FLAG, 0, "only whether it runs", NULL, NULL },
	{}
};

static const struct command_column doctor_columns[] = {
	{ "rule", COLUMN_TEXT, "what was looked at", 0 },
	{ "verdict", COLUMN_TEXT, "ok, info, warn or bad", 0 },
	{ "ok", COLUMN_BOOL, "false for warn and bad", WIDE },
	{ "evidence", COLUMN_TEXT, "what was seen", 0 },
	{ "meaning", COLUMN_TEXT, "what it means", 0 },
	{ "next", COLUMN_TEXT, "what to run", 0 },
	{}
};

static const struct command_column core_columns[] = {
	{ "core", COLUMN_INTEGER, "its number", 0 },
	{ "answers", COLUMN_BOOL, "within a second", 0 },
	{ "busy", COLUMN_RATIO, "of a processor that it used in the last second", 0 },
	{ "turns", COLUMN_INTEGER, "passes of its loop", COUNTER },
	{ "turn_max", COLUMN_SECONDS, "the longest", 0 },
	{ "completions", COLUMN_INTEGER, "operations handled", WIDE | COUNTER },
	{ "messages", COLUMN_INTEGER, "from other threads", WIDE | COUNTER },
	{ "requests", COLUMN_INTEGER, "served", COUNTER },
	{ "connections", COLUMN_INTEGER, "open now", 0 },
	{ "fibers", COLUMN_INTEGER, "requests in progress", 0 },
	{ "ring_full", COLUMN_INTEGER, "times that the submission ring was full", WIDE | COUNTER },
	{ "ring_overflows", COLUMN_INTEGER, "times that the completion ring was", WIDE | COUNTER },
	{}
};

static const struct command_argument conn_list_arguments[] = {
	{ "state", ARGUMENT_TEXT, 0, "only those in this state", "handshaking|waiting|idle|receiving|handling|sending|closing", NULL },
	{ "core", ARGUMENT_NUMBER, 0, "only those of one core", NULL, "core.list:core" },
	{ "age", ARGUMENT_DURATION, 0, "only those that are older", NULL, NULL },
	{}
};

static const struct command_column conn_columns[] = {
	{ "id", COLUMN_INTEGER, "unique in this process", 0 },
	{ "core", COLUMN_INTEGER, "that serves it", 0 },
	{ "peer", COLUMN_TEXT, "address and port of the client; for viewers its network", 0 },
	{ "state", COLUMN_TEXT, "what it does now", 0 },
	{ "tls", COLUMN_TEXT, "version; none: without, or not yet set up", 0 },
	{ "age", COLUMN_SECONDS, "since it was accepted", 0 },
	{ "idle", COLUMN_SECONDS, "since the last byte either way", 0 },
	{ "requests", COLUMN_INTEGER, "so far", COUNTER },
	{ "received", COLUMN_BYTES, "from the client", COUNTER },
	{ "sent", COLUMN_BYTES, "to the client", COUNTER },
	{}
};

static const struct command_argument conn_kill_arguments[] = {
	{ "id", ARGUMENT_NUMBER, ARGUMENT_POSITIONAL | ARGUMENT_REQUIRED, "of conn list", NULL, "conn.list:id" },
	{}
};

static const struct command_column killed_columns[] = {
	{ "id", COLUMN_INTEGER, "of the connection", 0 },
	{ "core", COLUMN_INTEGER, "that had it", 0 },
	{ "done", COLUMN_BOOL, "false in a dry run", 0 },
	{}
};

static const struct command_argument op_list_arguments[] = {
	{ "slower", ARGUMENT_DURATION, 0, "only those that run for longer", NULL, NULL },
	{}
};

static const struct command_column op_columns[] = {
	{ "id", COLUMN_INTEGER, "of its connection", 0 },
	{ "core", COLUMN_INTEGER, "that serves it", 0 },
	{ "method", COLUMN_TEXT, "of the request", 0 },
	{ "path", COLUMN_TEXT, "of the request, without its query", 0 },
	{ "age", COLUMN_SECONDS, "since its first byte", 0 },
	{ "left", COLUMN_SECONDS, "until its deadline", 0 },
	{ "peer", COLUMN_TEXT, "address and port of the client; for viewers its network", 0 },
	{ "request_id", COLUMN_TEXT, "as in the log", WIDE },
	{}
};

static const struct command_argument op_kill_arguments[] = {
	{ "id", ARGUMENT_NUMBER, ARGUMENT_POSITIONAL | ARGUMENT_REQUIRED, "of op list", NULL, "op.list:id" },
	{}
};

static const struct command_column pool_columns[] = {
	{ "pool", COLUMN_TEXT, "its name", 0 },
	{ "core", COLUMN_INTEGER, "its owner; none for queues of threads", 0 },
	{ "in_use", COLUMN_INTEGER, "objects, or jobs running", 0 },
	{ "idle", COLUMN_INTEGER, "kept for reuse", 0 },
	{ "max", COLUMN_INTEGER, "in use, or waiting for queues", 0 },
	{ "waiting", COLUMN_INTEGER, "jobs in the queue", 0 },
	{ "done", COLUMN_INTEGER, "jobs so far", COUNTER },
	{ "refused", COLUMN_INTEGER, "times that it was full", COUNTER },
	{ "expired", COLUMN_INTEGER, "jobs whose time was over before they began", WIDE | COUNTER },
	{ "drained", COLUMN_SECONDS, "it takes no jobs for so long; none: it does", WIDE },
	{ "bytes", COLUMN_BYTES, "of its objects", WIDE },
	{}
};

static const struct command_argument pool_show_arguments[] = {
	{ "name", ARGUMENT_TEXT, ARGUMENT_POSITIONAL | ARGUMENT_REQUIRED, "of pool list", NULL, "pool.list:pool" },
	{}
};

static const struct command_argument pool_drain_arguments[] = {
	{ "name", ARGUMENT_TEXT, ARGUMENT_POSITIONAL | ARGUMENT_REQUIRED, "of pool list: store-read or store-write", NULL, "pool.list:pool" },
	{ "for", ARGUMENT_DURATION, ARGUMENT_REQUIRED, "ends by itself after this; at most 24h", NULL, NULL },
	{}
};

static const struct command_column pool_drain_columns[] = {
	{ "pool", COLUMN_TEXT, "its name", 0 },
	{ "in_use", COLUMN_INTEGER, "connections that are lent still; they come back when their calls end", 0 },
	{ "refused", COLUMN_INTEGER, "calls that waited for one", 0 },
	{ "until", COLUMN_SECONDS, "it lends them again by itself; none: it does", 0 },
	{ "done", COLUMN_BOOL, "false in a dry run", 0 },
	{}
};

static const struct command_argument pool_resize_arguments[] = {
	{ "name", ARGUMENT_TEXT, ARGUMENT_POSITIONAL | ARGUMENT_REQUIRED, "of pool list", NULL, "pool.list:pool" },
	{ "connections", ARGUMENT_NUMBER, ARGUMENT_POSITIONAL | ARGUMENT_REQUIRED, "that there may be for calls", NULL, NULL },
	{ "for", ARGUMENT_DURATION, ARGUMENT_REQUIRED, "back by itself after this; at most 24h", NULL, NULL },
	{}
};

static const struct command_column pool_resize_columns[] = {
	{ "pool", COLUMN_TEXT, "its name", 0 },
	{ "connections", COLUMN_INTEGER, "that there may be for calls", 0 },
	{ "until", COLUMN_SECONDS, "it goes back by itself", 0 },
	{ "done", COLUMN_BOOL, "false in a dry run", 0 },
	{}
};

static const struct command_column pool_show_columns[] = {
	{ "pool", COLUMN_TEXT, "its name", 0 },
	{ "core", COLUMN_INTEGER, "its owner; none for queues of threads", 0 },
	{ "in_use", COLUMN_INTEGER, "objects, or jobs running", 0 },
	{ "idle", COLUMN_INTEGER, "kept for reuse", 0 },
	{ "max", COLUMN_INTEGER, "in use, or waiting for queues", 0 },
	{ "waiting", COLUMN_INTEGER, "jobs in the queue", 0 },
	{ "done", COLUMN_INTEGER, "jobs so far", COUNTER },
	{ "refused", COLUMN_INTEGER, "times that it was full", COUNTER },
	{ "expired", COLUMN_INTEGER, "jobs whose time was over before they began", WIDE | COUNTER },
	{ "drained", COLUMN_SECONDS, "it takes no jobs for so long; none: it does", WIDE },
	{ "bytes", COLUMN_BYTES, "of its objects", WIDE },
	{ "connection", COLUMN_INTEGER, "of the store, which such a row is about; none: the pool", 0 },
	{ "state", COLUMN_TEXT, "of the connection: connecting, idle or busy", 0 },
	{ "call", COLUMN_TEXT, "that a busy one runs", 0 },
	{ "for", COLUMN_SECONDS, "it has been in this state", 0 },
	{ "failures", COLUMN_INTEGER, "of its calls", COUNTER },
	{}
};

static const struct command_column db_ping_columns[] = {
	{ "store", COLUMN_TEXT, "its kind", 0 },
	{ "server", COLUMN_TEXT, "its address; empty: the store is local", 0 },
	{ "ok", COLUMN_BOOL, "does it answer?", 0 },
	{ "time", COLUMN_SECONDS, "there and back", 0 },
	{ "error", COLUMN_TEXT, "why it does not answer", 0 },
	{}
};

static const struct command_column db_topology_columns[] = {
	{ "server", COLUMN_TEXT, "its address; empty: the store is local", 0 },
	{ "role", COLUMN_TEXT, "primary, secondary, ...; local: a file or memory", 0 },
	{ "time", COLUMN_SECONDS, "there and back; none: it does not answer", 0 },
	{ "lag", COLUMN_SECONDS, "of its last write behind the newest of all; none: not known", 0 },
	{ "error", COLUMN_TEXT, "why it does not answer", 0 },
	{}
};

static const struct command_argument db_explain_arguments[] = {
	{ "name", ARGUMENT_TEXT, 0, "only this statement", NULL, "db.explain:statement" },
	{}
};

static const struct command_column db_explain_columns[] = {
	{ "statement", COLUMN_TEXT, "its name", 0 },
	{ "index", COLUMN_TEXT, "that the store uses", 0 },
	{ "examined", COLUMN_INTEGER, "documents; none: the store does not tell", 0 },
	{ "returned", COLUMN_INTEGER, "of them", 0 },
	{ "verdict", COLUMN_TEXT, "good, or what is wrong with the plan", 0 },
	{ "ok", COLUMN_BOOL, "is it good?", WIDE },
	{}
};

static const struct command_column index_list_columns[] = {
	{ "index", COLUMN_TEXT, "its name", 0 },
	{ "key", COLUMN_TEXT, "what it is on", 0 },
	{ "state", COLUMN_TEXT, "present, missing, different; extra: not ours", 0 },
	{ "detail", COLUMN_TEXT, "why it is needed, or what differs", 0 },
	{}
};

static const struct command_column index_check_columns[] = {
	{ "index", COLUMN_TEXT, "its name", 0 },
	{ "key", COLUMN_TEXT, "what it is on", 0 },
	{ "state", COLUMN_TEXT, "present, missing or different", 0 },
	{ "detail", COLUMN_TEXT, "why it is needed, or what differs", 0 },
	{ "ok", COLUMN_BOOL, "is it there as it must be?", 0 },
	{}
};

static const struct command_argument index_create_arguments[] = {
	{ "name", ARGUMENT_TEXT, ARGUMENT_POSITIONAL | ARGUMENT_REQUIRED, "of index check", NULL, "index.check:index" },
	{ "background", ARGUMENT_FLAG, 0, "do not wait until it is built", NULL, NULL },
	{}
};

static const struct command_column index_create_columns[] = {
	{ "index", COLUMN_TEXT, "its name", 0 },
	{ "state", COLUMN_TEXT, "building, built; present: it was there; missing: a dry run", 0 },
	{ "done", COLUMN_INTEGER, "documents; none: the server does not tell", 0 },
	{ "total", COLUMN_INTEGER, "documents", 0 },
	{ "time", COLUMN_SECONDS, "since it began", 0 },
	{}
};

static const struct command_argument index_drop_arguments[] = {
	{ "name", ARGUMENT_TEXT, ARGUMENT_POSITIONAL | ARGUMENT_REQUIRED, "of index list", NULL, "index.list:index" },
	{}
};

static const struct command_column index_drop_columns[] = {
	{ "index", COLUMN_TEXT, "its name", 0 },
	{ "key", COLUMN_TEXT, "what it is on", 0 },
	{ "state", COLUMN_TEXT, "before it was dropped: present, different; extra: not ours", 0 },
	{ "detail", COLUMN_TEXT, "why it is needed, or what differs", 0 },
	{ "done", COLUMN_BOOL, "false in a dry run", 0 },
	{}
};

static const struct command_column adopt_columns[] = {
	{ "accounts", COLUMN_INTEGER, "how many", 0 },
	{ "finding", COLUMN_TEXT, "what is so with them", 0 },
	{ "ok", COLUMN_BOOL, "can authd serve them so?", 0 },
	{ "examples", COLUMN_TEXT, "ids or addresses of some; none below admin", 0 },
	{}
};

static const struct command_column cache_columns[] = {
	{ "cache", COLUMN_TEXT, "its name", 0 },
	{ "core", COLUMN_INTEGER, "that it is on", 0 },
	{ "entries", COLUMN_INTEGER, "held now", 0 },
	{ "max", COLUMN_INTEGER, "entries", 0 },
	{ "bytes", COLUMN_BYTES, "of its entries", 0 },
	{ "hits", COLUMN_INTEGER, "found", COUNTER },
	{ "negative_hits", COLUMN_INTEGER, "known not to be there", WIDE | COUNTER },
	{ "misses", COLUMN_INTEGER, "not found, or too old", COUNTER },
	{ "hit_ratio", COLUMN_RATIO, "share that was known", 0 },
	{ "removed_size", COLUMN_INTEGER, "gave way to others", COUNTER },
	{ "removed_ttl", COLUMN_INTEGER, "were too old", WIDE | COUNTER },
	{ "removed_change", COLUMN_INTEGER, "became wrong", WIDE | COUNTER },
	{ "removed_flush", COLUMN_INTEGER, "by an operator", WIDE | COUNTER },
	{}
};

static const struct command_argument cache_show_arguments[] = {
	{ "name", ARGUMENT_TEXT, ARGUMENT_POSITIONAL | ARGUMENT_REQUIRED, "of cache list", NULL, "cache.list:cache" },
	{}
};

static const struct command_argument cache_flush_arguments[] = {
	{ "name", ARGUMENT_TEXT, ARGUMENT_POSITIONAL | ARGUMENT_REQUIRED, "of cache list", NULL, "cache.list:cache" },
	{ "key", ARGUMENT_TEXT, 0, "only what concerns this account or session id", NULL, NULL },
	{}
};

static const struct command_column cache_flush_columns[] = {
	{ "cache", COLUMN_TEXT, "its name", 0 },
	{ "entries", COLUMN_INTEGER, "that all cores held", 0 },
	{ "key", COLUMN_TEXT, "only what concerns this id", 0 },
	{ "cores", COLUMN_INTEGER, "that have done it", 0 },
	{ "done", COLUMN_BOOL, "false in a dry run", 0 },
	{}
};

static const struct command_column breaker_columns[] = {
	{ "breaker", COLUMN_TEXT, "its name", 0 },
	{ "state", COLUMN_TEXT, "closed: calls pass; open: refused; half-open: some try", 0 },
	{ "mode", COLUMN_TEXT, "auto, or forced by an operator", 0 },
	{ "forced", COLUMN_SECONDS, "that the force is left; none: it is not forced", 0 },
	{ "calls", COLUMN_INTEGER, "in its window", 0 },
	{ "failures", COLUMN_INTEGER, "of them", 0 },
	{ "retry", COLUMN_SECONDS, "until it tries again", 0 },
	{ "refused", COLUMN_INTEGER, "calls so far", COUNTER },
	{ "opened", COLUMN_INTEGER, "times so far", WIDE | COUNTER },
	{ "error", COLUMN_TEXT, "of the last failure", 0 },
	{ "error_time", COLUMN_TIME, "of the last failure", WIDE },
	{ "history", COLUMN_TEXT, "changes, newest first", WIDE },
	{}
};

static const struct command_argument breaker_arguments[] = {
	{ "name", ARGUMENT_TEXT, ARGUMENT_POSITIONAL | ARGUMENT_REQUIRED, "of breaker list", NULL, "breaker.list:breaker" },
	{}
};

static const struct command_argument breaker_force_arguments[] = {
	{ "name", ARGUMENT_TEXT, ARGUMENT_POSITIONAL | ARGUMENT_REQUIRED, "of breaker list", NULL, "breaker.list:breaker" },
	{ "for", ARGUMENT_DURATION, ARGUMENT_REQUIRED, "ends by itself after this; at most 24h", NULL, NULL },
	{}
};

static const struct command_column admission_columns[] = {
	{ "in_progress", COLUMN_INTEGER, "costly requests now", 0 },
	{ "max", COLUMN_INTEGER, "of them", 0 },
	{ "wait", COLUMN_SECONDS, "of one that came now", 0 },
	{ "wait_max", COLUMN_SECONDS, "that is allowed now", 0 },
	{ "admitted", COLUMN_INTEGER, "so far", COUNTER },
	{ "refused", COLUMN_INTEGER, "so far", COUNTER },
	{ "refused_concurrent", COLUMN_INTEGER, "too many in the process", COUNTER },
	{ "refused_core", COLUMN_INTEGER, "too many on one core", COUNTER },
	{ "refused_wait", COLUMN_INTEGER, "would have waited too long", COUNTER },
	{ "refused_deadline", COLUMN_INTEGER, "would have come too late", COUNTER },
	{}
};

static const struct command_column limit_columns[] = {
	{ "limit", COLUMN_TEXT, "its name", 0 },
	{ "on", COLUMN_BOOL, "is it in force?", 0 },
	{ "count", COLUMN_INTEGER, "that are allowed", 0 },
	{ "window", COLUMN_SECONDS, "within this time", 0 },
	{ "allowed", COLUMN_INTEGER, "so far", COUNTER },
	{ "refused", COLUMN_INTEGER, "so far", COUNTER },
	{ "evicted", COLUMN_INTEGER, "records that gave way to others", WIDE | COUNTER },
	{ "bytes", COLUMN_BYTES, "of its table", WIDE },
	{ "help", COLUMN_TEXT, "what it counts", 0 },
	{}
};

static const struct command_argument limit_top_arguments[] = {
	{ "limit", ARGUMENT_NUMBER, 0, "so many (20)", NULL, NULL },
	{}
};

static const struct command_column offender_columns[] = {
	{ "subject", COLUMN_TEXT, "address, network or account; for viewers no address", 0 },
	{ "limit", COLUMN_TEXT, "that refuses it", 0 },
	{ "used", COLUMN_INTEGER, "of what is allowed", 0 },
	{ "count", COLUMN_INTEGER, "that are allowed", 0 },
	{ "refused", COLUMN_INTEGER, "since it was whole", COUNTER },
	{ "whole_in", COLUMN_SECONDS, "until all is allowed again", 0 },
	{}
};

static const struct command_argument limit_clear_arguments[] = {
	{ "subject", ARGUMENT_TEXT, ARGUMENT_POSITIONAL | ARGUMENT_REQUIRED, "an address, a network, account:..., or an email", NULL, "limit.top:subject" },
	{}
};

static const struct command_column limit_clear_columns[] = {
	{ "subject", COLUMN_TEXT, "who is forgiven", 0 },
	{ "limits", COLUMN_INTEGER, "that had something against it", 0 },
	{ "done", COLUMN_BOOL, "false in a dry run", 0 },
	{}
};

static const struct command_argument user_arguments[] = {
	{ "user", ARGUMENT_TEXT, ARGUMENT_POSITIONAL | ARGUMENT_REQUIRED, "an email address or an id", NULL, "user.list:email" },
	{}
};

static const struct command_column user_columns[] = {
	{ "id", COLUMN_TEXT, "of the account", 0 },
	{ "email", COLUMN_TEXT, "masked below admin", 0 },
	{ "email_verified", COLUMN_BOOL, "is it proven?", 0 },
	{ "name", COLUMN_TEXT, "masked below admin", 0 },
	{ "status", COLUMN_TEXT, "active or suspended", 0 },
	{ "roles", COLUMN_TEXT, "what it may", 0 },
	{ "created", COLUMN_TIME, "when it was made", 0 },
	{ "updated", COLUMN_TIME, "when it was changed", 0 },
	{ "last_login", COLUMN_TIME, "when somebody logged in", 0 },
	{ "failed_logins", COLUMN_INTEGER, "since the last good one", 0 },
	{ "locked_until", COLUMN_TIME, "too many of them; none: it is not", 0 },
	{}
};

static const struct command_argument user_create_arguments[] = {
	{ "email", ARGUMENT_TEXT, ARGUMENT_POSITIONAL | ARGUMENT_REQUIRED, "its address", NULL, NULL },
	{ "name", ARGUMENT_TEXT, 0, "its name", NULL, NULL },
	{ "roles", ARGUMENT_TEXT, 0, "what it may: one or more, with commas between", NULL, NULL },
	{ "verified", ARGUMENT_FLAG, 0, "the address is proven", NULL, NULL },
	{ "no-password", ARGUMENT_FLAG, ARGUMENT_INSTEAD, "its owner chooses one, with a mail: user reset-password --mail", NULL, NULL },
	{ "password", ARGUMENT_TEXT, ARGUMENT_SECRET, "is typed unseen, or comes by --secret-file or --secret-fd", NULL, NULL },
	{}
};

static const struct command_argument user_reset_arguments[] = {
	{ "user", ARGUMENT_TEXT, ARGUMENT_POSITIONAL | ARGUMENT_REQUIRED, "an email address or an id", NULL, "user.list:email" },
	{ "mail", ARGUMENT_FLAG, ARGUMENT_INSTEAD, "its owner gets a mail and chooses one; the old one stays good until then", NULL, NULL },
	{ "password", ARGUMENT_TEXT, ARGUMENT_SECRET, "is typed unseen, or comes by --secret-file or --secret-fd", NULL, NULL },
	{}
};

static const struct command_column user_reset_columns[] = {
	{ "id", COLUMN_TEXT, "of the account", 0 },
	{ "email", COLUMN_TEXT, "of the account", 0 },
	{ "mailed", COLUMN_BOOL, "true: its owner will choose", 0 },
	{ "done", COLUMN_BOOL, "false in a dry run", 0 },
	{}
};

static const struct command_argument user_list_arguments[] = {
	{ "status", ARGUMENT_TEXT, 0, "only these", "active|suspended", NULL },
	{ "after", ARGUMENT_TEXT, 0, "the id that the page before ended with", NULL, NULL },
	{ "limit", ARGUMENT_NUMBER, 0, "so many (100, which is the most)", NULL, NULL },
	{ "prefix", ARGUMENT_TEXT, ARGUMENT_ADMIN, "only those whose address begins so, by address", NULL, NULL },
	{}
};

static const struct command_column user_list_columns[] = {
	{ "id", COLUMN_TEXT, "of the account", 0 },
	{ "email", COLUMN_TEXT, "masked below admin", 0 },
	{ "status", COLUMN_TEXT, "active or suspended", 0 },
	{ "created", COLUMN_TIME, "when it was made", WIDE },
	{ "last_login", COLUMN_TIME, "when somebody logged in", WIDE },
	{}
};

static const struct command_argument session_list_arguments[] = {
	{ "user", ARGUMENT_TEXT, ARGUMENT_REQUIRED, "an email address or an id", NULL, "user.list:email" },
	{}
};

static const struct command_column session_columns[] = {
	{ "id", COLUMN_TEXT, "of the session", 0 },
	{ "address", COLUMN_TEXT, "of the client that opened it", 0 },
	{ "agent", COLUMN_TEXT, "its User-Agent", 0 },
	{ "created", COLUMN_TIME, "when it was opened", WIDE },
	{ "used", COLUMN_TIME, "when it was refreshed last", 0 },
	{ "ends", COLUMN_TIME, "unless it is refreshed", WIDE },
	{}
};

static const struct command_argument session_revoke_arguments[] = {
	{ "id", ARGUMENT_TEXT, ARGUMENT_POSITIONAL, "of one session", NULL, NULL },
	{ "user", ARGUMENT_TEXT, 0, "all sessions of this account: an email address or an id", NULL, "user.list:email" },
	{ "all", ARGUMENT_FLAG, ARGUMENT_ADMIN | ARGUMENT_ASKS, "those of everybody, also who logs in while it runs", NULL, NULL },
	{}
};

static const struct command_column session_revoke_columns[] = {
	{ "id", COLUMN_TEXT, "of the session", 0 },
	{ "user", COLUMN_TEXT, "whose sessions ended", 0 },
	{ "sessions", COLUMN_INTEGER, "of everybody that ended, or would in a dry run; none: not all were meant", 0 },
	{ "done", COLUMN_BOOL, "false in a dry run", 0 },
	{}
};

static const struct command_column key_columns[] = {
	{ "kid", COLUMN_TEXT, "its id, in the header of tokens", 0 },
	{ "algorithm", COLUMN_TEXT, "that it signs with", 0 },
	{ "signs", COLUMN_BOOL, "new tokens; the others only verify", 0 },
	{}
};

static const struct command_column tls_columns[] = {
	{ "name", COLUMN_TEXT, "the first that it is for", 0 },
	{ "names", COLUMN_TEXT, "all of them, spaces between", WIDE },
	{ "file", COLUMN_TEXT, "that it was read from", 0 },
	{ "issuer", COLUMN_TEXT, "who vouches for it", 0 },
	{ "not_before", COLUMN_TIME, "not good earlier", WIDE },
	{ "not_after", COLUMN_TIME, "not good later", 0 },
	{ "days_left", COLUMN_INTEGER, "until then, rounded down", 0 },
	{ "key", COLUMN_TEXT, "its kind and size", 0 },
	{ "served", COLUMN_INTEGER, "full handshakes that have shown it", COUNTER },
	{ "default", COLUMN_BOOL, "for clients that name nobody whom we know?", WIDE },
	{ "kind", COLUMN_TEXT, "certificate, or crl: whom an authority of clients has revoked", 0 },
	{ "revoked", COLUMN_INTEGER, "certificates on a crl", WIDE },
	{}
};

static const struct command_column route_columns[] = {
	{ "route", COLUMN_TEXT, "its template", 0 },
	{ "method", COLUMN_TEXT, "of the requests", 0 },
	{ "requests", COLUMN_INTEGER, "answered since the start", COUNTER },
	{ "errors", COLUMN_INTEGER, "of them with 500 and above", COUNTER },
	{ "p50", COLUMN_SECONDS, "half were faster, since the start", 0 },
	{ "p99", COLUMN_SECONDS, "99 of 100 were", 0 },
	{ "p999", COLUMN_SECONDS, "999 of 1000 were", WIDE },
	{ "max", COLUMN_SECONDS, "the slowest", WIDE },
	{}
};

static const struct command_argument latency_arguments[] = {
	{ "route", ARGUMENT_TEXT, 0, "only requests of this path", NULL, "route.list:route" },
	{ "stage", ARGUMENT_FLAG, 0, "where the time went", NULL, NULL },
	{ "window", ARGUMENT_TEXT, 0, "only this one", "1s|10s|1m|10m|1h", NULL },
	{}
};

static const struct command_column latency_columns[] = {
	{ "route", COLUMN_TEXT, "path, or all", 0 },
	{ "stage", COLUMN_TEXT, "queue, parse, db, hash, or whole", 0 },
	{ "window", COLUMN_TEXT, "how far back", 0 },
	{ "requests", COLUMN_INTEGER, "in it", 0 },
	{ "share", COLUMN_RATIO, "of the time of these requests", 0 },
	{ "p50", COLUMN_SECONDS, "half took no longer", 0 },
	{ "p90", COLUMN_SECONDS, "90 % took no longer", 0 },
	{ "p99", COLUMN_SECONDS, "99 % took no longer", 0 },
	{ "p999", COLUMN_SECONDS, "99.9 % took no longer", 0 },
	{ "max", COLUMN_SECONDS, "the longest, to 3 %", 0 },
	{}
};

static const struct command_argument latency_hist_arguments[] = {
	{ "route", ARGUMENT_TEXT, 0, "only requests of this path", NULL, "route.list:route" },
	{ "window", ARGUMENT_TEXT, 0, "how far back (1m)", "1s|10s|1m|10m|1h", NULL },
	{}
};

static const struct command_column latency_hist_columns[] = {
	{ "up_to", COLUMN_SECONDS, "took no longer, but longer than the row before; none: any time", 0 },
	{ "requests", COLUMN_INTEGER, "that did", 0 },
	{ "share", COLUMN_RATIO, "of all", 0 },
	{ "bar", COLUMN_TEXT, "the same to look at", 0 },
	{}
};

static const struct command_argument metrics_arguments[] = {
	{ "name", ARGUMENT_TEXT, ARGUMENT_POSITIONAL, "only this one", NULL, "metrics.list:metric" },
	{}
};

static const struct command_column metrics_columns[] = {
	{ "metric", COLUMN_TEXT, "its name in /metrics", 0 },
	{ "labels", COLUMN_TEXT, "which of its series", 0 },
	{ "value", COLUMN_NUMBER, "now; of a histogram how many it counted", 0 },
	{ "type", COLUMN_TEXT, "counter, gauge, histogram or info", WIDE },
	{ "unit", COLUMN_TEXT, "of the value", WIDE },
	{ "help", COLUMN_TEXT, "what it counts", WIDE },
	{}
};

static const struct command_column mem_columns[] = {
	{ "part", COLUMN_TEXT, "what it is used for", 0 },
	{ "bytes", COLUMN_BYTES, "the parts add up to the resident memory", 0 },
	{ "share", COLUMN_RATIO, "of the resident memory", 0 },
	{ "detail", COLUMN_TEXT, "how it is counted", 0 },
	{}
};

static const struct command_column mem_pools_columns[] = {
	{ "pool", COLUMN_TEXT, "its name", 0 },
	{ "object", COLUMN_BYTES, "of one object, with what it usually owns", 0 },
	{ "in_use", COLUMN_INTEGER, "objects", 0 },
	{ "free", COLUMN_INTEGER, "kept for reuse", 0 },
	{ "max", COLUMN_INTEGER, "in use at one time", 0 },
	{ "bytes", COLUMN_BYTES, "of all that are in use or kept", 0 },
	{ "free_bytes", COLUMN_BYTES, "of those that are kept", WIDE },
	{ "refused", COLUMN_INTEGER, "times that it was full", COUNTER },
	{ "cores", COLUMN_INTEGER, "that have one", WIDE },
	{}
};

static const struct command_column purge_columns[] = {
	{ "before", COLUMN_BYTES, "resident", 0 },
	{ "after", COLUMN_BYTES, "resident", 0 },
	{ "done", COLUMN_BOOL, "false in a dry run", 0 },
	{}
};

static const struct command_argument profile_arguments[] = {
	{ "action", ARGUMENT_TEXT, ARGUMENT_POSITIONAL | ARGUMENT_REQUIRED, "start, stop or dump; diff BEFORE AFTER is mem diff", NULL, NULL },
	{ "file", ARGUMENT_TEXT, ARGUMENT_POSITIONAL | ARGUMENT_LOCAL, "where authctl writes a dump", NULL, NULL },
	{ "for", ARGUMENT_DURATION, 0, "of start: ends by itself after this; at most 24h", NULL, NULL },
	{}
};

static const struct command_column profile_columns[] = {
	{ "on", COLUMN_BOOL, "is it sampling?", 0 },
	{ "left", COLUMN_SECONDS, "until it ends by itself", 0 },
	{ "done", COLUMN_BOOL, "false in a dry run", 0 },
	{}
};

static const struct command_argument mem_diff_arguments[] = {
	{ "before", ARGUMENT_TEXT, ARGUMENT_POSITIONAL | ARGUMENT_REQUIRED | ARGUMENT_LOCAL, "a file of mem profile dump", NULL, NULL },
	{ "after", ARGUMENT_TEXT, ARGUMENT_POSITIONAL | ARGUMENT_REQUIRED | ARGUMENT_LOCAL, "a later one, of the same process", NULL, NULL },
	{}
};

static const struct command_column mem_diff_columns[] = {
	{ "growth", COLUMN_BYTES, "from one to the other, estimated from the samples", 0 },
	{ "objects", COLUMN_INTEGER, "more, or fewer", 0 },
	{ "before", COLUMN_BYTES, "held then", WIDE },
	{ "after", COLUMN_BYTES, "held later", WIDE },
	{ "stack", COLUMN_TEXT, "who asked for it, the nearest first", 0 },
	{}
};

static const struct command_argument prof_cpu_arguments[] = {
	{ "file", ARGUMENT_TEXT, ARGUMENT_POSITIONAL | ARGUMENT_LOCAL, "where authctl writes the folded stacks, for a flame graph", NULL, NULL },
	{ "for", ARGUMENT_DURATION, ARGUMENT_REQUIRED, "it ends by itself after this; 1s..5m", NULL, NULL },
	{ "rate", ARGUMENT_NUMBER, 0, "samples for each second on a processor; 99 unless said, at most 999", NULL, NULL },
	{}
};

static const struct command_column prof_cpu_columns[] = {
	{ "share", COLUMN_RATIO, "of all samples", 0 },
	{ "samples", COLUMN_INTEGER, "taken while a thread was on a processor", 0 },
	{ "thread", COLUMN_TEXT, "what kind: core, hash, store-read...", 0 },
	{ "route", COLUMN_TEXT, "of the request that it handled; none: it did what is not of one", 0 },
	{ "functions", COLUMN_TEXT, "in which the samples were, the three most frequent", 0 },
	{}
};

static const struct command_argument config_show_arguments[] = {
	{ "name", ARGUMENT_TEXT, ARGUMENT_POSITIONAL, "only this option, or this section", NULL, "config.show:option" },
	{ "changed", ARGUMENT_FLAG, 0, "only what differs from its default", NULL, NULL },
	{ "diff", ARGUMENT_NUMBER, 0, "only what differs from this generation", NULL, "config.history:generation" },
	{}
};

static const struct command_column config_columns[] = {
	{ "option", COLUMN_TEXT, "section and key", 0 },
	{ "value", COLUMN_TEXT, "in force", 0 },
	{ "origin", COLUMN_TEXT, "where it was set", 0 },
	{ "pending", COLUMN_TEXT, "value of the file that waits for a restart", 0 },
	{ "default", COLUMN_TEXT, "without a file", WIDE },
	{ "allowed", COLUMN_TEXT, "what may be set", WIDE },
	{ "restart", COLUMN_BOOL, "does a change need one?", WIDE },
	{ "help", COLUMN_TEXT, "what it does", WIDE },
	{}
};

static const struct command_argument config_get_arguments[] = {
	{ "key", ARGUMENT_TEXT, ARGUMENT_POSITIONAL | ARGUMENT_REQUIRED, "section.key", NULL, "config.show:option" },
	{}
};

static const struct command_argument config_check_arguments[] = {
	{ "file", ARGUMENT_TEXT, ARGUMENT_POSITIONAL | ARGUMENT_CONTENT, "read by authctl; else the daemon's own", NULL, NULL },
	{ "name", ARGUMENT_TEXT, 0, "what the errors call the file", NULL, NULL },
	{}
};

static const struct command_column change_columns[] = {
	{ "option", COLUMN_TEXT, "section and key", 0 },
	{ "before", COLUMN_TEXT, "the value in force", 0 },
	{ "after", COLUMN_TEXT, "the value of the file", 0 },
	{ "origin", COLUMN_TEXT, "file and line", 0 },
	{ "effect", COLUMN_TEXT, "now, or needs restart", 0 },
	{}
};

static const struct command_argument config_reload_arguments[] = {
	{ "confirm-within", ARGUMENT_DURATION, 0, "goes back by itself unless it is confirmed", NULL, NULL },
	{}
};

static const struct command_argument config_rollback_arguments[] = {
	{ "generation", ARGUMENT_NUMBER, ARGUMENT_POSITIONAL | ARGUMENT_REQUIRED, "of config history", NULL, "config.history:generation" },
	{ "confirm-within", ARGUMENT_DURATION, 0, "goes back by itself unless it is confirmed", NULL, NULL },
	{}
};

static const struct command_argument config_set_arguments[] = {
	{ "key", ARGUMENT_TEXT, ARGUMENT_POSITIONAL | ARGUMENT_REQUIRED, "section.key", NULL, "config.show:option" },
	{ "value", ARGUMENT_TEXT, ARGUMENT_POSITIONAL | ARGUMENT_REQUIRED, "as in a file", NULL, NULL },
	{ "for", ARGUMENT_DURATION, ARGUMENT_REQUIRED, "ends by itself after this; at most 24h", NULL, NULL },
	{}
};

static const struct command_argument config_unset_arguments[] = {
	{ "key", ARGUMENT_TEXT, ARGUMENT_POSITIONAL | ARGUMENT_REQUIRED, "of a temporary value", NULL, "config.show:option" },
	{}
};

static const struct command_column history_columns[] = {
	{ "generation", COLUMN_INTEGER, "its number", 0 },
	{ "time", COLUMN_TIME, "when it was taken over", 0 },
	{ "uid", COLUMN_USER, "who did it; none: the daemon itself", 0 },
	{ "cause", COLUMN_TEXT, "start, reload or rollback", 0 },
	{ "state", COLUMN_TEXT, "current, unconfirmed or undone", 0 },
	{ "changes", COLUMN_INTEGER, "options that differ from the one before", 0 },
	{}
};

static const struct command_column config_state_columns[] = {
	{ "generation", COLUMN_INTEGER, "in force", 0 },
	{ "left", COLUMN_INTEGER, "seconds until it goes back by itself; none: it stays", 0 },
	{ "overrides", COLUMN_INTEGER, "temporary values in force", 0 },
	{}
};

static const struct command_column generation_columns[] = {
	{ "generation", COLUMN_INTEGER, "in force", 0 },
	{}
};

static const struct command_argument log_level_arguments[] = {
	{ "level", ARGUMENT_TEXT, ARGUMENT_POSITIONAL, "none: show the present one", "debug|info|warn|error", NULL },
	{ "for", ARGUMENT_DURATION, 0, "back by itself after this", NULL, NULL },
	{ "module", ARGUMENT_TEXT, 0, "of its events alone: the first word of their names", NULL, "log.level:module" },
	{}
};

static const struct command_column log_level_columns[] = {
	{ "module", COLUMN_TEXT, "whose events: the first word of their names", 0 },
	{ "level", COLUMN_TEXT, "the least severe records that are kept", 0 },
	{ "until", COLUMN_SECONDS, "it goes back by itself; none: it stays", 0 },
	{}
};

static const struct command_argument log_tail_arguments[] = {
	{ "filter", ARGUMENT_TEXT, 0, "only records that contain this text", NULL, NULL },
	{ "level", ARGUMENT_TEXT, 0, "only records of this severity and above", "debug|info|warn|error", NULL },
	{}
};

static const struct command_column log_columns[] = {
	{ "time", COLUMN_TIME, "of the record", 0 },
	{ "severity", COLUMN_TEXT, "DEBUG, INFO, WARN or ERROR", 0 },
	{ "event", COLUMN_TEXT, "its name", 0 },
	{ "body", COLUMN_TEXT, "a sentence", 0 },
	{ "fields", COLUMN_TEXT, "the rest of the record", 0 },
	{}
};

static const struct command_argument trace_list_arguments[] = {
	{ "slower", ARGUMENT_DURATION, 0, "only those that took longer", NULL, NULL },
	{ "failed", ARGUMENT_FLAG, 0, "only those that failed", NULL, NULL },
	{ "limit", ARGUMENT_NUMBER, 0, "the latest so many (20)", NULL, NULL },
	{}
};

static const struct command_column trace_list_columns[] = {
	{ "trace", COLUMN_TEXT, "its id, as in the log", 0 },
	{ "time", COLUMN_TIME, "when the request began", WIDE },
	{ "route", COLUMN_TEXT, "of the request", 0 },
	{ "took", COLUMN_SECONDS, "all of it", 0 },
	{ "error", COLUMN_TEXT, "why it failed", 0 },
	{ "spans", COLUMN_INTEGER, "steps that are known of it", WIDE },
	{ "sampled", COLUMN_BOOL, "by chance; else because it was slow or failed", WIDE },
	{}
};

static const struct command_argument trace_show_arguments[] = {
	{ "id", ARGUMENT_TEXT, ARGUMENT_POSITIONAL | ARGUMENT_REQUIRED, "of trace list or of the log; its beginning is enough", NULL, "trace.list:trace" },
	{}
};

static const struct command_column trace_show_columns[] = {
	{ "span", COLUMN_TEXT, "the step", 0 },
	{ "bar", COLUMN_TEXT, "when, from the beginning of the request to its end", 0 },
	{ "start", COLUMN_SECONDS, "since the beginning of the request", 0 },
	{ "took", COLUMN_SECONDS, "from its begin to its end", 0 },
	{ "error", COLUMN_TEXT, "why it failed", 0 },
	{ "inside", COLUMN_TEXT, "the step that it is part of", WIDE },
	{ "detail", COLUMN_TEXT, "what else is known of it", WIDE },
	{}
};

static const struct command_argument trace_sample_arguments[] = {
	{ "percent", ARGUMENT_NUMBER, ARGUMENT_POSITIONAL | ARGUMENT_REQUIRED, "of requests that are traced, whatever becomes of them", NULL, NULL },
	{ "for", ARGUMENT_DURATION, ARGUMENT_REQUIRED, "back by itself after this; at most 24h", NULL, NULL },
	{}
};

static const struct command_column trace_sample_columns[] = {
	{ "percent", COLUMN_INTEGER, "of requests that are traced", 0 },
	{ "until", COLUMN_SECONDS, "it goes back by itself", 0 },
	{}
};

static const struct command_column done_columns[] = {
	{ "done", COLUMN_BOOL, "false in a dry run", 0 },
	{}
};

static const struct command_argument drain_arguments[] = {
	{ "timeout", ARGUMENT_DURATION, ARGUMENT_OPTION, "wait so long for requests to end, and tell which have not with exit code 9; else do not wait", NULL, NULL },
	{}
};

static const struct command_argument audit_list_arguments[] = {
	{ "since", ARGUMENT_DURATION, 0, "only the records of the last 10m, 24h, ...", NULL, NULL },
	{ "user", ARGUMENT_NUMBER, 0, "only those of this uid", NULL, NULL },
	{ "command", ARGUMENT_TEXT, 0, "only those of this command", NULL, "meta.commands:command" },
	{ "limit", ARGUMENT_NUMBER, 0, "the latest so many (100)", NULL, NULL },
	{}
};

static const struct command_column audit_columns[] = {
	{ "seq", COLUMN_INTEGER, "its number", 0 },
	{ "time", COLUMN_TIME, "when it was written", 0 },
	{ "uid", COLUMN_USER, "who", 0 },
	{ "login_uid", COLUMN_USER, "who logged in, before sudo", WIDE },
	{ "level", COLUMN_TEXT, "of the connection", WIDE },
	{ "pid", COLUMN_INTEGER, "of the client", WIDE },
	{ "exe", COLUMN_TEXT, "of the client", WIDE },
	{ "command", COLUMN_TEXT, "noun and verb", 0 },
	{ "args", COLUMN_TEXT, "without secrets", 0 },
	{ "dry_run", COLUMN_BOOL, "was it only asked what would happen?", 0 },
	{ "result", COLUMN_TEXT, "how it ended; started: it has not", 0 },
	{ "us", COLUMN_INTEGER, "how long it took", WIDE },
	{ "generation", COLUMN_INTEGER, "of the configuration", WIDE },
	{}
};

static const struct command_column verify_columns[] = {
	{ "ok", COLUMN_BOOL, "is the chain whole?", 0 },
	{ "records", COLUMN_INTEGER, "that were read", 0 },
	{ "first", COLUMN_INTEGER, "number of the oldest", 0 },
	{ "last", COLUMN_INTEGER, "number of the latest", 0 },
	{ "head", COLUMN_TEXT, "hash of the latest: compare it with the log", 0 },
	{ "problem", COLUMN_TEXT, "what is wrong", 0 },
	{}
};

static const struct command_column upgrade_columns[] = {
	{ "step", COLUMN_TEXT, "started, ready, serving; dry run", 0 },
	{ "pid", COLUMN_INTEGER, "of the next daemon", 0 },
	{ "time", COLUMN_SECONDS, "since it was asked for", 0 },
	{ "detail", COLUMN_TEXT, "what has happened", 0 },
	{}
};

static const struct command_argument wait_arguments[] = {
	{ "condition", ARGUMENT_TEXT, ARGUMENT_POSITIONAL | ARGUMENT_REQUIRED | ARGUMENT_REST, "ready, drained, confirmed, generation N, pool NAME idle, breaker NAME STATE, index NAME built", NULL, NULL },
	{}
};

static const struct command_column wait_columns[] = {
	{ "condition", COLUMN_TEXT, "that is met", 0 },
	{ "waited", COLUMN_SECONDS, "for it", 0 },
	{}
};

static const struct command_column report_columns[] = {
	{ "file", COLUMN_TEXT, "in the archive", 0 },
	{ "bytes", COLUMN_BYTES, "its size", 0 },
	{ "about", COLUMN_TEXT, "what is in it", 0 },
	{}
};

static const struct command_argument report_arguments[] = {
	{ "file", ARGUMENT_TEXT, ARGUMENT_POSITIONAL | ARGUMENT_LOCAL, "where authctl writes it (authd-report.tar)", NULL, NULL },
	{}
};

static const struct command_argument level_arguments[] = {
	{ "level", ARGUMENT_TEXT, ARGUMENT_POSITIONAL | ARGUMENT_REQUIRED, "not above the present one", "viewer|operator|admin", NULL },
	{}
};

static const struct command_column level_columns[] = {
	{ "level", COLUMN_TEXT, "of this connection", 0 },
	{}
};

static const struct command_column command_columns[] = {
	{ "command", COLUMN_TEXT, "noun and verb", 0 },
	{ "level", COLUMN_TEXT, "that it needs", 0 },
	{ "schema", COLUMN_TEXT, "of its rows", WIDE },
	{ "arguments", COLUMN_TEXT, "that it takes", 0 },
	{ "changes", COLUMN_BOOL, "does it change anything?", WIDE },
	{ "help", COLUMN_TEXT, "what it does", 0 },
	{}
};

static const struct command_argument schema_arguments[] = {
	{ "command", ARGUMENT_TEXT, ARGUMENT_POSITIONAL | ARGUMENT_REQUIRED | ARGUMENT_REST, "noun and verb", NULL, NULL },
	{}
};

static const struct command_column schema_columns[] = {
	{ "part", COLUMN_TEXT, "argument or field", 0 },
	{ "name", COLUMN_TEXT, "as it is written", 0 },
	{ "type", COLUMN_TEXT, "of its values", 0 },
	{ "unit", COLUMN_TEXT, "of its numbers in JSON", 0 },
	{ "required", COLUMN_BOOL, "of arguments", WIDE },
	{ "secret", COLUMN_BOOL, "never shown or written down", WIDE },
	{ "admin", COLUMN_BOOL, "the command needs the level admin with it", WIDE },
	{ "asks", COLUMN_BOOL, "the command wants confirmation with it", WIDE },
	{ "help", COLUMN_TEXT, "what it is", 0 },
	{}
};

static const struct command_column version_columns[] = {
	{ "version", COLUMN_TEXT, "of authd", 0 },
	{ "proto_min", COLUMN_INTEGER, "oldest protocol spoken", 0 },
	{ "proto_max", COLUMN_INTEGER, "newest protocol spoken", 0 },
	{ "pid", COLUMN_INTEGER, "its process", 0 },
	{}
};

#define V LEVEL_VIEWER
#define O LEVEL_OPERATOR
#define A LEVEL_ADMIN
#define SINGLE COMMAND_SINGLE
#define CHANGE COMMAND_MUTATES
#define PERSONAL COMMAND_PERSONAL

const struct command commands[] = {
	/* name, level, flags, help, schema, arguments, columns */
	{ "status", V, SINGLE, "One screen: load, errors, pools, memory, warnings", "status/2", NULL, status_columns },
	{ "health", V, 0, "Checks with verdicts; exit code 6 when one is bad", "health/1", health_arguments, health_columns },
	{ "doctor", V, 0, "What looks wrong, what it means and what to run next", "doctor/1", NULL, doctor_columns },
	{ "core.list", V, 0, "Load of each core", "core.list/1", NULL, core_columns },
	{ "conn.list", V, 0, "Open connections", "conn.list/2", conn_list_arguments, conn_columns },
	{ "conn.kill", O, SINGLE | CHANGE, "Close one connection", "conn.kill/1", conn_kill_arguments, killed_columns },
	{ "op.list", V, 0, "Requests that wait for the store or for hashing now", "op.list/1", op_list_arguments, op_columns },
	{ "op.kill", O, SINGLE | CHANGE, "End the wait of one request", "op.kill/1", op_kill_arguments, killed_columns },
	{ "pool.list", V, 0, "Bounded pools and queues: use, waiters, refusals", "pool.list/1", NULL, pool_columns },
	{ "pool.show", V, 0, "One pool, on each core; of the store, with its connections", "pool.show/1", pool_show_arguments, pool_show_columns },
	{ "pool.drain", O, SINGLE | CHANGE | COMMAND_ASKS, "Lend no connections of a pool of the store for a while: calls are refused as by an open breaker", "pool.drain/1", pool_drain_arguments, pool_drain_columns },
	{ "pool.resume", O, SINGLE | CHANGE, "Lend them again", "pool.drain/1", pool_show_arguments, pool_drain_columns },
	{ "pool.resize", O, SINGLE | CHANGE, "More or fewer connections to the store's servers for a while", "pool.resize/1", pool_resize_arguments, pool_resize_columns },
	{ "db.ping", V, 0, "Ask each server of the store; exit code 6 when one does not answer", "db.ping/1", NULL, db_ping_columns },
	{ "db.topology", V, 0, "Servers of the store: role, round trip, how far behind", "db.topology/1", NULL, db_topology_columns },
	{ "db.explain", O, 0, "How the store runs our statements; exit code 6 when one reads all there is", "db.explain/1", db_explain_arguments, db_explain_columns },
	{ "index.list", V, 0, "Indexes of the store, ours and others", "index.list/1", NULL, index_list_columns },
	{ "index.check", V, 0, "Are the indexes there that we need? exit code 6 when one is not", "index.check/1", NULL, index_check_columns },
	{ "index.create", A, CHANGE | COMMAND_WAITS, "Build an index that is missing, and show how far it is", "index.create/1", index_create_arguments, index_create_columns },
	{ "index.drop", A, SINGLE | CHANGE | COMMAND_ASKS_NAME, "Drop an index; not one that keeps something unique", "index.drop/1", index_drop_arguments, index_drop_columns },
	{ "adopt.check", O, PERSONAL | COMMAND_WAITS, "What an application's accounts are to authd; exit code 6 for problems", "adopt.check/1", NULL, adopt_columns },
	{ "cache.list", V, 0, "Caches of each core: entries, hits, evictions", "cache.list/1", NULL, cache_columns },
	{ "cache.show", V, 0, "One cache, on each core", "cache.show/1", cache_show_arguments, cache_columns },
	{ "cache.flush", O, SINGLE | CHANGE | COMMAND_ASKS, "Empty a cache, or what it holds of one id", "cache.flush/1", cache_flush_arguments, cache_flush_columns },
	{ "breaker.list", V, 0, "Circuit breakers: state, failures, next try", "breaker.list/1", NULL, breaker_columns },
	{ "breaker.show", V, SINGLE, "One breaker and its history", "breaker.show/1", breaker_arguments, breaker_columns },
	{ "breaker.open", O, SINGLE | CHANGE | COMMAND_ASKS, "Refuse all calls for a while", "breaker.open/1", breaker_force_arguments, breaker_columns },
	{ "breaker.close", O, SINGLE | CHANGE | COMMAND_ASKS, "Let all calls pass for a while", "breaker.close/1", breaker_force_arguments, breaker_columns },
	{ "breaker.auto", O, SINGLE | CHANGE, "End a force", "breaker.auto/1", breaker_arguments, breaker_columns },
	{ "admission.show", V, SINGLE, "Costly requests: in progress, waiting time, refused", "admission.show/1", NULL, admission_columns },
	{ "limit.list", V, 0, "Rate limits: what they allow and how often they refused", "limit.list/1", NULL, limit_columns },
	{ "limit.top", V, 0, "Who is refused most", "limit.top/1", limit_top_arguments, offender_columns },
	{ "limit.clear", O, SINGLE | CHANGE, "Forget what somebody used of the limits", "limit.clear/1", limit_clear_arguments, limit_clear_columns },
	{ "user.show", V, SINGLE | PERSONAL, "One account", "user.show/1", user_arguments, user_columns },
	{ "user.list", V, PERSONAL, "Accounts, a page at a time", "user.list/1", user_list_arguments, user_list_columns },
	{ "user.create", A, SINGLE | CHANGE | PERSONAL, "Make an account", "user.create/1", user_create_arguments, user_columns },
	{ "user.reset-password", A, SINGLE | CHANGE | PERSONAL, "Give an account another password, or let its owner; ends its sessions", "user.reset-password/1", user_reset_arguments, user_reset_columns },
	{ "user.sessions", O, PERSONAL, "Sessions of an account that live: session list --user", "session.list/1", user_arguments, session_columns },
	{ "user.lock", O, SINGLE | CHANGE | PERSONAL, "Suspend an account: nobody logs in, its tokens are refused", "user.lock/1", user_arguments, user_columns },
	{ "user.unlock", O, SINGLE | CHANGE | PERSONAL, "End the suspension of an account", "user.unlock/1", user_arguments, user_columns },
	{ "user.delete", A, SINGLE | CHANGE | PERSONAL | COMMAND_ASKS_NAME, "Remove an account with its sessions", "user.delete/1", user_arguments, user_columns },
	{ "session.list", O, PERSONAL, "Sessions of an account that live", "session.list/1", session_list_arguments, session_columns },
	{ "session.revoke", O, SINGLE | CHANGE, "End one session, all of an account, or all there are, on every core", "session.revoke/1", session_revoke_arguments, session_revoke_columns },
	{ "key.list", V, 0, "Keys that tokens are signed with and verified by", "key.list/1", NULL, key_columns },
	{ "tls.list", V, 0, "Certificates and revocation lists in force: names, when they end, how often they were shown", "tls.list/1", NULL, tls_columns },
	{ "tls.reload", O, CHANGE, "Read the files of [tls] again: certificates, revocation lists, ticket keys; wrong ones change nothing", "tls.reload/1", NULL, tls_columns },
	{ "route.list", V, 0, "Routes: requests, errors, times", "route.list/1", NULL, route_columns },
	{ "latency.show", V, 0, "How long requests took, and where the time went", "latency.show/1", latency_arguments, latency_columns },
	{ "latency.hist", V, 0, "The same as a histogram", "latency.hist/1", latency_hist_arguments, latency_hist_columns },
	{ "latency.reset", O, SINGLE | CHANGE, "Forget the times so far", "latency.reset/1", NULL, done_columns },
	{ "metrics.list", V, 0, "The numbers of /metrics", "metrics.list/1", metrics_arguments, metrics_columns },
	{ "key.rotate", A, SINGLE | CHANGE, "Publish another signing key now; it signs six minutes later", "key.rotate/1", NULL, done_columns },
	{ "mem.show", V, 0, "Resident memory by use; the parts add up", "mem.show/1", NULL, mem_columns },
	{ "mem.pools", V, 0, "Pools of small objects, of all cores together: size, use, what is kept free", "mem.pools/1", NULL, mem_pools_columns },
	{ "mem.doctor", V, 0, "What is wrong with memory, what it means and what to run next; exit code 6 when something is", "mem.doctor/1", NULL, doctor_columns },
	{ "mem.purge", O, SINGLE | CHANGE, "Give free memory back to the system", "mem.purge/1", NULL, purge_columns },
	{ "mem.profile", O, SINGLE | CHANGE, "Sample what the heap is used for (jemalloc), or write it to a file", "mem.profile/1", profile_arguments, profile_columns },
	{ "mem.diff", V, COMMAND_LOCAL, "What has grown between two dumps of mem profile; authctl does this alone", "mem.diff/1", mem_diff_arguments, mem_diff_columns },
	{ "prof.cpu", O, CHANGE | COMMAND_WAITS | COMMAND_OFFERS, "Where processors' time goes, by route and function; stacks for a flame graph", "prof.cpu/1", prof_cpu_arguments, prof_cpu_columns },
	{ "config.show", V, 0, "Every option: value, origin, what waits for a restart", "config.show/1", config_show_arguments, config_columns },
	{ "config.get", V, SINGLE, "One option", "config.get/1", config_get_arguments, config_columns },
	{ "config.state", V, SINGLE, "Which generation, and does it stay?", "config.state/1", NULL, config_state_columns },
	{ "config.check", V, 0, "Check a file as the daemon would; nothing is applied", "config.check/1", config_check_arguments, change_columns },
	{ "config.reload", O, CHANGE | COMMAND_SELF, "Read the file again and apply it", "config.reload/1", config_reload_arguments, change_columns },
	{ "config.confirm", O, SINGLE | CHANGE, "Keep what waits for confirmation", "config.confirm/1", NULL, generation_columns },
	{ "config.undo", O, SINGLE | CHANGE, "Back to the generation before", "config.undo/1", NULL, generation_columns },
	{ "config.history", V, 0, "Generations: when, who, why", "config.history/1", NULL, history_columns },
	{ "config.rollback", A, CHANGE, "Take over an earlier generation again", "config.rollback/1", config_rollback_arguments, change_columns },
	{ "config.set", A, SINGLE | CHANGE, "Another value for a while", "config.set/1", config_set_arguments, config_columns },
	{ "config.unset", A, SINGLE | CHANGE, "End a temporary value now", "config.unset/1", config_unset_arguments, config_columns },
	{ "log.tail", O, COMMAND_STREAM | PERSONAL, "Log records as they come", "log.tail/1", log_tail_arguments, log_columns },
	{ "log.level", O, CHANGE, "Show or change the least severe level that is kept", "log.level/1", log_level_arguments, log_level_columns },
	{ "log.reopen", O, SINGLE | CHANGE, "Open the log and audit files again, after rotation", "log.reopen/1", NULL, done_columns },
	{ "trace.list", O, 0, "The last requests that were traced; slow and failed ones are kept longer", "trace.list/1", trace_list_arguments, trace_list_columns },
	{ "trace.show", O, 0, "Where the time of one request went", "trace.show/1", trace_show_arguments, trace_show_columns },
	{ "trace.sample", O, SINGLE | CHANGE, "Trace so many requests for a while", "trace.sample/1", trace_sample_arguments, trace_sample_columns },
	{ "audit.list", O, PERSONAL, "Who ran what", "audit.list/1", audit_list_arguments, audit_columns },
	{ "audit.verify", O, SINGLE, "Follow the hashes of the audit file; exit code 6 when they break", "audit.verify/1", NULL, verify_columns },
	{ "drain", O, SINGLE | CHANGE | COMMAND_ASKS, "Take no more connections, finish what runs", "drain/1", drain_arguments, done_columns },
	{ "upgrade", A, CHANGE | COMMAND_WAITS, "Start the program anew, as it is on the disk now, and hand over to it without losing a request", "upgrade/1", NULL, upgrade_columns },
	{ "shutdown", A, SINGLE | CHANGE | COMMAND_ASKS, "Drain and end the process", "shutdown/1", NULL, done_columns },
	{ "wait", V, SINGLE | COMMAND_WAITS | COMMAND_RETRIES, "Wait until something is so, also for authd to start; exit code 9 when it takes too long", "wait/1", wait_arguments, wait_columns },
	{ "report", V, 0, "A bundle for support: what the daemon knows of itself, no secrets", "report/1", report_arguments, report_columns },
	{ "meta.commands", V, 0, "Every command", "meta.commands/1", NULL, command_columns },
	{ "meta.schema", V, 0, "Arguments and fields of a command, with types and units", "meta.schema/1", schema_arguments, schema_columns },
	{ "meta.version", V, SINGLE, "Version of the daemon and its protocol", "meta.version/1", NULL, version_columns },
	{ "meta.level", V, SINGLE, "Lower the level of this connection for good", "meta.level/1", level_arguments, level_columns },
};
/* clang-format on */
const unsigned command_count = ARRAY_SIZE(commands);

const struct command *command_find(struct str name)
{
	for (unsigned i = 0; i < command_count; i++)
		if (str_equal(name, str_cstr(commands[i].name)))
			return &commands[i];
	return NULL;
}

const char *command_warning(const struct command *command)
{
	if (!strcmp(command->name, "index.drop"))
		return "Only indexes of ours come back: authctl index create NAME";
	return "It cannot be undone";
}

const struct command_argument *command_argument_find(const struct command *command, struct str name)
{
	for (const struct command_argument *a = command->arguments; a && a->name; a++)
		if (str_equal(name, str_cstr(a->name)))
			return a;
	return NULL;
}

bool command_choice_is_good(const char *choices, struct str text)
{
	struct str rest = str_cstr(choices), choice;

	if (!choices)
		return true;
	while (str_split(&rest, '|', &choice))
		if (str_equal(choice, text))
			return true;
	return false;
}

static const char *const level_names[] = { "none", "viewer", "operator", "admin" };

const char *command_level_name(enum command_level level)
{
	return level_names[level];
}

int command_level_parse(struct str name, enum command_level *ret_level)
{
	for (enum command_level level = LEVEL_NONE; level <= LEVEL_ADMIN; level++)
		if (str_equal(name, str_cstr(level_names[level]))) {
			*ret_level = level;
			return 0;
		}
	return -EINVAL;
}

static const struct {
	const char *name, *unit;
} column_types[] = {
	[COLUMN_TEXT] = { "text", "" },
	[COLUMN_INTEGER] = { "integer", "" },
	[COLUMN_NUMBER] = { "number", "" },
	[COLUMN_BYTES] = { "integer", "bytes" },
	[COLUMN_SECONDS] = { "number", "seconds" },
	[COLUMN_RATIO] = { "number", "0..1" },
	[COLUMN_TIME] = { "text", "RFC 3339 UTC" },
	[COLUMN_BOOL] = { "boolean", "" },
	[COLUMN_USER] = { "integer", "uid" },
};

const char *column_type_name(enum column_type type)
{
	return column_types[type].name;
}

const char *column_type_unit(enum column_type type)
{
	return column_types[type].unit;
}

const char *argument_type_name(enum argument_type type)
{
	static const char *const names[] = { "text", "number", "duration such as 30s or 10m",
		"flag" };

	return names[type];
}
