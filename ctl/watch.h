/* One command again and again: on a terminal redrawn with what has changed, else NDJSON. */
#pragma once

struct invocation;
struct session;
struct settings;

/* Until it is interrupted or fails: an exit code. */
int watch_run(struct session *session, const struct settings *settings,
	const struct invocation *invocation);
