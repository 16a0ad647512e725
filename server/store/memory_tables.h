/*
 * Inside the store in memory: its tables, and the undoing of what a transaction or a call has
 * changed. Rows have no order; one that goes is replaced by the last. All of it under tables.lock.
 */
#pragma once

#include "store/store_backend.h"

#define SWEEP_ROWS 1000

struct stranger {
	char key[STORE_EMAIL_BYTES_MAX + 1];
	struct login_attempts attempts;
	int64_t seen_ms;
};

struct token {
	uint8_t hash[STORE_DIGEST_BYTES];
	char session_id[STORE_ID_BYTES_MAX + 1];
	int64_t created_ms, used_ms;
};

struct table {
	size_t row_bytes;
	uint32_t rows_max;
	uint32_t count, allocated;
	char *rows;
};

/* How a row was before it changed. */
struct change;

struct tables {
	/* Guards all that follows; the lock of faults.c may follow. */
	pthread_rwlock_t lock;
	struct table accounts, sessions, tokens, strangers, keys, tickets, mails;
	struct change *changes; /* of the present transaction, newest first */
	struct change *saved;   /* what was newest when the present call began */
	unsigned strangers_max, connections;
};
extern struct tables tables;

#define ROWS_EACH(table, row) for (uint32_t row = 0; row < (table)->count; row++)

/* Valid until the table changes. */
void *row_at(const struct table *table, uint32_t row);

/* 0, -ENOMEM; row_insert also -ENOSPC when the table is full. */
int row_insert(struct table *table, const void *row);
int row_update(struct table *table, uint32_t row, const void *value);
int row_delete(struct table *table, uint32_t row);

/* Undoes, or only forgets, the changes that are newer than `until`. */
void changes_drop(const struct change *until, bool is_undone);

/* Forgets all that the tables hold. */
void tables_clear(void);

/* The row of an account, -1 when there is none; and what goes with it: memory_calls.c. */
int64_t memory_account_row(const char *id);
int64_t memory_account_row_by_key(const char *key);
/* Ends the sessions of an account but this one ("": all of them): how many. */
int memory_sessions_end(const char *account_id, const char *kept_id);
int memory_stranger_forget(const char *key);
int memory_session_delete(const char *id); /* 1, or 0 when there is none */

/* memory_mails.c */
int memory_tickets_delete(const char *account_id, enum ticket_purpose purpose);

/* memory_admin.c */
int memory_sessions_list(struct store_call *call);
int memory_sessions_end_some(struct store_call *call);
int memory_accounts_list(struct store_call *call);
int memory_accounts_prefix(struct store_call *call);
uint64_t memory_sessions_alive(int64_t now_ms);
int memory_account_change(struct store_call *call);
int memory_account_delete(struct store_call *call);

/* Does one call, or a part of the sweep: memory_calls.c; what is about mails in memory_mails.c. */
int memory_call(struct store_call *call);
int memory_sweep_part(int64_t now_ms);

typedef int memory_op(struct store_call *call);
memory_op memory_password_change, memory_ticket_put, memory_ticket_find, memory_ticket_use;
memory_op memory_mail_put, memory_mails_view, memory_mail_take, memory_mail_done, memory_mail_later;

/* Removes one ticket that has expired: 1, or 0 when there is none. */
int memory_ticket_sweep(int64_t now_ms);
