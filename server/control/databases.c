/*
 * db ...: the store's servers and how it runs our statements; adopt check. All are asked on the
 * thread for what blocks (blocking.h): a server that does not answer holds up that thread alone.
 */
#include "control/databases.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "control/handlers.h"
#include "shared/clock.h"
#include "shared/err.h"
#include "shared/macros.h"
#include "store/upkeep.h"

#define ERROR_BYTES 128

void database_failed(struct control_request *request, int error)
{
	if (error == -EOPNOTSUPP)
		request_fail(request, OUTCOME_UNAVAILABLE, NULL, "the store %s has no such thing",
			store_backend_name());
	else
		request_fail(
			request, OUTCOME_UNAVAILABLE, "authctl db ping", "%s", err_text(error));
}

/* --- servers --- */

#define SERVERS_MAX 64 /* a replica set has 50 members at most */

struct servers {
	int result;
	unsigned count;
	bool is_truncated;
	struct {
		char name[ERROR_BYTES], error[ERROR_BYTES];
		const char *role; /* static text */
		int64_t ping_us, lag_ms;
	} rows[SERVERS_MAX];
};

static void server_keep(const struct store_server *server, void *arg)
{
	struct servers *servers = arg;
	unsigned at = servers->count;

	servers->is_truncated |= at == SERVERS_MAX;
	if (at == SERVERS_MAX)
		return;
	(void)snprintf(servers->rows[at].name, sizeof(servers->rows[at].name), "%s", server->name);
	(void)snprintf(
		servers->rows[at].error, sizeof(servers->rows[at].error), "%s", server->error);
	servers->rows[at].role = server->role;
	servers->rows[at].ping_us = server->ping_us;
	servers->rows[at].lag_ms = server->lag_ms;
	servers->count++;
}

static void servers_run(void *data)
{
	struct servers *servers = data;

	servers->result = store_servers(server_keep, servers);
}

void db_servers_begin(struct control_request *request)
{
	request_block(request, servers_run, NULL, sizeof(struct servers));
}

static void put_time(struct json_writer *w, const char *key, int64_t time, double per_second)
{
	if (time < 0)
		json_put_null(w, key);
	else
		json_put_double(w, key, (double)time / per_second);
}

static void ping_row(struct control_request *request, const struct servers *servers, unsigned at)
{
	struct json_writer *w = request_row_begin(request);
	const char *name = servers->rows[at].name;

	json_put_str(w, "store", str_cstr(store_backend_name()));
	json_put_str(w, "server", str_cstr(name));
	json_put_bool(w, "ok", servers->rows[at].ping_us >= 0);
	put_time(w, "time", servers->rows[at].ping_us, 1e6);
	json_put_str(w, "error", str_cstr(servers->rows[at].error));
	request_row_end(request);
}

void handle_db_ping(struct control_request *request)
{
	const struct servers *servers = errand_data(request->errand);

	if (servers->result < 0)
		database_failed(request, servers->result);
	request->is_truncated = servers->is_truncated;
	for (unsigned i = 0; servers->result == 0 && i < servers->count; i++)
		ping_row(request, servers, i);
}

void handle_db_topology(struct control_request *request)
{
	const struct servers *servers = errand_data(request->errand);

	if (servers->result < 0)
		database_failed(request, servers->result);
	request->is_truncated = servers->is_truncated;
	for (unsigned i = 0; servers->result == 0 && i < servers->count; i++) {
		struct json_writer *w = request_row_begin(request);

		json_put_str(w, "server", str_cstr(servers->rows[i].name));
		json_put_str(w, "role", str_cstr(servers->rows[i].role));
		put_time(w, "time", servers->rows[i].ping_us, 1e6);
		put_time(w, "lag", servers->rows[i].lag_ms, 1e3);
		json_put_str(w, "error", str_cstr(servers->rows[i].error));
		request_row_end(request);
	}
}

/* --- plans --- */

#define PLANS_MAX 96 /* the store has two thirds of it */

struct plans {
	int result;
	unsigned count;
	bool is_truncated;
	struct {
		const char *statement, *verdict; /* static texts */
		char index[128];
		int64_t examined, returned;
	} rows[PLANS_MAX];
};

