/*
 * Between store.c, which queues calls and owns the threads, and a backend, which runs them on a
 * connection. Every call is one row of enum store_op; what goes in and comes out is copied in
 * struct store_call, because the asking fiber may leave before the call has run.
 */
#pragma once

#include "core/job.h"
#include "store/mails.h"
#include "store/store.h"
#include "store/upkeep.h"

enum store_op {
	OP_ACCOUNT_CREATE,
	OP_ACCOUNT_FIND,
	OP_ACCOUNT_GET,
	OP_ACCOUNT_RENAME,
	OP_LOGIN_FAIL,
	OP_LOGIN,
	OP_SESSION_FIND,
	OP_SESSION_END,
	OP_SESSION_END_BY_REFRESH,
	OP_SESSIONS_END,
	OP_SESSIONS_END_SOME,
	OP_REFRESH,
	OP_REFRESH_LOOK,
	OP_SESSIONS_LIST,
	OP_ACCOUNTS_LIST,
	OP_ACCOUNTS_PREFIX,
	OP_ACCOUNT_CHANGE,
	OP_ACCOUNT_DELETE,
	OP_PASSWORD_CHANGE,
	OP_TICKET_PUT,
	OP_TICKET_FIND,
	OP_TICKET_USE,
	OP_MAIL_PUT,
	OP_MAILS_VIEW,
	OP_MAIL_TAKE,
	OP_MAIL_DONE,
	OP_MAIL_LATER,
	STORE_OPS
};

/* Does this kind of call change anything? */
static inline bool store_op_writes(enum store_op op)
{
	return op != OP_ACCOUNT_FIND && op != OP_ACCOUNT_GET && op != OP_SESSION_FIND &&
	       op != OP_REFRESH_LOOK && op != OP_SESSIONS_LIST && op != OP_ACCOUNTS_LIST &&
	       op != OP_ACCOUNTS_PREFIX && op != OP_TICKET_FIND && op != OP_MAILS_VIEW;
}

struct store_call {
	struct job job; /* its result is the call's */
	enum store_op op;
	/* In; which of them depends on the call. */
	char key[STORE_EMAIL_BYTES_MAX + 1]; /* an email key or an id */
	char name[STORE_NAME_BYTES_MAX + 1];
	char hash[STORE_HASH_BYTES_MAX + 1], new_hash[STORE_HASH_BYTES_MAX + 1];
	int64_t now_ms;
	struct lockout_policy policy;
	struct session_new session_new;
	struct refresh_request refresh;
	/* In or out. */
	struct account account;
	struct ticket ticket;
	struct mail mail;
	/* Out. */
	struct session session;
	struct login_attempts attempts;
	char id[STORE_ID_BYTES_MAX + 1]; /* OP_PASSWORD_CHANGE: in, the session that stays */
	/* OP_ACCOUNT_CHANGE: in, which fields of account. */
	unsigned fields;
	/* Lists: in, what account.status must be (-1 any) and behind which account.id; out, the
	 * rows, struct session or struct account, whose number is the result. */
	int status;
	unsigned rows_max;
	size_t rows_bytes;
	void *rows;
	struct mails_view mails;
};

/* A session as it is moved from one store to another. */
struct session_record {
	struct session session;
	unsigned token_count;
	struct {
		uint8_t hash[STORE_DIGEST_BYTES];
		int64_t created_ms, used_ms;
	} tokens[STORE_REFRESH_PER_SESSION_MAX];
};

/* Where calls go, for who tells of them: texts that stay as long as the process. */
struct store_place {
	const char *database;
	const char *host; /* NULL: this process, or it is not known which server of several */
	uint16_t port;
};

/*
 * A backend either has transactions (begin and the four below it), and then one thread writes and
 * takes whatever waits into one of them (group commit); or it has none of the five, and then every
 * call is atomic by itself and all threads read and write.
 */
