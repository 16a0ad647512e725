/*
 * The calls of store_loop.c as a program makes them that has nothing but libmongoc: one client on
 * each thread, one call after the other, the least that the work needs. mongo-loop URI SECONDS
 * CALLS prints for each call its name, how many were made per second, and microseconds of CPU for
 * one.
 */
#include <mongoc/mongoc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

#define ACCOUNTS 200
#define CALLS_MAX 64
#define TOKEN_BYTES 32

/* One thread's. Of the accounts it has those whose number is its own, modulo all threads. */
struct caller {
	pthread_t thread;
	unsigned number;
	mongoc_client_t *client;
	mongoc_collection_t *users, *sessions;
	uint64_t done;
	bool has_failed;
};

static mongoc_uri_t *uri;
static double seconds;
static unsigned calls;
static struct caller callers[CALLS_MAX];
/* The token that each account's session has now. */
static uint8_t tokens[ACCOUNTS][TOKEN_BYTES];

typedef bool operation(struct caller *caller, unsigned account);
static operation *present;

static double now_s(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static int64_t now_ms(void)
{
	return (int64_t)(now_s(CLOCK_REALTIME) * 1000);
}

static bool find_one(mongoc_collection_t *collection, const char *key, const char *value)
{
	bson_t *filter = BCON_NEW(key, BCON_UTF8(value));
	bson_t *opts = BCON_NEW("limit", BCON_INT64(1));
	mongoc_cursor_t *cursor = mongoc_collection_find_with_opts(collection, filter, opts, NULL);
	const bson_t *document;
	bool is_found = mongoc_cursor_next(cursor, &document);

	mongoc_cursor_destroy(cursor);
	bson_destroy(opts);
	bson_destroy(filter);
	return is_found;
}

static bool session_put(
	struct caller *caller, const char *id, const char *user, const uint8_t *token)
{
	int64_t now = now_ms();
	bson_t *document = BCON_NEW("_id", BCON_UTF8(id), "user", BCON_UTF8(user), "agent", "agent",
		"address", "192.0.2.1", "createdAt", BCON_DATE_TIME(now), "usedAt",
		BCON_DATE_TIME(now), "tokens", "[", "{", "h",
		BCON_BIN(BSON_SUBTYPE_BINARY, token, TOKEN_BYTES), "c", BCON_DATE_TIME(now), "}",
		"]");
	bool is_done = mongoc_collection_insert_one(caller->sessions, document, NULL, NULL, NULL);

	bson_destroy(document);
	return is_done;
}

/* --- the calls --- */

static bool account_find(struct caller *caller, unsigned account)
{
	char email[64];

	(void)snprintf(email, sizeof(email), "user%u@example.org", account);
	return find_one(caller->users, "email", email);
}

static bool session_find(struct caller *caller, unsigned account)
{
	char session[64], user[64];

	(void)snprintf(session, sizeof(session), "session%u", account);
	(void)snprintf(user, sizeof(user), "id%u", account);
	return find_one(caller->sessions, "_id", session) && find_one(caller->users, "_id", user);
}

static bool login(struct caller *caller, unsigned account)
{
	static _Atomic unsigned logins;
	uint8_t token[TOKEN_BYTES];
	char session[64], user[64];
	bson_t *filter, *update;
	bool is_done;

	(void)snprintf(session, sizeof(session), "login%u", logins++);
	(void)snprintf(user, sizeof(user), "id%u", account);
	filter = BCON_NEW("_id", BCON_UTF8(user));
	update = BCON_NEW("$set", "{", "lastLogin", BCON_DATE_TIME(now_ms()), "}");
	is_done = mongoc_collection_update_one(caller->users, filter, update, NULL, NULL, NULL) &&
		  getrandom(token, sizeof(token), 0) == sizeof(token) &&
		  session_put(caller, session, user, token);
	bson_destroy(update);
	bson_destroy(filter);
	return is_done;
}

static bool refresh(struct caller *caller, unsigned account)
{
	uint8_t token[TOKEN_BYTES];
	int64_t now = now_ms();
	bson_t *filter, *update, reply;
	bool is_done;

	if (getrandom(token, sizeof(token), 0) != sizeof(token))
		return false;
	filter = BCON_NEW("tokens.h", BCON_BIN(BSON_SUBTYPE_BINARY, tokens[account], TOKEN_BYTES));
	update = BCON_NEW("$set", "{", "usedAt", BCON_DATE_TIME(now), "tokens", "[", "{", "h",
		BCON_BIN(BSON_SUBTYPE_BINARY, token, TOKEN_BYTES), "c", BCON_DATE_TIME(now), "}",
		"]", "}");
	is_done = mongoc_collection_find_and_modify(caller->sessions, filter, NULL, update, NULL,
			  false, false, false, &reply, NULL) &&
		  bson_has_field(&reply, "value._id");
	memcpy(tokens[account], token, sizeof(token));
	bson_destroy(&reply);
	bson_destroy(update);
	bson_destroy(filter);
	return is_done;
}

/* --- making and measuring --- */

static bool index_make(
	struct caller *caller, const char *collection, const char *key, bool is_unique)
{
	mongoc_database_t *database =
		mongoc_client_get_database(caller->client, mongoc_uri_get_database(uri));
	bson_t *command = BCON_NEW("createIndexes", BCON_UTF8(collection), "indexes", "[", "{",
		"key", "{", key, BCON_INT32(1), "}", "name", BCON_UTF8(key), "unique",
		BCON_BOOL(is_unique), "}", "]");
	bool is_done = mongoc_database_write_command_with_opts(database, command, NULL, NULL, NULL);

	bson_destroy(command);
	mongoc_database_destroy(database);
	return is_done;
}

static bool account_make(struct caller *caller, unsigned account)
{
	char user[64], email[64], session[64];
	bson_t *document;
	bool is_done;

	(void)snprintf(user, sizeof(user), "id%u", account);
	(void)snprintf(email, sizeof(email), "user%u@example.org", account);
	(void)snprintf(session, sizeof(session), "session%u", account);
	document = BCON_NEW("_id", BCON_UTF8(user), "email", BCON_UTF8(email), "name", "User",
		"password", "hash", "roles", "[", "user", "]", "status", "active", "createdAt",
		BCON_DATE_TIME(now_ms()));
	is_done = mongoc_collection_insert_one(caller->users, document, NULL, NULL, NULL) &&
		  getrandom(tokens[account], TOKEN_BYTES, 0) == TOKEN_BYTES &&
		  session_put(caller, session, user, tokens[account]);
	bson_destroy(document);
	return is_done;
}

static bool all_make(struct caller *caller)
{
	bool is_done = index_make(caller, "users", "email", true) &&
		       index_make(caller, "sessions", "tokens.h", true) &&
		       index_make(caller, "sessions", "user", false);

	for (unsigned i = 0; i < ACCOUNTS && is_done; i++)
		is_done = account_make(caller, i);
	return is_done;
}

static void *caller_main(void *arg)
{
	struct caller *caller = arg;
	double end_s = now_s(CLOCK_MONOTONIC) + seconds;
	unsigned account = caller->number;

	while (now_s(CLOCK_MONOTONIC) < end_s && !caller->has_failed) {
		caller->has_failed = !present(caller, account);
		caller->done++;
		account = account + calls < ACCOUNTS ? account + calls : caller->number;
	}
	return NULL;
}

static bool measure(const char *name, operation *call)
{
	double began_s = now_s(CLOCK_MONOTONIC), cpu_s = now_s(CLOCK_PROCESS_CPUTIME_ID);
	uint64_t done = 0;
	bool has_failed = false;

	present = call;
	for (unsigned i = 0; i < calls; i++) {
		callers[i].done = 0;
		if (pthread_create(&callers[i].thread, NULL, caller_main, &callers[i]) != 0)
			return false;
	}
	for (unsigned i = 0; i < calls; i++) {
		pthread_join(callers[i].thread, NULL);
		done += callers[i].done;
		has_failed |= callers[i].has_failed;
	}
	began_s = now_s(CLOCK_MONOTONIC) - began_s;
	cpu_s = now_s(CLOCK_PROCESS_CPUTIME_ID) - cpu_s;
	(void)printf("%s %.1f %.1f\n", name, (double)done / began_s, cpu_s * 1e6 / (double)done);
	return !has_failed;
}

static void callers_open(mongoc_client_pool_t *pool)
{
	mongoc_write_concern_t *write = mongoc_write_concern_new();
	mongoc_read_concern_t *read = mongoc_read_concern_new();

	mongoc_write_concern_set_wmajority(write, 5000);
	mongoc_read_concern_set_level(read, MONGOC_READ_CONCERN_LEVEL_MAJORITY);
	for (unsigned i = 0; i < calls; i++) {
		struct caller *caller = &callers[i];

		caller->number = i;
		caller->client = mongoc_client_pool_pop(pool);
		mongoc_client_set_write_concern(caller->client, write);
		mongoc_client_set_read_concern(caller->client, read);
		caller->users = mongoc_client_get_collection(
			caller->client, mongoc_uri_get_database(uri), "users");
		caller->sessions = mongoc_client_get_collection(
			caller->client, mongoc_uri_get_database(uri), "sessions");
	}
	mongoc_read_concern_destroy(read);
	mongoc_write_concern_destroy(write);
}

int main(int argc, char **argv)
{
	mongoc_client_pool_t *pool;
	bool is_good;

	if (argc != 4)
		return EXIT_FAILURE;
	seconds = strtod(argv[2], NULL);
	calls = (unsigned)strtoul(argv[3], NULL, 10);
	if (!calls || calls > CALLS_MAX)
		return EXIT_FAILURE;
	mongoc_init();
	uri = mongoc_uri_new(argv[1]);
	pool = uri ? mongoc_client_pool_new(uri) : NULL;
	if (!pool)
		return EXIT_FAILURE;
	callers_open(pool);
	is_good = all_make(&callers[0]) && measure("account_find", account_find) &&
		  measure("session_find", session_find) && measure("refresh", refresh) &&
		  measure("login", login);
	/* The rest goes with the process. */
	return is_good ? EXIT_SUCCESS : EXIT_FAILURE;
}
