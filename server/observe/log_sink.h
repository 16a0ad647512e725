/* Where lines end up: a file that may be rotated, standard error, or the journal. Private to the
 * log. */
#pragma once

#include "observe/log.h"

enum log_sink_kind { LOG_SINK_JSON, LOG_SINK_TEXT, LOG_SINK_JOURNAL };

/* Opens it: 0 or -errno. */
int log_sink_open(const struct log_options *options);
void log_sink_close(void);

/* Any thread. */
int log_sink_reopen(void);

enum log_sink_kind log_sink_kind(void);

/* The writer: whole lines, or one datagram. False: it could not be written, and is lost. */
bool log_sink_write(struct str lines);
