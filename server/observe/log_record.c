/* Records in memory: see log_record.h. */
#include "observe/log_record.h"

#include <assert.h>
#include <string.h>

#include "shared/macros.h"

struct packed_field {
	const char *key;
	int64_t number;
	uint32_t type, text_bytes;
};

/* A sentence; whatever it is, there is room for fields behind it. */
#define BODY_BYTES_MAX (LOG_RECORD_BYTES_MAX / 4)
#define PADDED(bytes) (((bytes) + 7) & ~(size_t)7)

/* Appends text, as much of it as there is room for, and returns how much that was. */
static uint32_t text_add(union log_space *space, struct str text)
{
	struct log_record *record = &space->record;
	size_t room = sizeof(space->bytes) - record->bytes, len = MIN(text.len, room);

	if (len)
		memcpy(space->bytes + record->bytes, text.data, len);
	record->bytes += (uint32_t)PADDED(len);
	return (uint32_t)len;
}

void log_record_fill(union log_space *space, struct str body, const struct log_field *fields,
	size_t fields_count)
{
	struct log_record *record = &space->record;

	static_assert(sizeof(union log_space) % 8 == 0, "a padded text never passes the end");
	assert(fields_count <= LOG_FIELDS_MAX);
	record->bytes = offsetof(struct log_record, data);
	record->fields = 0;
	record->body_bytes = text_add(space, str_of(body.data, MIN(body.len, BODY_BYTES_MAX)));
	for (size_t i = 0; i < fields_count; i++) {
		struct packed_field *packed = (void *)(space->bytes + record->bytes);

		if (sizeof(space->bytes) - record->bytes < sizeof(*packed))
			return;
		*packed = (struct packed_field){
			.key = fields[i].key, .number = fields[i].number, .type = fields[i].type
		};
		record->bytes += sizeof(*packed);
		record->fields++;
		if (fields[i].type == LOG_IS_TEXT)
			packed->text_bytes = text_add(space, fields[i].text);
	}
}

struct str log_record_body(const struct log_record *record)
{
	return str_of(record->data, record->body_bytes);
}

bool log_record_next(const struct log_record *record, size_t *at, struct log_field *ret_field)
{
	const struct packed_field *packed;

	if (!*at)
		*at = offsetof(struct log_record, data) + PADDED(record->body_bytes);
	if (*at >= record->bytes)
		return false;
	packed = (const void *)((const char *)record + *at);
	*ret_field = (struct log_field){
		.key = packed->key,
		.text = str_of((const char *)(packed + 1), packed->text_bytes),
		.number = packed->number,
		.type = (enum log_type)packed->type,
	};
	*at += sizeof(*packed) + PADDED(packed->text_bytes);
	return true;
}
