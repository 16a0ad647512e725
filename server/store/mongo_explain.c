/* How MongoDB would run each of our statements: see store_explain() in upkeep.h. */
#include "store/mongo_db.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "store/indexes.h"

#define STAGES_MAX 16 /* of a plan, one below the other */
#define LIST_ROWS 100 /* a list is asked for as many, not for all there is */

struct statement {
	const char *name;
	enum index_collection collection;
	const char *filter; /* JSON; one in angle brackets is a field of the map */
	const char *sort;   /* NULL none */
	enum {
		WITHOUT_CASE = 1, /* compares as addresses are */
		POLLING = 2,      /* asked only where there are no change streams */
		SCANNING = 4,     /* and that is meant */
	} flags;
};

#define BEHIND_TEXT "\"$or\":[{\"_id\":{\"$gt\":\"x\"}},{\"_id\":{\"$type\":\"objectId\"}}]"
#define BEHIND_OID "\"_id\":{\"$gt\":{\"$oid\":\"000000000000000000000000\"}}"
#define BY_ID "{\"_id\":\"x\"}"
#define LONG_AGO "{\"$date\":0}"
#define IS_ACTIVE "\"<status>\":{\"$in\":[\"active\",true,null]}"
#define IS_SUSPENDED "\"<status>\":{\"$nin\":[\"active\",true,null]}"
#define IN_ORDER "{\"_id\":1}"

/* THE table of what is explained: each way in which the store finds documents, be it to read,
 * change or delete them. What else a filter asks of the one that has an id only refines, and has no
 * row of its own. tests/fault/test_explain.py listens to all that is asked and compares. */
/* clang-format off */
static const struct statement statements[] = {
	{ "account_find", INDEX_USERS, "{\"<email>\":\"a@b.example\"}", NULL, WITHOUT_CASE },
	{ "account_get", INDEX_USERS, BY_ID, NULL, 0 },
	{ "accounts_list", INDEX_USERS, "{}", IN_ORDER, 0 },
	{ "accounts_list_behind_text", INDEX_USERS, "{" BEHIND_TEXT "}", IN_ORDER, 0 },
	{ "accounts_list_behind_oid", INDEX_USERS, "{" BEHIND_OID "}", IN_ORDER, 0 },
	{ "accounts_list_active", INDEX_USERS, "{" IS_ACTIVE "}", IN_ORDER, 0 },
	{ "accounts_list_suspended", INDEX_USERS, "{" IS_SUSPENDED "}", IN_ORDER, 0 },
	{ "accounts_prefix", INDEX_USERS, "{\"<email>\":{\"$gte\":\"a@\",\"$lt\":\"a@\\uffff\"}}", "{\"<email>\":1}", WITHOUT_CASE },
	{ "accounts_poll", INDEX_USERS, "{\"<updated>\":{\"$gte\":{\"$date\":{\"$numberLong\":\"4102444800000\"}}}}", NULL, POLLING },
	{ "adopt_check", INDEX_USERS, "{}", NULL, SCANNING },
	{ "account_find_stranger", INDEX_STRANGERS, BY_ID, NULL, 0 },
	{ "strangers_trim", INDEX_STRANGERS, "{}", "{\"seenAt\":1}", 0 },
	{ "sweep_strangers", INDEX_STRANGERS, "{\"seenAt\":{\"$lte\":" LONG_AGO "}}", NULL, 0 },
	{ "session_find", INDEX_SESSIONS, BY_ID, NULL, 0 },
	{ "sessions_list", INDEX_SESSIONS, "{\"user\":\"x\"}", "{\"usedAt\":-1}", 0 },
	{ "sessions_end", INDEX_SESSIONS, "{\"user\":\"x\"}", NULL, 0 },
	{ "sessions_end_some", INDEX_SESSIONS, "{}", IN_ORDER, 0 },
	{ "sessions_end_some_up_to", INDEX_SESSIONS, "{\"_id\":{\"$lte\":\"x\"}}", NULL, 0 },
	{ "refresh", INDEX_SESSIONS, "{\"tokens.h\":\"x\"}", NULL, 0 },
	{ "sessions_scan", INDEX_SESSIONS, "{}", IN_ORDER, 0 },
	{ "sessions_scan_behind", INDEX_SESSIONS, "{" BEHIND_TEXT "}", IN_ORDER, 0 },
	{ "sweep_sessions", INDEX_SESSIONS, "{\"idleUntil\":{\"$lte\":" LONG_AGO "}}", NULL, 0 },
	{ "ticket_find", INDEX_TICKETS, BY_ID, NULL, 0 },
	{ "tickets_delete", INDEX_TICKETS, "{\"user\":\"x\",\"purpose\":0}", NULL, 0 },
	{ "tickets_trim", INDEX_TICKETS, "{\"user\":\"x\",\"purpose\":0}", "{\"createdAt\":-1}", 0 },
	{ "sweep_tickets", INDEX_TICKETS, "{\"expiresAt\":{\"$lte\":" LONG_AGO "}}", NULL, 0 },
	{ "mail_put", INDEX_MAILS, BY_ID, NULL, 0 },
	{ "mails_view", INDEX_MAILS, "{}", "{\"nextAt\":1}", 0 },
	{ "mail_take", INDEX_MAILS, "{\"nextAt\":{\"$lte\":" LONG_AGO "}}", "{\"nextAt\":1}", 0 },
	{ "keys_load", INDEX_KEYS, BY_ID, NULL, 0 },
	{ "ended_poll", INDEX_ENDED, "{\"at\":{\"$gte\":{\"$date\":{\"$numberLong\":\"4102444800000\"}}}}", NULL, POLLING },
};
/* clang-format on */

