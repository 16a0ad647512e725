/*
 * Running one command line: which command, confirmed, on a connection that is kept or made for it,
 * printed as wished. One-shot, batch, shell and watch all come here.
 */
#pragma once

#include "ctl/client.h"
#include "ctl/grammar.h"
#include "ctl/settings.h"

struct session {
	struct settings settings; /* for every command; each may add its own */
	struct client client;     /* open between commands when is_kept */
	bool is_kept, is_shell;
	char boot[64];       /* of the daemon that was spoken to last */
	const char *news;    /* of the connection, for people; NULL: none */
	char redacted[1024]; /* the last command, without secrets: for the history */
};

void session_init(struct session *session, const struct settings *settings);
void session_deinit(struct session *session);

/*
 * Connects unless it is connected, and says so when the daemon is another one than before. An exit
 * code.
 */
int session_connect(struct session *session, const struct settings *settings);

/* In a shell: says that the daemon is another one than before, once. */
void session_news(struct session *session);

/* A line of words, authctl's own options among them; they are moved. line: of a batch, 0 none. */
int session_run(struct session *session, int count, char **words, unsigned line);

/* One command whose answer goes to a sink; nothing is printed. An exit code. */
int session_ask(struct session *session, const char *command, const char *args, uint64_t timeout_ms,
	const struct client_sink *sink);
