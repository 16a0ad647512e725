/*
 * The store: accounts, sessions, refresh tokens, tickets, mails and signing keys, and their
 * durability. What is answered was written: a call that succeeded survives kill -9 and a power cut.
 * The rules (who is locked, what a session may do) are auth/'s; the store does the steps that must
 * be atomic.
 *
 * Every `_await` call runs on the store's own threads while the calling fiber waits. Errors of all:
 * -ERR_OVERLOADED (queue full), -ERR_STORE_DOWN (it fails, has not answered in time, or has failed
 * so often that it is left alone for a while), -ETIMEDOUT, -ERR_CANCELED, -ENOMEM. After all but
 * the first a write may or may not have happened. Text fields have terminators.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guard/breaker.h"
#include "shared/str.h"
#include "store/store_keys.h"

#define STORE_ID_BYTES_MAX 64 /* ours are UUIDs of 36; adopted ones may be others */
#define STORE_EMAIL_BYTES_MAX 254
#define STORE_NAME_BYTES_MAX 256
#define STORE_HASH_BYTES_MAX 383 /* libxcrypt's longest format */
#define STORE_ROLES_MAX 16
#define STORE_ROLE_BYTES_MAX 32
#define STORE_AGENT_BYTES_MAX 255
#define STORE_ADDRESS_BYTES_MAX 45 /* the text of an IPv6 address */
#define STORE_DIGEST_BYTES 32      /* SHA-256 */

/* One more login ends the session used longest ago. */
#define STORE_SESSIONS_PER_ACCOUNT_MAX 100
/* Refresh tokens remembered per session: older ones are forgotten, and then unknown. */
#define STORE_REFRESH_PER_SESSION_MAX 64
/* Addresses that nobody owns are counted like accounts, or lockout would tell who exists. The
 * oldest are forgotten: 100,000 rows are about 10 MB. */
#define STORE_STRANGERS_MAX 100000
#define STORE_STRANGER_MS                                                                          \
	INT64_C(86400000) /* and forgotten in a day: far above the longest delay */

enum account_status { ACCOUNT_ACTIVE, ACCOUNT_SUSPENDED };

struct login_attempts {
	uint32_t count;          /* failures since the last success */
	int64_t locked_until_ms; /* wall clock; 0 never */
};

struct account {
	char id[STORE_ID_BYTES_MAX + 1];
	char email[STORE_EMAIL_BYTES_MAX + 1];     /* as typed */
	char email_key[STORE_EMAIL_BYTES_MAX + 1]; /* folded: unique */
	char name[STORE_NAME_BYTES_MAX + 1];       /* "" none */
	char hash[STORE_HASH_BYTES_MAX + 1];
	unsigned role_count;
	char roles[STORE_ROLES_MAX][STORE_ROLE_BYTES_MAX + 1];
	enum account_status status;
	bool is_email_verified;
	int64_t created_ms, updated_ms, last_login_ms; /* wall clock; 0 never */
	struct login_attempts attempts;
};

/* A hash can be guessed at: whoever had an account from the store wipes it. */
void account_wipe(struct account *account);

struct session {
	char id[STORE_ID_BYTES_MAX + 1];
	char account_id[STORE_ID_BYTES_MAX + 1];
	uint8_t client[STORE_DIGEST_BYTES]; /* fingerprint of the client that opened it */
	char agent[STORE_AGENT_BYTES_MAX + 1];
	char address[STORE_ADDRESS_BYTES_MAX + 1];
	int64_t created_ms, used_ms;
	int64_t idle_until_ms; /* moved by every refresh */
	int64_t ends_ms;       /* never moved */
};

/* A session to be made, and its first refresh token. */
struct session_new {
	struct session session;
	uint8_t refresh_hash[STORE_DIGEST_BYTES];
};

struct lockout_policy {
	uint32_t free;           /* failures before the first delay */
	int64_t base_ms, max_ms; /* the delay doubles from base to max */
};

/* --- accounts --- */

/*
 * Makes an account and its first session, both or none: 1, or 0 when email_key is taken. session
 * may be NULL: somebody else makes it, and its owner logs in later.
 */
int store_account_create_await(const struct account *account, const struct session_new *session);

