/*
 * Inside the MongoDB backend: a connection, the documents, and the steps that its files share. The
 * only file that includes the driver's headers. Next: mongo.c, then the calls in mongo_accounts.c
 * and mongo_sessions.c.
 *
 * Every change is one step on one document, and is atomic by itself on any server: a standalone one
 * and those that speak MongoDB's protocol have no transactions. Where two documents change, the
 * order is chosen so that whoever dies in between leaves nothing that anybody could use; each
 * place says why. What must not have changed since it was read is part of the filter of the update
 * (compare and set); who finds it changed reads again.
 */
#pragma once

#include <bson/bson.h>
#include <mongoc/mongoc.h>

#include "shared/macros.h"
#include "store/indexes.h"
#include "store/store_backend.h"

/* Losing so often in a row means that something is wrong: each time, somebody else has won. */
#define CAS_TRIES_MAX 200

struct mongo {
	mongoc_client_t *client;
	mongoc_database_t *database;
	mongoc_collection_t *users, *sessions, *strangers, *keys, *ended, *tickets, *mails;
	uint64_t deadline_ns; /* of the present call; CLOCK_NEVER */
	char reason[128];
};

/* What all connections share; written before the first call, then only read. */
struct mongo_shared {
	struct store_fields fields;
	bool has_collation; /* the server can compare without case */
	/* Addresses are looked up without case: not while that would read a large collection from
	 * end to end, because the index for it has still to be made. Then they are found as they
	 * are folded, which is how mongoose's lowercase keeps them. */
	_Atomic bool is_collating;
	bool has_change_streams;       /* else what ends is written to authd_ended and polled */
	_Atomic bool is_polling_users; /* not while that would read a large collection each time */
	unsigned strangers_max;
	unsigned op_timeout_ms;
};
extern struct mongo_shared mongo_shared;

#define SWEEP_ROWS 1000

CLEANUP_P(bson_destroy, bson_t)
CLEANUP_P(mongoc_cursor_destroy, mongoc_cursor_t)
#define _bson_ _cleanup_(bson_destroy_p)

/* --- steps: mongo_steps.c. All of them 0 or more, or an error with its reason kept --- */

/* The first document: 1 and a copy, or 0. `collation`: compare text without case. */
int mongo_find(struct mongo *c, mongoc_collection_t *collection, const bson_t *filter,
	bool collation, bson_t **ret_document);

/* Into options: compare addresses without case. False: this server cannot, or has no index for it.
 */
bool mongo_collation_append(bson_t *opts);

/* How many documents matched (0 or 1), or -EEXIST when a unique index forbids it. */
int mongo_update(struct mongo *c, mongoc_collection_t *collection, const bson_t *filter,
	const bson_t *update, bool is_upsert);

/* 1, or -EEXIST. */
int mongo_insert(struct mongo *c, mongoc_collection_t *collection, const bson_t *document);

/* How many went. */
int mongo_delete(struct mongo *c, mongoc_collection_t *collection, const bson_t *filter, bool all);

/* Runs try until it does not say -EAGAIN: somebody else has changed what it had read. */
typedef int mongo_call(struct mongo *c, struct store_call *call);
int mongo_again(struct mongo *c, mongo_call *try, struct store_call *call);

/* What is left for the call: the server stops working on what nobody waits for. */
int64_t mongo_time_left_ms(const struct mongo *c);

int mongo_failed(struct mongo *c, const bson_error_t *error);
int mongo_failed_why(struct mongo *c, const char *why);

/* --- documents: mongo_records.c --- */

/* What the map of fields has for "<email>" and the like; any other name itself. */
const char *mongo_field(const char *name);

/* Our ids are text; 24 hexadecimal digits are an ObjectId of an adopted collection. */
void mongo_id_append(bson_t *bson, const char *key, const char *id);
bson_t *mongo_id_filter(const char *id);
bool mongo_is_object_id(const char *id);

bool mongo_account_read(const bson_t *document, struct account *account);
/* False: none, or one that is not fit (records.h). */
bool mongo_id_read(const bson_t *document, char id[static STORE_ID_BYTES_MAX + 1]);
/* How many were left out. */
unsigned mongo_roles_read(const bson_t *document, struct account *account);

/* What an update sets for a new account. */
void mongo_account_append(bson_t *set, const struct account *account);

/* The update of an OP_ACCOUNT_CHANGE. */
void mongo_change_append(bson_t *update, const struct store_call *call);

/* Adds to a filter that the failures must be as they were read. */
void mongo_attempts_expect(bson_t *filter, const char *count_key, const char *until_key,
	const struct login_attempts *attempts);
void mongo_attempts_append(bson_t *set, const char *count_key, const char *until_key,
	const struct login_attempts *attempts);
void mongo_attempts_read(const bson_t *document, const char *count_key, const char *until_key,
	struct login_attempts *attempts);

void mongo_status_append(bson_t *set, enum account_status status);

