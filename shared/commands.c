/* The table of commands: see commands.h. */
#include "shared/commands.h"

#include "shared/macros.h"

/* clang-format off */
static const struct command_column status_columns[] = {
	{ "state", COLUMN_TEXT, false, "READY or DRAINING" },
	{ "version", COLUMN_TEXT, false, "of authd" },
	{ "pid", COLUMN_INTEGER, false, "its process" },
	{ "up", COLUMN_SECONDS, false, "since its start" },
	{ "engine", COLUMN_TEXT, false, "what the loops run on" },
	{ "receive", COLUMN_TEXT, false, "multishot or oneshot" },
	{ "requests_per_second", COLUMN_INTEGER, false, "in the last second" },
	{ "requests", COLUMN_INTEGER, false, "since the start" },
	{ "errors", COLUMN_INTEGER, false, "answers of 500 and above" },
	{ "connections", COLUMN_INTEGER, false, "open now" },
	{ "cores", COLUMN_INTEGER, false, "threads that serve" },
	{ "cores_answering", COLUMN_INTEGER, false, "of them, within a second" },
	{ "busiest_core", COLUMN_INTEGER, true, "its number" },
	{ "busiest", COLUMN_RATIO, false, "share of time that it works" },
	{ "turn_max", COLUMN_SECONDS, false, "the longest pass of a loop" },
	{ "pools", COLUMN_TEXT, false, "queues of the store and of hashing" },
	{ "store", COLUMN_TEXT, false, "up or DOWN" },
	{ "store_latency", COLUMN_SECONDS, false, "of the last probe" },
	{ "store_failures", COLUMN_INTEGER, true, "calls that failed" },
	{ "memory", COLUMN_BYTES, false, "resident" },
	{ "config", COLUMN_TEXT, false, "file in use" },
	{ "warnings", COLUMN_TEXT, false, "what to look at, and how" },
	{}
};

static const struct command_column health_columns[] = {
	{ "check", COLUMN_TEXT, false, "what was looked at" },
	{ "ok", COLUMN_BOOL, false, "is it well?" },
	{ "detail", COLUMN_TEXT, false, "what was found" },
	{}
};

static const struct command_column core_columns[] = {
	{ "core", COLUMN_INTEGER, false, "its number" },
	{ "answers", COLUMN_BOOL, false, "within a second" },
	{ "busy", COLUMN_RATIO, false, "share of the last second" },
	{ "turns", COLUMN_INTEGER, false, "passes of its loop" },
	{ "turn_max", COLUMN_SECONDS, false, "the longest" },
	{ "completions", COLUMN_INTEGER, false, "operations handled" },
	{ "messages", COLUMN_INTEGER, true, "from other threads" },
	{ "fibers", COLUMN_INTEGER, false, "requests in progress" },
	{}
};

static const struct command_argument conn_arguments[] = {
	{ "state", COLUMN_TEXT, false, false, false, "only those: idle, receiving, handling, sending, closing" },
	{ "core", COLUMN_INTEGER, false, false, false, "only those of one core" },
	{}
};

static const struct command_column conn_columns[] = {
	{ "id", COLUMN_INTEGER, false, "unique in this process" },
	{ "core", COLUMN_INTEGER, false, "that serves it" },
	{ "peer", COLUMN_TEXT, false, "address and port of the client" },
	{ "state", COLUMN_TEXT, false, "what it does now" },
	{ "age", COLUMN_SECONDS, false, "since it was accepted" },
	{ "idle", COLUMN_SECONDS, false, "since the last byte either way" },
	{ "requests", COLUMN_INTEGER, false, "so far" },
	{ "received", COLUMN_BYTES, false, "from the client" },
	{ "sent", COLUMN_BYTES, false, "to the client" },
	{}
};

static const struct command_column pool_columns[] = {
	{ "pool", COLUMN_TEXT, false, "its name" },
	{ "core", COLUMN_INTEGER, false, "its owner; none for queues of threads" },
	{ "in_use", COLUMN_INTEGER, false, "objects, or jobs running" },
	{ "idle", COLUMN_INTEGER, false, "kept for reuse" },
	{ "max", COLUMN_INTEGER, false, "in use, or waiting for queues" },
	{ "waiting", COLUMN_INTEGER, false, "jobs in the queue" },
	{ "refused", COLUMN_INTEGER, false, "times that it was full" },
	{ "bytes", COLUMN_BYTES, true, "of its objects" },
	{}
};

static const struct command_column command_columns[] = {
	{ "command", COLUMN_TEXT, false, "noun and verb" },
	{ "level", COLUMN_TEXT, false, "that it needs" },
	{ "schema", COLUMN_TEXT, true, "of its rows" },
	{ "arguments", COLUMN_TEXT, false, "that it takes" },
	{ "help", COLUMN_TEXT, false, "what it does" },
	{}
};

static const struct command_column version_columns[] = {
	{ "version", COLUMN_TEXT, false, "of authd" },
	{ "proto_min", COLUMN_INTEGER, false, "oldest protocol spoken" },
	{ "proto_max", COLUMN_INTEGER, false, "newest protocol spoken" },
	{ "pid", COLUMN_INTEGER, false, "its process" },
	{}
};

const struct command commands[] = {
	{ "status", LEVEL_VIEWER, true, "one screen: version, load, errors, pools, warnings", "status/1", NULL, status_columns },
	{ "health", LEVEL_VIEWER, false, "checks with verdicts", "health/1", NULL, health_columns },
	{ "core.list", LEVEL_VIEWER, false, "load of each core", "core.list/1", NULL, core_columns },
	{ "conn.list", LEVEL_VIEWER, false, "open connections", "conn.list/1", conn_arguments, conn_columns },
	{ "pool.list", LEVEL_VIEWER, false, "bounded pools and queues: use, waiters, refusals", "pool.list/1", NULL, pool_columns },
	{ "meta.commands", LEVEL_VIEWER, false, "every command", "meta.commands/1", NULL, command_columns },
	{ "meta.version", LEVEL_VIEWER, true, "version of the daemon and its protocol", "meta.version/1", NULL, version_columns },
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

const char *command_level_name(enum command_level level)
{
	static const char *const names[] = { "none", "viewer", "operator", "admin" };

	return names[level];
}
