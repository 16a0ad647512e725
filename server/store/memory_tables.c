/* The tables of the store in memory: see memory_tables.h. */
#include "store/memory_tables.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "shared/macros.h"
#include "shared/secret.h"

struct change {
	struct change *previous;
	struct table *table;
	uint32_t row, count; /* of the table, before */
	char before[];
};

struct tables tables = {
	.lock = PTHREAD_RWLOCK_INITIALIZER,
	.accounts = { .row_bytes = sizeof(struct account), .rows_max = 10000 }, /* 20 MB */
	.sessions = { .row_bytes = sizeof(struct session), .rows_max = 20000 }, /* 12 MB */
	.tokens = { .row_bytes = sizeof(struct token), .rows_max = 40000 },
	/* Trimmed to strangers_max by the sweep: room for what comes in between. */
	.strangers = { .row_bytes = sizeof(struct stranger), .rows_max = 2 * STORE_STRANGERS_MAX },
	.keys = { .row_bytes = sizeof(struct store_key), .rows_max = STORE_KEYS_MAX },
	.tickets = { .row_bytes = sizeof(struct ticket), .rows_max = 20000 },
	.mails = { .row_bytes = sizeof(struct mail), .rows_max = STORE_MAILS_MAX },
};

void *row_at(const struct table *table, uint32_t row)
{
	assert(row < table->count);
	return table->rows + row * table->row_bytes;
}

/* Remembers a row before it changes; -ENOMEM. */
static int change_note(struct table *table, uint32_t row)
{
	struct change *change = malloc(sizeof(*change) + table->row_bytes);

	if (!change)
		return -ENOMEM;
	*change = (struct change){
		.previous = tables.changes, .table = table, .row = row, .count = table->count
	};
	memcpy(change->before, table->rows + row * table->row_bytes, table->row_bytes);
	tables.changes = change;
	return 0;
}

void changes_drop(const struct change *until, bool is_undone)
{
	while (tables.changes != until) {
		struct change *change = tables.changes;
		struct table *table = change->table;

		if (is_undone) {
			memcpy(table->rows + change->row * table->row_bytes, change->before,
				table->row_bytes);
			table->count = change->count;
		}
		tables.changes = change->previous;
		secret_wipe(change->before, table->row_bytes);
		free(change);
	}
}

static int table_grow(struct table *table)
{
	uint32_t allocated = MIN(MAX(table->allocated * 2, 16u), table->rows_max);
	char *rows;

	if (table->count < table->allocated)
		return 0;
	if (table->count == table->rows_max)
		return -ENOSPC;
	rows = calloc(allocated, table->row_bytes);
	if (!rows)
		return -ENOMEM;
	if (table->rows)
		memcpy(rows, table->rows, table->count * table->row_bytes);
	free(table->rows);
	table->rows = rows;
	table->allocated = allocated;
	return 0;
}

int row_insert(struct table *table, const void *row)
{
	int r = table_grow(table);

	if (r == 0)
		r = change_note(table, table->count);
	if (r < 0)
		return r;
	memcpy(table->rows + table->count * table->row_bytes, row, table->row_bytes);
	table->count++;
	return 0;
}

int row_update(struct table *table, uint32_t row, const void *value)
{
	int r = change_note(table, row);

	if (r == 0)
		memcpy(row_at(table, row), value, table->row_bytes);
	return r;
}

int row_delete(struct table *table, uint32_t row)
{
	int r = change_note(table, row);

	if (r < 0)
		return r;
	memmove(row_at(table, row), row_at(table, table->count - 1), table->row_bytes);
	table->count--;
	return 0;
}

static void table_clear(struct table *table)
{
	secret_wipe(table->rows, table->allocated * table->row_bytes);
	free(TAKE(table->rows));
	table->count = table->allocated = 0;
}

void tables_clear(void)
{
	assert(!tables.changes);
	table_clear(&tables.accounts);
	table_clear(&tables.sessions);
	table_clear(&tables.tokens);
	table_clear(&tables.strangers);
	table_clear(&tables.keys);
	table_clear(&tables.tickets);
	table_clear(&tables.mails);
}
