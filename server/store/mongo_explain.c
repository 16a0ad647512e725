/* How MongoDB would run each of our statements: see store_explain() in upkeep.h. */
#include "store/mongo_db.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "store/indexes.h"

#define FIELD(name) (mongo_shared.fields.name)
#define STAGES_MAX 16 /* of a plan, one below the other */

struct statement {
	const char *name;
	enum index_collection collection;
	const char *filter; /* JSON; %s is a field of the map */
	const char *field;
	bool is_without_case;
};

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

static int statement_explain(
	struct mongo *c, const struct statement *statement, store_explain_visit *visit, void *arg)
{
	mongoc_collection_t *collection = mongo_collection_of(c, statement->collection);
	_bson_ bson_t *filter = NULL, *command = bson_new();
	struct store_plan plan = { .statement = statement->name };
	char json[256], index[128];
	bson_error_t error;
	bson_t find, reply;
	int r = 0;

	(void)snprintf(json, sizeof(json), statement->filter, statement->field);
	filter = bson_new_from_json((const uint8_t *)json, -1, &error);
	if (!filter)
		return -EINVAL;
	bson_append_document_begin(command, "explain", -1, &find);
	bson_append_utf8(&find, "find", -1, mongoc_collection_get_name(collection), -1);
	bson_append_document(&find, "filter", -1, filter);
	if (statement->is_without_case && mongo_shared.is_collating)
		BCON_APPEND(&find, "collation", "{", "locale", BCON_UTF8("en"), "strength",
			BCON_INT32(2), "}");
	bson_append_document_end(command, &find);
	BCON_APPEND(command, "verbosity", BCON_UTF8("executionStats"));
	if (mongoc_collection_command_simple(collection, command, NULL, &reply, &error)) {
		plan.verdict = scan_of(&reply, index, sizeof(index));
		plan.index = index;
		plan.examined = mongo_number_read(&reply, "executionStats.totalDocsExamined", 0);
		plan.returned = mongo_number_read(&reply, "executionStats.nReturned", 0);
		if (plan.examined > 10 * MAX(plan.returned, 1))
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
	const struct statement statements[] = {
		{ "account_find", INDEX_USERS, "{\"%s\":\"a@b.example\"}", FIELD(email), true },
		{ "account_get", INDEX_USERS, "{\"%s\":\"x\"}", "_id", false },
		{ "account_find_stranger", INDEX_STRANGERS, "{\"%s\":\"x\"}", "_id", false },
		{ "session_find", INDEX_SESSIONS, "{\"%s\":\"x\"}", "_id", false },
		{ "sessions_end", INDEX_SESSIONS, "{\"%s\":\"x\"}", "user", false },
		{ "refresh", INDEX_SESSIONS, "{\"%s\":\"x\"}", "tokens.h", false },
		{ "sweep_sessions", INDEX_SESSIONS, "{\"%s\":{\"$lte\":{\"$date\":0}}}",
			"idleUntil", false },
		{ "sweep_strangers", INDEX_STRANGERS, "{\"%s\":{\"$lte\":{\"$date\":0}}}", "seenAt",
			false },
	};
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(statements) && r == 0; i++)
		r = statement_explain(connection, &statements[i], visit, arg);
	return r;
}
