/*
 * What operators ask of the open store beside its calls: indexes, plans, servers, adoption. All of
 * it blocks but store_backend_name(): any thread but a core's. Errors are those of store.h.
 */
#pragma once

#include "store/store.h"

/* --- indexes and plans --- */

enum store_index_state { INDEX_PRESENT, INDEX_MISSING, INDEX_DIFFERENT, INDEX_EXTRA };

struct store_index_status {
	char name[128]; /* "users.email": what store_index_create() takes */
	enum store_index_state state;
	bool is_unique;   /* the one that is there */
	char key[128];    /* {"email": 1} */
	char detail[128]; /* what differs, or why it is needed */
};
typedef void store_index_visit(const struct store_index_status *status, void *arg);

/* Compares what is declared with what is there. 0; -EOPNOTSUPP: this backend makes its own. */
int store_indexes_check(store_index_visit *visit, void *arg);

/*
 * Starts to build a declared index; a thread of its own waits for it. 0; -ENOENT: none of this name
 * is declared; -EBUSY: another is being built; -EOPNOTSUPP.
 */
int store_index_create(const char *name);

struct store_index_progress {
	char name[128]; /* of the last one; "" none yet */
	bool is_running;
	int result; /* once it has ended: 0 or an error */
	char reason[128];
	uint64_t started_ns;
	uint64_t done, total; /* documents; 0 when the server does not tell */
};
void store_index_progress(struct store_index_progress *ret_progress);

/*
 * Drops an index that is there, ours or another, by the name that store_indexes_check() tells; what
 * was slow without it is slow again. 0 and how it was in *ret_status; -ENOENT: none of this name is
 * there; -EPERM: it keeps something unique, and what it has kept apart would not stay so; -EBUSY:
 * it is being built; -EOPNOTSUPP. With is_dry_run all of that, and nothing is dropped.
 */
int store_index_drop(const char *name, bool is_dry_run, struct store_index_status *ret_status);

struct store_plan {
	const char *statement;      /* static text: "account_find" */
	const char *index;          /* that the server chose; "" none */
	int64_t examined, returned; /* -1: it does not tell */
	const char *verdict;        /* static text: "good", "scans the collection", ... */
};
typedef void store_explain_visit(const struct store_plan *plan, void *arg);

/* Asks the server how it would run each of our statements. 0; -EOPNOTSUPP; -ERR_STORE_DOWN. */
int store_explain(store_explain_visit *visit, void *arg);

/* How many sessions live at this moment: 0 and the number; -EOPNOTSUPP. */
int store_sessions_count_now(uint64_t *ret_count);

/* --- servers --- */

/* Its texts are valid during the visit. */
struct store_server {
	const char *name;  /* "db1:27017"; "" where the store is no server */
	const char *role;  /* "primary" */
	int64_t ping_us;   /* there and back; -1: it does not answer */
	int64_t lag_ms;    /* its last write behind the newest of all; -1 not known */
	const char *error; /* why it does not answer; "" */
};
typedef void store_server_visit(const struct store_server *server, void *arg);

/* Asks each server that is known now whether it answers. 0, or -ENOMEM, -ERR_STORE_DOWN when there
 * is no connection at all. */
int store_servers(store_server_visit *visit, void *arg);

/* "sqlite", "mongodb"; any thread while the store is open. */
const char *store_backend_name(void);

/* --- adopting an application's users --- */

struct store_finding {
	const char *what; /* static text, behind the number: "have no address" */
	uint64_t count;
	bool is_problem;
	char examples[1024]; /* some ids or addresses; "" none */
};
typedef void store_finding_visit(const struct store_finding *finding, void *arg);

/* Reads every account as the map of fields has it and tells what is wrong or worth to know; changes
 * nothing. 0; -EOPNOTSUPP: this backend adopts nothing; -ERR_STORE_DOWN. */
int store_adopt_check(store_finding_visit *visit, void *arg);

/* At the end: waits for an index that is being built. */
void upkeep_stop(void);