/* A date, or a number of milliseconds; 0 when it is neither. */
int64_t mongo_time_read(const bson_t *document, const char *path);
/* What is there as a number. */
int64_t mongo_number_read(const bson_t *document, const char *path, int64_t otherwise);
/* An ObjectId is text too. False: it is not there, is something else, or was cut. */
bool mongo_text_read(const bson_t *document, const char *path, char *text, size_t bytes);

/* --- the calls --- */

/* mongo_accounts.c */
mongo_call mongo_account_create, mongo_account_find, mongo_account_get, mongo_account_rename;
mongo_call mongo_login_fail, mongo_login;
/* 1, or 0 when the address or the id is taken. */
int mongo_account_insert(struct mongo *c, const struct account *account);
int mongo_account_by_id(struct mongo *c, const char *id, struct account *account);
int mongo_account_by_key(struct mongo *c, const char *key, struct account *account);
int mongo_strangers_sweep(struct mongo *c, int64_t now_ms);

int mongo_tickets_delete(struct mongo *c, const char *account_id, enum ticket_purpose purpose);

/* mongo_admin.c */
mongo_call mongo_accounts_list, mongo_accounts_prefix, mongo_account_change, mongo_account_delete;

/* mongo_sessions.c */
mongo_call mongo_session_find, mongo_session_end, mongo_session_end_by_refresh;
mongo_call mongo_sessions_end, mongo_sessions_end_some, mongo_sessions_list, mongo_refresh;
mongo_call mongo_refresh_look;
struct token {
	uint8_t hash[STORE_DIGEST_BYTES];
	int64_t created_ms, used_ms;
};

struct tokens {
	int64_t version;
	unsigned count;
	struct token items[STORE_REFRESH_PER_SESSION_MAX + 1];
};
void mongo_session_read(const bson_t *document, struct session *session);
void mongo_tokens_read(const bson_t *document, struct tokens *tokens);
/* 1, or -EEXIST. */
int mongo_session_put(struct mongo *c, const struct session *session, const struct tokens *tokens);
int mongo_session_insert(struct mongo *c, const struct session_new *new);
int mongo_session_delete(struct mongo *c, const char *id);
/* Ends those of the account that are too many beside this new one. */
int mongo_session_make_room(struct mongo *c, const struct session *new, char *ended);
int mongo_sessions_sweep(struct mongo *c, int64_t now_ms);
int mongo_sessions_count(void *connection, int64_t now_ms, uint64_t *ret_count);

/* mongo_adopt.c */
int mongo_adopt_check(void *connection, store_finding_visit *visit, void *arg);

/* mongo_transfer.c */
int mongo_accounts_scan(
	void *connection, const char *after, struct account *rows, unsigned rows_max);
int mongo_sessions_scan(
	void *connection, const char *after, struct session_record *rows, unsigned rows_max);
int mongo_account_put(void *connection, const struct account *account);
int mongo_session_record_put(void *connection, const struct session_record *record);

/* mongo_mails.c */
mongo_call mongo_password_change, mongo_ticket_put, mongo_ticket_find, mongo_ticket_use;
mongo_call mongo_mail_put, mongo_mails_view, mongo_mail_take, mongo_mail_done, mongo_mail_later;
int mongo_tickets_sweep(struct mongo *c, int64_t now_ms);

/* mongo_keys.c */
int mongo_key_put(void *connection, const struct store_key *key);
int mongo_keys_load(void *connection, struct store_key *keys);
int mongo_key_add(void *connection, const struct store_key *key, int64_t newer_than_ms);
int mongo_key_remove(void *connection, const char *kid);

/* mongo_indexes.c, mongo_explain.c */
mongoc_collection_t *mongo_collection_of(struct mongo *c, enum index_collection which);
int mongo_indexes_begin(struct mongo *c);
/* Sets is_collating and is_polling_users by the indexes that are there now. */
void mongo_searches_choose(struct mongo *c);
int mongo_indexes_check(void *connection, store_index_visit *visit, void *arg);
bool mongo_index_is_declared(const char *name);
int mongo_index_create(void *connection, const char *name);
int mongo_index_drop(void *connection, const char *name);
int mongo_index_progress(void *connection, uint64_t *ret_done, uint64_t *ret_total);
int mongo_explain(void *connection, store_explain_visit *visit, void *arg);

/* mongo_place.c: before the pool is used; and where its calls go now, if that is one server. */
void mongo_place_watch(mongoc_client_pool_t *pool);
void mongo_place_server(struct store_place *place);

/* mongo_servers.c */
int mongo_servers(void *connection, store_server_visit *visit, void *arg);

/* mongo_watch.c */
bool mongo_has_change_streams(struct mongo *c);
/* Where there are no change streams: leaves a note of it for the other nodes. */
int mongo_ended_note(struct mongo *c, enum store_change change, const char *id);
void mongo_watch(void *connection, store_watcher *watcher, const _Atomic bool *is_closing);
