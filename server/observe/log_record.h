/*
 * A record on its way from who logs to who writes: a head, the body, the fields, one behind the
 * other. Keys and the event are static text, so only their addresses travel. Text for machines and
 * people is made of it by the writer (log_print.h), not by the core that logs.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/span.h"
#include "observe/log.h"

#define LOG_NO_CORE UINT16_MAX

struct log_record {
	uint32_t bytes; /* with this head; a multiple of 8 */
	uint16_t core;  /* LOG_NO_CORE: another thread */
	uint8_t level, fields;
	int64_t wall_ns;
	const char *event;
	uint64_t generation, suppressed;
	struct span_ids ids; /* of the request that was being served; zero: none was traced */
	uint32_t body_bytes;
	_Alignas(8) char data[]; /* the body, padded to 8; then each field and its padded text */
};

/* Room for a record with what follows its head. */
union log_space {
	struct log_record record;
	char bytes[LOG_RECORD_BYTES_MAX];
};

/* Fills the rest of a record whose head is filled up to its fields. Texts that do not fit are cut.
 */
void log_record_fill(union log_space *space, struct str body, const struct log_field *fields,
	size_t fields_count);

struct str log_record_body(const struct log_record *record);

/* Walks over the fields: *at is 0 at first. False when there are no more. */
bool log_record_next(const struct log_record *record, size_t *at, struct log_field *ret_field);