struct store_backend {
	const char *name;
	/* One connection for one thread. 0; negative and a sentence in *ret_why. The options stay
	 * until the last connection has gone. */
	int (*connect)(
		const struct store_options *options, void **ret_connection, const char **ret_why);
	void (*disconnect)(void *connection);
	/* Brings the schema up to date; as connect. */
	int (*migrate)(void *connection, const char **ret_why);
	/* A call inside the present transaction, or alone: its result. */
	int (*run)(void *connection, struct store_call *call);
	int (*begin)(void *connection);
	int (*commit)(void *connection); /* durable when 0 */
	void (*rollback)(void *connection);
	/* Around each call of a transaction: one that fails undoes only itself. An error says that
	 * the transaction as a whole is lost. */
	int (*save)(void *connection);
	int (*save_end)(void *connection, bool is_undone);
	/* Does it work? is_writing: writing failed last, so try to write. */
	int (*ping)(void *connection, bool is_writing);
	/* Removes what has ended, a bounded part: 1 when there may be more. */
	int (*sweep)(void *connection, int64_t now_ms);
	/* Now; any thread, for each call that is told: it asks nobody. NULL: nowhere. */
	void (*place)(const struct store_options *options, struct store_place *ret_place);
	/* Bytes on the heap for all connections; any thread. NULL: it cannot be told. */
	uint64_t (*memory_bytes)(void);
	/* How many sessions live at now_ms, as exactly as it can be had cheaply. */
	int (*sessions_count)(void *connection, int64_t now_ms, uint64_t *ret_count);
	int (*keys_load)(void *connection, struct store_key *keys);
	int (*key_add)(void *connection, const struct store_key *key, int64_t newer_than_ms);
	int (*key_remove)(void *connection, const char *kid);
	const char *(*reason)(void *connection); /* of the last failure */
	/* NULL where only one process uses the store. Runs until *is_closing, on its own
	 * connection.
	 */
	void (*watch)(void *connection, store_watcher *watcher, const _Atomic bool *is_closing);
	/* NULL where the schema has all that is needed. */
	int (*indexes_check)(void *connection, store_index_visit *visit, void *arg);
	bool (*index_is_declared)(const char *name);
	int (*index_create)(void *connection, const char *name);
	int (*index_drop)(void *connection, const char *name); /* one that is there */
	int (*index_progress)(void *connection, uint64_t *ret_done, uint64_t *ret_total);
	/* NULL: the store is in this process or on its disk. */
	int (*servers)(void *connection, store_server_visit *visit, void *arg);
	int (*explain)(void *connection, store_explain_visit *visit, void *arg);
	int (*adopt_check)(void *connection, store_finding_visit *visit, void *arg);
	/* For moving to another store; NULL where nobody does. Scans give the rows behind the id
	 * `after` ("" none) in the order of bytes: how many, at most rows_max. */
	int (*accounts_scan)(
		void *connection, const char *after, struct account *rows, unsigned rows_max);
	int (*sessions_scan)(void *connection, const char *after, struct session_record *rows,
		unsigned rows_max);
	/* As they are: 1, or 0 when the id is there (and nothing is changed), the address is
	 * somebody else's, or there is no such account for the session. */
	int (*account_put)(void *connection, const struct account *account);
	int (*session_put)(void *connection, const struct session_record *record);
	int (*key_put)(void *connection, const struct store_key *key);
};

extern const struct store_backend store_sqlite, store_memory;

/* What a backend that is a module exports (core/module.h). */
#define STORE_MODULE_BACKEND store_backend_of_module
#define STORE_MODULE_SYMBOL "store_backend_of_module"

/* Of the open store: its backend, and one more connection, which the caller disconnects. */
const struct store_backend *store_backend(void);
int store_connect(void **ret_connection, const char **ret_why);
void store_place(struct store_place *ret_place); /* all zero: nowhere */

/* "login": for who looks at the threads, and for scripts of faults. */
const char *store_op_name(enum store_op op);
/* Where it begins, as we call it: "accounts", "sessions", "tickets", "mails". */
const char *store_op_collection(enum store_op op);