/*
 * By email_key. 1 found. 0: nobody has it; then only ret_account->attempts is written (strangers
 * are counted too).
 */
int store_account_find_await(const char *email_key, struct account *ret_account);

/* By id: 1 or 0. */
int store_account_get_await(const char *id, struct account *ret_account);

/* The name; updated_ms becomes now_ms. 1 and the account as it is now, or 0. */
int store_account_rename_await(
	const char *id, const char *name, int64_t now_ms, struct account *ret_account);

/* Which values of struct account_change are meant. */
enum account_field {
	/* And email_key: another one is not verified, unless that is said too. */
	ACCOUNT_FIELD_EMAIL = 1,
	ACCOUNT_FIELD_NAME = 2,
	ACCOUNT_FIELD_ROLES = 4,
	ACCOUNT_FIELD_STATUS = 8,
	ACCOUNT_FIELD_VERIFIED = 16,
	/* The hash: failures are forgotten; every session ends, and every ticket for a new one. */
	ACCOUNT_FIELD_PASSWORD = 32,
};

struct account_change {
	const char *id;
	unsigned fields; /* of enum account_field, together */
	const struct account *values;
	int64_t now_ms; /* becomes updated_ms */
};

enum change_outcome { CHANGE_NOBODY, CHANGE_DONE, CHANGE_EMAIL_TAKEN };

/* Changes all of the fields or none: an outcome; for CHANGE_DONE the account as it is now. */
int store_account_change_await(const struct account_change *change, struct account *ret_account);

/* Removes an account with its sessions: 1, or 0 when there is none. */
int store_account_delete_await(const char *id);

/*
 * Gives the account of an address one more role: 1, also when it has it; 0 when nobody has the
 * address; -ENOSPC: it has STORE_ROLES_MAX. Blocking, on a connection of its own: not for cores.
 */
int store_role_grant(const char *email_key, const char *role, int64_t now_ms);

#define STORE_PAGE_MAX 128 /* a page of 100 and whether there is more; 240 KB while it is read */

struct accounts_query {
	const char *after;     /* only ids behind this one, in the order of bytes; "" all */
	const char *email_key; /* NULL: any */
	const char
		*prefix;   /* of email_key; then by email_key, and nothing else counts. NULL: any */
	int status;        /* enum account_status; -1: any */
	unsigned rows_max; /* at most STORE_PAGE_MAX */
};

/*
 * Calls visit for each account that the query means, by id, once all have been read: how many.
 * visit must not wait. The order stays when accounts come and go.
 */
typedef void store_account_visit(const struct account *account, void *arg);
int store_accounts_list_await(
	const struct accounts_query *query, store_account_visit *visit, void *arg);

/* --- login --- */

enum login_outcome {
	LOGIN_ACCEPTED,
	LOGIN_LOCKED, /* somebody's failures locked it while the password was hashed */
	LOGIN_SUSPENDED,
	LOGIN_GONE, /* deleted meanwhile, or its hash has changed */
};

/*
 * Counts a wrong password for the address, account or stranger. LOGIN_ACCEPTED: counted;
 * LOGIN_LOCKED: it is locked at now_ms, so the guess must get no answer, and it is not counted.
 * *ret_attempts is the state afterwards.
 */
int store_login_fail_await(const char *email_key, const struct lockout_policy *policy,
	int64_t now_ms, struct login_attempts *ret_attempts);

struct login_request {
	const struct session_new *session; /* session.account_id says whose */
	const char *hash;                  /* that the password matched; must still be the same */
	const char *new_hash;              /* NULL, or the rehashed password */
	int64_t now_ms;
};

struct login_result {
	struct account account;             /* as it is now */
	char ended[STORE_ID_BYTES_MAX + 1]; /* session that had to give way; "" none */
};

/* Checks the lock again, resets the failures and inserts the session, all or nothing: an outcome.
 */
int store_login_await(const struct login_request *request, struct login_result *ret_result);

/* --- sessions --- */

/*
 * By id: 1 and both records when the session lives at now_ms (idle_until_ms, ends_ms), 0 when not.
 * The account may be suspended: its status says so.
 */