static const char *scan_of(const bson_t *reply, char *index, size_t bytes)
{
	bson_iter_t iter, stage, field;
	const char *verdict = "good";

	index[0] = '\0';
	if (!bson_iter_init(&iter, reply) ||
		!bson_iter_find_descendant(&iter, "queryPlanner.winningPlan", &stage))
		return "the server does not tell its plan";
	for (unsigned i = 0; i < STAGES_MAX && BSON_ITER_HOLDS_DOCUMENT(&stage); i++) {
		bson_iter_t next = stage;
		bool goes_on = false;

		if (!bson_iter_recurse(&stage, &field))
			break;
		while (bson_iter_next(&field)) {
			const char *key = bson_iter_key(&field);

			if (strcmp(key, "indexName") == 0 && BSON_ITER_HOLDS_UTF8(&field))
				(void)snprintf(index, bytes, "%s", bson_iter_utf8(&field, NULL));
			else if (strcmp(key, "stage") == 0 && BSON_ITER_HOLDS_UTF8(&field) &&
				 strcmp(bson_iter_utf8(&field, NULL), "COLLSCAN") == 0)
				verdict = "scans the collection";
			else if (strcmp(key, "inputStage") == 0 || strcmp(key, "queryPlan") == 0) {
				next = field;
				goes_on = true;
			}
		}
		if (!goes_on)
			break;
		stage = next;
	}
	return verdict;
}

/* The document of a JSON text, with fields of the map in place of their names. */
static bson_t *document_of(const char *json)
{
	bson_error_t error;
	_bson_ bson_t *named = bson_new_from_json((const uint8_t *)json, -1, &error);
	bson_t *document = bson_new();
	bson_iter_t iter;

	assert(named && bson_iter_init(&iter, named)); /* a row of the table is wrong */
	while (bson_iter_next(&iter))
		bson_append_iter(document, mongo_field(bson_iter_key(&iter)), -1, &iter);
	return document;
}

/* {explain: {find: ..., filter: ...}}. What changes or deletes looks for its documents alike. */
static bson_t *command_of(const struct statement *statement, mongoc_collection_t *collection)
{
	_bson_ bson_t *filter = document_of(statement->filter), *sort = NULL;
	bson_t *command = bson_new(), find;

	bson_append_document_begin(command, "explain", -1, &find);
	bson_append_utf8(&find, "find", -1, mongoc_collection_get_name(collection), -1);
	bson_append_document(&find, "filter", -1, filter);
	if (statement->sort) {
		sort = document_of(statement->sort);
		bson_append_document(&find, "sort", -1, sort);
	}
	if (statement->sort || statement->flags & SCANNING)
		bson_append_int32(&find, "limit", -1, statement->sort ? LIST_ROWS : 1);
	if (statement->flags & WITHOUT_CASE && mongo_shared.is_collating)
		BCON_APPEND(&find, "collation", "{", "locale", BCON_UTF8("en"), "strength",
			BCON_INT32(2), "}");
	bson_append_document_end(command, &find);
	BCON_APPEND(command, "verbosity", BCON_UTF8("executionStats"));
	return command;
}

static int statement_explain(
	struct mongo *c, const struct statement *statement, store_explain_visit *visit, void *arg)
{
	mongoc_collection_t *collection = mongo_collection_of(c, statement->collection);
	_bson_ bson_t *command = command_of(statement, collection);
	struct store_plan plan = { .statement = statement->name };
	char index[128];
	bson_error_t error;
	bson_t reply;
	int r = 0;

	if (mongoc_collection_command_simple(collection, command, NULL, &reply, &error)) {
		plan.verdict = scan_of(&reply, index, sizeof(index));
		plan.index = index;
		plan.examined = mongo_number_read(&reply, "executionStats.totalDocsExamined", 0);
		plan.returned = mongo_number_read(&reply, "executionStats.nReturned", 0);
		if (statement->flags & SCANNING)
			plan.verdict = "good";
		else if (plan.examined > 10 * MAX(plan.returned, 1))
			plan.verdict = "examines far more than it returns";
		visit(&plan, arg);
	} else {
		r = mongo_failed(c, &error);
	}
	bson_destroy(&reply);
	return r;
}

int mongo_explain(void *connection, store_explain_visit *visit, void *arg)
{
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(statements) && r == 0; i++)
		if (!(statements[i].flags & POLLING) || !mongo_shared.has_change_streams)
			r = statement_explain(connection, &statements[i], visit, arg);
	return r;
}