static void plan_keep(const struct store_plan *plan, void *arg)
{
	struct plans *plans = arg;
	unsigned at = plans->count;

	plans->is_truncated |= at == PLANS_MAX;
	if (at == PLANS_MAX)
		return;
	plans->rows[at].statement = plan->statement;
	plans->rows[at].verdict = plan->verdict;
	(void)snprintf(plans->rows[at].index, sizeof(plans->rows[at].index), "%s", plan->index);
	plans->rows[at].examined = plan->examined;
	plans->rows[at].returned = plan->returned;
	plans->count++;
}

static void explain_run(void *data)
{
	struct plans *plans = data;

	plans->result = store_explain(plan_keep, plans);
}

void db_explain_begin(struct control_request *request)
{
	request_block(request, explain_run, NULL, sizeof(struct plans));
}

static void put_count(struct json_writer *w, const char *key, int64_t count)
{
	if (count < 0)
		json_put_null(w, key);
	else
		json_put_i64(w, key, count);
}

static void plan_row(struct control_request *request, const struct plans *plans, unsigned at)
{
	struct json_writer *w = request_row_begin(request);
	const char *verdict = plans->rows[at].verdict;

	json_put_str(w, "statement", str_cstr(plans->rows[at].statement));
	json_put_str(w, "index", str_cstr(plans->rows[at].index));
	put_count(w, "examined", plans->rows[at].examined);
	put_count(w, "returned", plans->rows[at].returned);
	json_put_str(w, "verdict", str_cstr(verdict));
	json_put_bool(w, "ok", strcmp(verdict, "good") == 0);
	request_row_end(request);
}

void handle_db_explain(struct control_request *request)
{
	const struct plans *plans = errand_data(request->errand);
	struct str name = request_text(request, "name");

	if (plans->result < 0) {
		database_failed(request, plans->result);
		return;
	}
	request->is_truncated = plans->is_truncated;
	for (unsigned i = 0; i < plans->count; i++)
		if (!name.len || str_equal(name, str_cstr(plans->rows[i].statement)))
			plan_row(request, plans, i);
	if (!request->rows)
		request_fail(request, OUTCOME_NOT_FOUND, "authctl db explain lists them",
			"no statement named '" STR_FORMAT "'", STR_ARGS(name));
}

/* --- adopting --- */

#define FINDINGS_MAX 32 /* the store has half as many */

struct adoption {
	int result;
	unsigned count;
	bool is_truncated;
	struct store_finding rows[FINDINGS_MAX];
};

static void finding_keep(const struct store_finding *finding, void *arg)
{
	struct adoption *adoption = arg;

	adoption->is_truncated |= adoption->count == FINDINGS_MAX;
	if (adoption->count < FINDINGS_MAX)
		adoption->rows[adoption->count++] = *finding;
}

static void adopt_run(void *data)
{
	struct adoption *adoption = data;

	adoption->result = store_adopt_check(finding_keep, adoption);
}

void adopt_check_begin(struct control_request *request)
{
	request_block(request, adopt_run, NULL, sizeof(struct adoption));
}

void handle_adopt_check(struct control_request *request)
{
	const struct adoption *adoption = errand_data(request->errand);
	bool is_admin = request->peer->level >= LEVEL_ADMIN;

	if (adoption->result < 0)
		database_failed(request, adoption->result);
	request->is_truncated = adoption->is_truncated;
	for (unsigned i = 0; adoption->result == 0 && i < adoption->count; i++) {
		const struct store_finding *finding = &adoption->rows[i];
		struct json_writer *w = request_row_begin(request);

		json_put_u64(w, "accounts", finding->count);
		json_put_str(w, "finding", str_cstr(finding->what));
		json_put_bool(w, "ok", !finding->is_problem);
		/* Addresses, as everywhere, for admins alone. */
		if (is_admin)
			json_put_str(w, "examples", str_cstr(finding->examples));
		else
			json_put_null(w, "examples");
		request_row_end(request);
	}
	if (!is_admin && request->rows)
		request_notice(request, "examples are shown to admins");
}