int store_session_find_await(
	const char *id, int64_t now_ms, struct session *ret_session, struct account *ret_account);

/* Calls visit for each session of an account that lives at now_ms, the latest used first: how many.
 * visit must not wait. */
typedef void store_session_visit(const struct session *session, void *arg);
int store_sessions_list_await(
	const char *account_id, int64_t now_ms, store_session_visit *visit, void *arg);

/* Ends one session: 1, or 0 when there was none. */
int store_session_end_await(const char *id);

/* Ends the session that a refresh token belongs to: 1 and its id, or 0. */
int store_session_end_by_refresh_await(const uint8_t refresh_hash[static STORE_DIGEST_BYTES],
	char ret_id[static STORE_ID_BYTES_MAX + 1]);

/* Ends every session of an account: how many. */
int store_sessions_end_await(const char *account_id);

/* Ends some of all sessions: how many. Fewer than STORE_ENDED_MAX: there were no more. */
#define STORE_ENDED_MAX 1000 /* holds up other writers for some milliseconds */
int store_sessions_end_some_await(void);

/* --- refresh tokens --- */

/* Looks at a refresh token and changes nothing: 1 and both records when a refresh with it would be
 * its first, of a session that lives at now_ms; 0 when not. The account may be suspended. */
int store_refresh_look_await(const uint8_t hash[static STORE_DIGEST_BYTES], int64_t now_ms,
	struct session *ret_session, struct account *ret_account);

enum refresh_outcome {
	REFRESH_ROTATED,
	REFRESH_UNKNOWN,
	REFRESH_EXPIRED,
	REFRESH_REUSED,    /* an old token came again: the session was ended */
	REFRESH_SUSPENDED, /* the account is; nothing was changed */
};

struct refresh_request {
	uint8_t hash[STORE_DIGEST_BYTES];     /* of the token presented */
	uint8_t new_hash[STORE_DIGEST_BYTES]; /* of the one that replaces it */
	uint8_t client[STORE_DIGEST_BYTES];   /* fingerprint of who asks */
	int64_t now_ms, idle_ms;
	/* The same client may repeat itself for so long: its answer was lost. 0: it may not. */
	int64_t grace_ms;
};

struct refresh_result {
	struct account account; /* for ROTATED */
	struct session session; /* for ROTATED; the id also for REUSED */
};

/* An outcome. */
int store_refresh_await(const struct refresh_request *request, struct refresh_result *ret_result);

/* --- changing a password --- */

struct password_change {
	const char *account_id;
	const char *session_id; /* of who asks: the only one that goes on */
	const char *hash;       /* that the old password matched; must still be the same */
	const char *new_hash;
	int64_t now_ms;
};

/*
 * Writes the new hash, ends the other sessions and forgets the tickets for a new password, all or
 * nothing: 1, or 0 when the account is gone, locked, or its hash has changed.
 */
int store_password_change_await(const struct password_change *change);

/* --- starting and looking --- */

/*
 * MongoDB: where an adopted collection keeps what; paths may have dots. Whoever has no such field
 * gets ours under this name.
 */
struct store_fields {
	const char *users; /* the collection */
	const char *email, *password, *name, *roles, *verified;
	const char *status, *active; /* the field, and its value in accounts that may log in */
	const char *created, *updated, *last_login;
	const char *attempts, *locked_until;
};

/* The texts must stay until store_close(). */
struct store_options {
	const char *backend; /* "sqlite", "memory", "mongodb" */
	/* SQLite: the file. Memory: a script of faults (store/faults.h); "" none. */
	const char *path;
	unsigned reader_threads; /* SQLite and memory: as many connections; one more writes */
	unsigned queued_max;     /* for reading and for writing, each */
	unsigned strangers_max;  /* 0: STORE_STRANGERS_MAX */
	/* MongoDB: */
	const char *uri; /* mongodb:// or mongodb+srv://; wiped by nobody: it is the caller's */
	unsigned pool_min, pool_max; /* connections of this process; pool_max > STORE_POOL_KEPT */
	unsigned connect_timeout_ms, op_timeout_ms, select_timeout_ms;
	struct store_fields fields; /* of NULL, each: as mongoose has it */
	uint64_t call_timeout_ms;
	/* Of both, reading and writing; the name is ours. What is 0 is as in [breaker]'s defaults.
	 */
	struct breaker_options breaker;
};

