/*
 * A password for a command that wants one. It never stands among words, where ps and the history
 * would show it: it is read from a file or a descriptor (--secret-file, --secret-fd), or typed
 * twice without echo on a terminal.
 */
#pragma once

#include "ctl/grammar.h"
#include "ctl/settings.h"

/* A line: a password has 256 characters at most. */
#define SECRET_BYTES_MAX 4096

/*
 * Puts it into the invocation's arguments, unless its command wants none, or not with those that
 * were given. An exit code, and a sentence on standard error.
 */
int secret_add(const struct settings *settings, struct invocation *invocation);
