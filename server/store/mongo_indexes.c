/*
 * The declared indexes (indexes.h) against those that MongoDB has. At the start only what nobody
 * else uses or what is empty gets indexes; a collection with documents gets them when an operator
 * asks. None is ever dropped unless an operator names it.
 */
#include "store/mongo_db.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "shared/err.h"
#include "store/indexes.h"

/* --- the declared ones --- */

mongoc_collection_t *mongo_collection_of(struct mongo *c, enum index_collection which)
{
	mongoc_collection_t *const collections[] = { [INDEX_USERS] = c->users,
		[INDEX_SESSIONS] = c->sessions,
		[INDEX_STRANGERS] = c->strangers,
		[INDEX_TICKETS] = c->tickets,
		[INDEX_MAILS] = c->mails,
		[INDEX_ENDED] = c->ended,
		[INDEX_KEYS] = c->keys };

	return collections[which];
}

/* Only servers without change streams are polled. */
static bool is_wanted(const struct index *index)
{
	bool is_for_polling =
		index->collection == INDEX_ENDED || strcmp(index->key, "<updated>") == 0;

	return !is_for_polling || !mongo_shared.has_change_streams;
}

static void key_append(bson_t *keys, const char *key)
{
	int direction = *key == '-' ? -1 : 1;

	key += *key == '-';
	bson_append_int32(keys, mongo_field(key), -1, direction);
}

static bson_t *keys_of(const struct index *index)
{
	bson_t *keys = bson_new();

	key_append(keys, index->key);
	if (index->key2)
		key_append(keys, index->key2);
	return keys;
}

static int index_build(struct mongo *c, const struct index *index)
{
	mongoc_collection_t *collection = mongo_collection_of(c, index->collection);
	_bson_ bson_t *command = bson_new(), *keys = keys_of(index);
	bson_t array, item;
	bson_error_t error;

	bson_append_utf8(command, "createIndexes", -1, mongoc_collection_get_name(collection), -1);
	bson_append_array_begin(command, "indexes", -1, &array);
	bson_append_document_begin(&array, "0", -1, &item);
	bson_append_document(&item, "key", -1, keys);
	/* A name of ours: an application may have the usual one for an index of its own. */
	BCON_APPEND(&item, "name", BCON_UTF8(index->name));
	if (index->is_unique)
		bson_append_bool(&item, "unique", -1, true);
	if (index->ttl_s >= 0)
		bson_append_int32(&item, "expireAfterSeconds", -1, index->ttl_s);
	if (index->is_without_case && mongo_shared.has_collation)
		BCON_APPEND(&item, "collation", "{", "locale", BCON_UTF8("en"), "strength",
			BCON_INT32(2), "}");
	bson_append_document_end(&array, &item);
	bson_append_array_end(command, &array);
	if (mongoc_collection_write_command_with_opts(collection, command, NULL, NULL, &error))
		return 0;
	/* What two documents have in common comes last, behind more words than there is room for.
	 */
	return mongo_failed_why(c, strstr(error.message, "dup key") ?: error.message);
}

/* --- those that are there --- */

static void key_text(const bson_t *keys, char *text, size_t bytes)
{
	char *json = bson_as_relaxed_extended_json(keys, NULL);

	(void)snprintf(text, bytes, "%s", json ? json : "?");
	bson_free(json);
}

/* Is it on these keys? In the same order and directions, whatever number type they have. */
static bool has_keys(const bson_t *document, const bson_t *keys)
{
	bson_iter_t there, mine;
	bson_iter_t iter;

	if (!bson_iter_init_find(&iter, document, "key") || !BSON_ITER_HOLDS_DOCUMENT(&iter) ||
		!bson_iter_recurse(&iter, &there) || !bson_iter_init(&mine, keys))
		return false;
	while (bson_iter_next(&mine)) {
		if (!bson_iter_next(&there) ||
			strcmp(bson_iter_key(&there), bson_iter_key(&mine)) != 0 ||
			bson_iter_as_int64(&there) != bson_iter_as_int64(&mine))
			return false;
	}
	return !bson_iter_next(&there);
}

/* "" when it does what the declared one does, else what differs. */
static const char *difference(const struct index *index, const bson_t *document)
{
	if (index->is_unique && !mongo_number_read(document, "unique", 0))
		return "it is not unique";
	if (bson_has_field(document, "partialFilterExpression"))
		return "it covers some documents only";
	if (index->ttl_s != mongo_number_read(document, "expireAfterSeconds", -1))
		return "it removes documents at another time, or never";
	return "";
}

/* The indexes of a collection, each to be destroyed: how many, or an error. None has none. */
static int present_list(
	struct mongo *c, enum index_collection which, bson_t **documents, size_t documents_max)
{
	_cleanup_(mongoc_cursor_destroy_p) mongoc_cursor_t *cursor =
		mongoc_collection_find_indexes_with_opts(mongo_collection_of(c, which), NULL);
	const bson_t *document;
	bson_error_t error;
	size_t count = 0;