#define STORE_WHY_BYTES 512
/* Of pool_max these are not for calls: the main thread's, the keeper's, the watcher's, that of who
 * sends mail, one for an index that is being built and one for an operator who asks. */
#define STORE_POOL_KEPT 6

/*
 * Opens the store, brings its schema up to date, starts its threads. 0; a negative error and a
 * sentence for the operator in *ret_why (static, or valid until the next call).
 */
int store_open(const struct store_options *options, const char **ret_why);

/* Finishes queued writes, ends the threads. After the cores have ended. */
void store_close(void);

/*
 * What is done every minute anyway: probes, removes what has ended at now_ms, ends connections that
 * were not needed since the last time. Waits for it. Not
 * on a fiber. 0, -ERR_DRAINING, or what the store answered.
 */
int store_tend(int64_t now_ms);

/* What the last calls and a probe every few seconds have found; any thread, no waiting. */
struct store_health {
	bool is_up;
	uint64_t latency_us; /* of the last probe */
	uint64_t failures;   /* calls that ended with -ERR_STORE_DOWN */
	char reason[128];    /* "" when it is up */
};
void store_health(struct store_health *ret_health);

/* The circuit breakers of reading and writing, open also where the pool is drained; any thread.
 * breaker_find("store-read") has more. */
struct store_breakers {
	enum breaker_state reads, writes;
};
void store_breakers(struct store_breakers *ret_breakers);

/* Up, and neither breaker refuses: clients may come. Any thread. */
bool store_is_ready(void);

/* How long from now some calls are refused for sure; 0 when all are tried. Any thread. */
uint64_t store_retry_ns(void);

/* What the store has of the heap, as far as its library tells. Any thread. */
uint64_t store_memory_bytes(void);

/* Sessions that have not ended, some seconds ago. Any thread, no waiting. False: not known yet. */
bool store_sessions_count(uint64_t *ret_count);

/* --- the threads and their connections --- */

struct store_connection {
	const char *group; /* static text: "store-read", "store-write" */
	unsigned index;    /* in its group */
	const char *state; /* static text: "connecting", "idle", "busy" */
	const char *call;  /* what a busy one does; "" else */
	uint64_t since_ns; /* in this state; clock_now_ns() */
	uint64_t calls, failures;
};

/* Any thread, no waiting. */
void store_connections_each(
	void (*visit)(const struct store_connection *connection, void *arg), void *arg);

struct job_queue;

/* A group of connections and the queue of the calls that wait for one. */
struct store_pool {
	const char *name; /* static text: as a connection's group */
	unsigned connections_max;
	const struct job_queue *queue;
};

/*
 * Lends no connection of the pool of that name for so long: calls are refused as by a breaker,
 * those that wait, too (how many in *ret_refused); those that run end as they would. 0: lends
 * again. 0; -ENOENT. Any thread; after store_open().
 */
int store_pool_drain(const char *name, uint64_t for_ms, unsigned *ret_refused);

/*
 * Another pool_max while it runs, never fewer than pool_min for calls; connections that are too
 * many end once they find nothing to do. Only where connections go to a server: a local store has
 * as many threads as it was opened with. Any thread; after store_open().
 */
bool store_pool_is_sizable(void);
void store_pool_resize(unsigned pool_max);

/* Any thread; after store_open(). */
void store_pools_each(void (*visit)(const struct store_pool *pool, void *arg), void *arg);

/* --- other processes on the same store --- */

enum store_change {
	STORE_SESSION_ENDED,   /* id is the session's */
	STORE_ACCOUNT_CHANGED, /* id is the account's: it or its sessions are not what they were */
	STORE_ANYTHING,        /* changes were missed: trust nothing that is cached; id is "" */
};

/*
 * Before store_open(): calls watcher on a thread of the store for each change that another process
 * (or this one) has made, within a second. Backends that only one process uses never call it.
 */
typedef void store_watcher(enum store_change change, const char *id);
void store_watch(store_watcher *watcher);
