/* Records as lines: JSON for machines, text for people, fields for the journal. Private to the log.
 */
#pragma once

#include "observe/log_record.h"

/* Each appends one whole record, or nothing and false: more than LOG_RECORD_BYTES_MAX. */
bool log_print_json(struct buf *out, const struct log_record *record, const char *instance);
bool log_print_text(struct buf *out, const struct log_record *record);

/* A datagram of systemd's native protocol. */
bool log_print_journal(struct buf *out, const struct log_record *record, const char *instance);
