/*
 * What other nodes change, told within a second: by a change stream where the server has them; else
 * by polling a collection to which every node writes what it ends, and the accounts that were
 * updated lately. While neither works nothing that is cached may be trusted, and that is told too.
 */
#include "store/mongo_db.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "shared/clock.h"

#define FIELD(name) (mongo_shared.fields.name)
#define AWAIT_MS 400 /* how long closing waits for the stream at most */
#define TRIAL_MS 1   /* the start would wait as long for an event that need not come */
#define POLL_MS 400
#define BLIND_MS 800
/* Clocks of nodes may differ so much: what is as old is read again. */
#define SKEW_MS 5000
#define POLL_ROWS_MAX 1000
#define TOLD_MAX 1024 /* remembered, so that reading again does not tell again */

CLEANUP_P(mongoc_change_stream_destroy, mongoc_change_stream_t)

int mongo_ended_note(struct mongo *c, enum store_change change, const char *id)
{
	_bson_ bson_t *document = NULL;

	if (mongo_shared.has_change_streams)
		return 0;
	document = BCON_NEW("change", BCON_INT32((int32_t)change), "of", BCON_UTF8(id), "at",
		BCON_DATE_TIME(clock_wall_ms()));
	return mongo_insert(c, c->ended, document);
}

static void nap(unsigned ms)
{
	const struct timespec time = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L };

	(void)nanosleep(&time, NULL);
}

/* --- change streams --- */

static mongoc_change_stream_t *stream_open(struct mongo *c, int64_t await_ms)
{
	_bson_ bson_t *pipeline = BCON_NEW("pipeline", "[", "{", "$match", "{", "$or", "[", "{",
		"ns.coll", BCON_UTF8("authd_sessions"), "operationType", BCON_UTF8("delete"), "}",
		"{", "ns.coll", BCON_UTF8(FIELD(users)), "operationType", "{", "$in", "[",
		BCON_UTF8("update"), BCON_UTF8("replace"), BCON_UTF8("delete"), "]", "}", "}", "]",
		"}", "}", "]");
	_bson_ bson_t *opts = BCON_NEW("maxAwaitTimeMS", BCON_INT64(await_ms));

	return mongoc_database_watch(c->database, pipeline, opts);
}

/* Is this only what logins and failures change of an account? */
static bool is_bookkeeping(const bson_t *event)
{
	const char *const kept[] = { FIELD(attempts), FIELD(locked_until), FIELD(last_login) };
	bson_iter_t iter, fields, field, removed;

	if (!bson_iter_init(&iter, event) ||
		!bson_iter_find_descendant(&iter, "updateDescription.updatedFields", &fields) ||
		!bson_iter_recurse(&fields, &field))
		return false;
	if (bson_iter_init(&iter, event) &&
		bson_iter_find_descendant(&iter, "updateDescription.removedFields.0", &removed))
		return false;
	while (bson_iter_next(&field)) {
		bool is_kept = false;

		for (size_t i = 0; i < ARRAY_SIZE(kept); i++) {
			/* loginAttempts may come as a whole when it was made. */
			size_t length = strlen(bson_iter_key(&field));

			is_kept |= strncmp(kept[i], bson_iter_key(&field), length) == 0 &&
				   (kept[i][length] == '\0' || kept[i][length] == '.');
		}
		if (!is_kept && strcmp(bson_iter_key(&field), FIELD(password)) != 0)
			return false;
	}
	return true;
}

static void event_tell(const bson_t *event, store_watcher *watcher)
{
	char collection[128], id[STORE_ID_BYTES_MAX + 1];

	if (!mongo_text_read(event, "ns.coll", collection, sizeof(collection)) ||
		!mongo_text_read(event, "documentKey._id", id, sizeof(id)))
		watcher(STORE_ANYTHING, ""); /* not ours to understand, but not to ignore either */
	else if (strcmp(collection, FIELD(users)) != 0)
		watcher(STORE_SESSION_ENDED, id);
	else if (!is_bookkeeping(event))
		watcher(STORE_ACCOUNT_CHANGED, id);
}

/* Until it fails or all is over; the driver itself resumes what can be resumed. */
static void stream_follow(struct mongo *c, store_watcher *watcher, const _Atomic bool *is_closing)
{
	_cleanup_(mongoc_change_stream_destroy_p) mongoc_change_stream_t *stream =
		stream_open(c, AWAIT_MS);
	const bson_t *event;
	bson_error_t error;
	bool is_seen = false;

	while (!*is_closing) {
		if (mongoc_change_stream_next(stream, &event)) {
			event_tell(event, watcher);
			continue;
		}
		if (mongoc_change_stream_error_document(stream, &error, NULL)) {
			(void)mongo_failed(c, &error);
			return;
		}
		if (!is_seen) /* what was missed before it stood */
			watcher(STORE_ANYTHING, "");
		is_seen = true;
	}
}