	while (count < documents_max && mongoc_cursor_next(cursor, &document))
		documents[count++] = bson_copy(document);
	if (!mongoc_cursor_error(cursor, &error) ||
		error.code == MONGOC_ERROR_COLLECTION_DOES_NOT_EXIST)
		return (int)count;
	for (size_t i = 0; i < count; i++)
		bson_destroy(documents[i]);
	return mongo_failed(c, &error);
}

#define PRESENT_MAX 64 /* MongoDB's own limit for a collection */

/* MongoDB lets indexes on the same keys stand side by side when they compare text in other ways:
 * the usual one of an application, which tells upper from lower case, is not in the way of ours. */
static bool compares_alike(const struct index *index, const bson_t *document)
{
	bool is_without_case = mongo_number_read(document, "collation.strength", 3) <= 2;

	return is_without_case == (index->is_without_case && mongo_shared.has_collation);
}

/* Which of them has the declared keys: the best match, or -1. */
static int present_find(const struct index *index, bson_t *const *documents, int count)
{
	_bson_ bson_t *keys = keys_of(index);
	int found = -1;

	for (int i = 0; i < count; i++) {
		if (!has_keys(documents[i], keys) || !compares_alike(index, documents[i]))
			continue;
		found = i;
		if (!*difference(index, documents[i]))
			break;
	}
	return found;
}

/* --- comparing --- */

static void declared_tell(
	const struct index *index, const bson_t *there, store_index_visit *visit, void *arg)
{
	_bson_ bson_t *keys = keys_of(index);
	struct store_index_status status = { .state = INDEX_PRESENT };
	const char *detail = index->why;

	(void)snprintf(status.name, sizeof(status.name), "%s", index->name);
	key_text(keys, status.key, sizeof(status.key));
	if (!there) {
		status.state = INDEX_MISSING;
	} else if (*difference(index, there)) {
		status.state = INDEX_DIFFERENT;
		detail = difference(index, there);
	}
	status.is_unique = there && mongo_number_read(there, "unique", 0);
	(void)snprintf(status.detail, sizeof(status.detail), "%s", detail);
	visit(&status, arg);
}

static void extra_tell(
	const char *collection, const bson_t *there, store_index_visit *visit, void *arg)
{
	struct store_index_status status = { .state = INDEX_EXTRA,
		.detail = "not ours: an application's, or left from before" };
	char name[64];
	bson_iter_t iter;
	bson_t keys;
	const uint8_t *data;
	uint32_t bytes;

	(void)mongo_text_read(there, "name", name, sizeof(name));
	(void)snprintf(status.name, sizeof(status.name), "%s.%s", collection, name);
	status.is_unique = mongo_number_read(there, "unique", 0);
	if (bson_iter_init_find(&iter, there, "key") && BSON_ITER_HOLDS_DOCUMENT(&iter)) {
		bson_iter_document(&iter, &bytes, &data);
		if (bson_init_static(&keys, data, bytes))
			key_text(&keys, status.key, sizeof(status.key));
	}
	visit(&status, arg);
}

static int collection_check(
	struct mongo *c, enum index_collection which, store_index_visit *visit, void *arg)
{
	bson_t *documents[PRESENT_MAX];
	bool is_ours[PRESENT_MAX] = {};
	_bson_ bson_t *id = BCON_NEW("_id", BCON_INT32(1));
	int count = present_list(c, which, documents, PRESENT_MAX);

	if (count < 0)
		return count;
	for (size_t i = 0; i < indexes_count; i++) {
		int at;

		if (indexes[i].collection != which || !is_wanted(&indexes[i]))
			continue;
		at = present_find(&indexes[i], documents, count);
		if (at >= 0)
			is_ours[at] = true;
		declared_tell(&indexes[i], at < 0 ? NULL : documents[at], visit, arg);
	}
	for (int i = 0; i < count; i++) {
		if (!is_ours[i] && !has_keys(documents[i], id))
			extra_tell(mongoc_collection_get_name(mongo_collection_of(c, which)),
				documents[i], visit, arg);
		bson_destroy(documents[i]);
	}
	return 0;
}

int mongo_indexes_check(void *connection, store_index_visit *visit, void *arg)
{
	int r = 0;

	for (int which = INDEX_USERS; which <= INDEX_ENDED && r == 0; which++)
		if (which != INDEX_ENDED || !mongo_shared.has_change_streams)
			r = collection_check(connection, which, visit, arg);
	return r;
}

/* --- making --- */

#define SMALL_DOCUMENTS_MAX 10000 /* reading all of them takes milliseconds */