/* Does the server have them? Servers that speak its protocol may claim to be a replica set. */
bool mongo_has_change_streams(struct mongo *c)
{
	_cleanup_(mongoc_change_stream_destroy_p) mongoc_change_stream_t *stream =
		stream_open(c, TRIAL_MS);
	const bson_t *event;
	bson_error_t error;

	return mongoc_change_stream_next(stream, &event) ||
	       !mongoc_change_stream_error_document(stream, &error, NULL);
}

/* --- polling --- */

struct poll {
	int64_t from_ms; /* what is newer is read */
	uint64_t told[TOLD_MAX];
	unsigned told_next;
};

/* FNV-1a of what was told; a collision hides one change of some 2^64. */
static uint64_t digest_of(enum store_change change, const char *id, int64_t at_ms)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325) ^ (uint64_t)change ^ (uint64_t)at_ms << 8;

	for (; *id; id++)
		hash = (hash ^ (unsigned char)*id) * UINT64_C(0x100000001b3);
	return hash | 1; /* 0 is an empty place */
}

static bool is_told(struct poll *poll, uint64_t digest)
{
	for (unsigned i = 0; i < TOLD_MAX; i++)
		if (poll->told[i] == digest)
			return true;
	poll->told[poll->told_next++ % TOLD_MAX] = digest;
	return false;
}

static void row_tell(
	struct poll *poll, const bson_t *row, const char *time_field, store_watcher *watcher)
{
	bool is_account = time_field == FIELD(updated);
	enum store_change change = STORE_ACCOUNT_CHANGED;
	int64_t at_ms = mongo_time_read(row, time_field);
	char id[STORE_ID_BYTES_MAX + 1];
	bson_iter_t iter;

	(void)mongo_text_read(row, is_account ? "_id" : "of", id, sizeof(id));
	if (!is_account && bson_iter_init_find(&iter, row, "change"))
		change = (enum store_change)bson_iter_as_int64(&iter);
	if (!is_told(poll, digest_of(change, id, at_ms)))
		watcher(change, id);
}

static int rows_poll(struct mongo *c, struct poll *poll, mongoc_collection_t *collection,
	const char *time_field, store_watcher *watcher)
{
	_bson_ bson_t *filter =
		BCON_NEW(time_field, "{", "$gte", BCON_DATE_TIME(poll->from_ms - SKEW_MS), "}");
	_bson_ bson_t *opts = BCON_NEW("limit", BCON_INT64(POLL_ROWS_MAX));
	_cleanup_(mongoc_cursor_destroy_p) mongoc_cursor_t *cursor =
		mongoc_collection_find_with_opts(collection, filter, opts, NULL);
	const bson_t *row;
	bson_error_t error;
	unsigned rows = 0;

	while (mongoc_cursor_next(cursor, &row)) {
		row_tell(poll, row, time_field, watcher);
		rows++;
	}
	if (mongoc_cursor_error(cursor, &error))
		return mongo_failed(c, &error);
	if (rows == POLL_ROWS_MAX) /* there may be more than we were told */
		watcher(STORE_ANYTHING, "");
	return 0;
}

static void poll_follow(struct mongo *c, store_watcher *watcher, const _Atomic bool *is_closing)
{
	struct poll poll = { .from_ms = clock_wall_ms() };

	watcher(STORE_ANYTHING, "");
	while (!*is_closing) {
		int64_t now_ms = clock_wall_ms();

		if (rows_poll(c, &poll, c->ended, "at", watcher) < 0)
			return;
		if (mongo_shared.is_polling_users &&
			rows_poll(c, &poll, c->users, FIELD(updated), watcher) < 0)
			return;
		poll.from_ms = now_ms;
		nap(POLL_MS);
	}
}

void mongo_watch(void *connection, store_watcher *watcher, const _Atomic bool *is_closing)
{
	struct mongo *c = connection;

	while (!*is_closing) {
		if (mongo_shared.has_change_streams)
			stream_follow(c, watcher, is_closing);
		else
			poll_follow(c, watcher, is_closing);
		if (*is_closing)
			break;
		watcher(STORE_ANYTHING, "");
		nap(BLIND_MS);
	}
}