static bool has_index(struct mongo *c, const struct index *index)
{
	bson_t *documents[PRESENT_MAX];
	int count = present_list(c, index->collection, documents, PRESENT_MAX), at;
	bool is_there;

	at = count < 0 ? -1 : present_find(index, documents, count);
	is_there = at >= 0 && !*difference(index, documents[at]);
	for (int i = 0; i < count; i++)
		bson_destroy(documents[i]);
	return is_there;
}

static bool is_small(mongoc_collection_t *collection)
{
	bson_error_t error;
	int64_t count =
		mongoc_collection_estimated_document_count(collection, NULL, NULL, NULL, &error);

	return count >= 0 && count <= SMALL_DOCUMENTS_MAX;
}

/* May it be searched by what this index is for? */
static bool is_cheap(struct mongo *c, const char *name)
{
	return has_index(c, index_find(name)) || is_small(c->users);
}

void mongo_searches_choose(struct mongo *c)
{
	atomic_store(&mongo_shared.is_collating,
		mongo_shared.has_collation && is_cheap(c, "users.email"));
	atomic_store(&mongo_shared.is_polling_users, is_cheap(c, "users.updatedAt"));
}

bool mongo_index_is_declared(const char *name)
{
	return index_find(name) != NULL;
}

int mongo_index_create(void *connection, const char *name)
{
	const struct index *index = index_find(name);
	int r = index ? index_build(connection, index) : -ENOENT;

	if (r == 0)
		mongo_searches_choose(connection);
	return r;
}

/* --- dropping --- */

/* The real name of what is called `name` to operators (declared_tell(), extra_tell()); false: it is
 * not in this collection. */
static bool real_name(
	struct mongo *c, enum index_collection which, const char *name, char *real, size_t bytes)
{
	const char *collection = mongoc_collection_get_name(mongo_collection_of(c, which));
	const struct index *index = index_find(name);
	bson_t *documents[PRESENT_MAX];
	int count = present_list(c, which, documents, PRESENT_MAX);
	int at = index && index->collection == which ? present_find(index, documents, count) : -1;
	size_t prefix = strlen(collection);
	char each[64];

	*real = '\0';
	for (int i = 0; i < count; i++) {
		(void)mongo_text_read(documents[i], "name", each, sizeof(each));
		if (i == at || (at < 0 && strncmp(name, collection, prefix) == 0 &&
				       name[prefix] == '.' && !strcmp(name + prefix + 1, each)))
			(void)snprintf(real, bytes, "%s", each);
		bson_destroy(documents[i]);
	}
	return *real;
}

int mongo_index_drop(void *connection, const char *name)
{
	struct mongo *c = connection;
	bson_error_t error;
	char real[64];

	for (enum index_collection which = INDEX_USERS; which <= INDEX_ENDED; which++) {
		if (!real_name(c, which, name, real, sizeof(real)))
			continue;
		if (!mongoc_collection_drop_index(mongo_collection_of(c, which), real, &error))
			return mongo_failed(c, &error);
		mongo_searches_choose(c);
		return 0;
	}
	return -ENOENT;
}

/* --- at the start --- */

/* 1 or 0, or an error. */
static int is_empty(struct mongo *c, mongoc_collection_t *collection)
{
	_bson_ bson_t *filter = bson_new(), *document = NULL;
	int r = mongo_find(c, collection, filter, false, &document);

	return r < 0 ? r : r == 0;
}

/* A server that knows no collations says so here. */
static int index_begin(struct mongo *c, const struct index *index)
{
	int r = index_build(c, index);

	if (r < 0 && index->is_without_case && mongo_shared.has_collation) {
		mongo_shared.has_collation = false;
		r = index_build(c, index);
	}
	return r;
}

/* Two nodes may start at a time: the server makes of two equal wishes one index. */
int mongo_indexes_begin(struct mongo *c)
{
	int is_users_empty = is_empty(c, c->users), r = MIN(is_users_empty, 0);

	for (size_t i = 0; i < indexes_count && r == 0; i++) {
		const struct index *index = &indexes[i];

		if (is_wanted(index) && (index->collection != INDEX_USERS || is_users_empty))
			r = index_begin(c, index);
	}
	if (r == 0)
		mongo_searches_choose(c);
	return r;
}

int mongo_index_progress(void *connection, uint64_t *ret_done, uint64_t *ret_total)
{
	_bson_ bson_t *command = BCON_NEW("currentOp", BCON_INT32(1), "command.createIndexes", "{",
		"$exists", BCON_BOOL(true), "}");
	struct mongo *c = connection;
	bson_error_t error;
	bson_t reply;
	int r = 0;

	if (mongoc_client_command_simple(c->client, "admin", command, NULL, &reply, &error)) {
		*ret_done = (uint64_t)mongo_number_read(&reply, "inprog.0.progress.done", 0);
		*ret_total = (uint64_t)mongo_number_read(&reply, "inprog.0.progress.total", 0);
	} else {
		r = mongo_failed(c, &error);
	}
	bson_destroy(&reply);
	return r;
}
