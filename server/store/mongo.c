/*
 * The store in MongoDB, for any number of authd processes on one cluster: the client pool, what the
 * server can do, and the table of the backend. Next: mongo_db.h, what its files share.
 *
 * A connection of ours is a client of the driver's pool, taken when its thread starts. So there are
 * never more than pool_max to the primary from this process; the driver itself adds one or two for
 * each server that it watches.
 */
#include "store/mongo_db.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/clock.h"
#include "shared/err.h"

static struct {
	pthread_mutex_t lock; /* guards what follows; the driver's locks may follow */
	mongoc_client_pool_t *pool;
	unsigned connections;
	char database[64];
	char why[STORE_WHY_BYTES];
} mongo = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* --- the pool --- */

static void log_nothing(_unused_ mongoc_log_level_t level, _unused_ const char *domain,
	_unused_ const char *message, _unused_ void *data)
{
	/* What fails comes back as an error, and its caller tells it. */
}

static void driver_init(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	(void)pthread_once(&once, mongoc_init);
	mongoc_log_set_handler(log_nothing, NULL);
}

/* What the URI says wins: somebody wrote it there on purpose. */
static void uri_default(mongoc_uri_t *uri, const char *name, unsigned value)
{
	if (!mongoc_uri_has_option(uri, name))
		(void)mongoc_uri_set_option_as_int32(uri, name, (int32_t)value);
}

CLEANUP_P(mongoc_uri_destroy, mongoc_uri_t)

static int pool_open(const struct store_options *options)
{
	_cleanup_(mongoc_uri_destroy_p) mongoc_uri_t *uri = NULL;
	const char *database;
	bson_error_t error;

	driver_init();
	/* Its message may quote the URI, and there the password. */
	uri = mongoc_uri_new_with_error(options->uri, &error);
	if (!uri) {
		(void)snprintf(mongo.why, sizeof(mongo.why),
			"store.uri is no URI of MongoDB, such as mongodb://host:27017/authd or"
			" mongodb+srv://cluster.example.com/authd (a name of three parts, and no port)");
		return -EINVAL;
	}
	uri_default(uri, MONGOC_URI_CONNECTTIMEOUTMS, options->connect_timeout_ms);
	uri_default(uri, MONGOC_URI_SOCKETTIMEOUTMS, options->op_timeout_ms);
	uri_default(uri, MONGOC_URI_SERVERSELECTIONTIMEOUTMS, options->select_timeout_ms);
	if (!mongoc_uri_has_option(uri, MONGOC_URI_RETRYWRITES))
		(void)mongoc_uri_set_option_as_bool(uri, MONGOC_URI_RETRYWRITES, true);
	(void)mongoc_uri_set_appname(uri, "authd");
	database = mongoc_uri_get_database(uri);
	(void)snprintf(mongo.database, sizeof(mongo.database), "%s",
		database && *database ? database : "authd");
	mongo.pool = mongoc_client_pool_new_with_error(uri, &error);
	if (!mongo.pool) { /* mongodb+srv:// asks the DNS; a TLS file may be missing */
		(void)snprintf(mongo.why, sizeof(mongo.why), "mongodb: %.400s", error.message);
		return -ERR_STORE_DOWN;
	}
	mongoc_client_pool_set_error_api(mongo.pool, MONGOC_ERROR_API_VERSION_2);
	mongo_place_watch(mongo.pool);
	mongoc_client_pool_max_size(mongo.pool, UINT32_MAX); /* our threads are the bound */
	return 0;
}

/* --- connections --- */

static mongoc_collection_t *collection(struct mongo *c, const char *name)
{
	mongoc_write_concern_t *write = mongoc_write_concern_new();
	mongoc_read_concern_t *read = mongoc_read_concern_new();
	mongoc_collection_t *made = mongoc_client_get_collection(c->client, mongo.database, name);

	mongoc_write_concern_set_wmajority(write, (int32_t)mongo_shared.op_timeout_ms);
	mongoc_read_concern_set_level(read, MONGOC_READ_CONCERN_LEVEL_MAJORITY);
	mongoc_collection_set_write_concern(made, write);
	mongoc_collection_set_read_concern(made, read);
	mongoc_write_concern_destroy(write);
	mongoc_read_concern_destroy(read);
	return made;
}

/* The driver has no way to shrink its pool, and destroying a client closes its sockets alone: the
 * watching of the servers is the pool's. */
static void mongo_disconnect(void *connection)
{
	struct mongo *c = connection;

	mongoc_collection_destroy(c->users);
	mongoc_collection_destroy(c->sessions);
	mongoc_collection_destroy(c->strangers);
	mongoc_collection_destroy(c->keys);
	mongoc_collection_destroy(c->ended);
	mongoc_collection_destroy(c->tickets);
	mongoc_collection_destroy(c->mails);
	mongoc_database_destroy(c->database);
	mongoc_client_destroy(c->client);
	free(c);
	pthread_mutex_lock(&mongo.lock);
	if (--mongo.connections == 0) {
		mongoc_client_pool_destroy(mongo.pool);
		mongo.pool = NULL;
	}
	pthread_mutex_unlock(&mongo.lock);
}

static void fields_set(const struct store_fields *from)
{
	struct store_fields *to = &mongo_shared.fields;

	*to = (struct store_fields){
		.users = from->users ?: "users",
		.email = from->email ?: "email",
		.password = from->password ?: "password",
		.name = from->name ?: "name",
		.roles = from->roles ?: "roles",
		.verified = from->verified ?: "emailVerified",
		.status = from->status ?: "status",
		.active = from->active ?: "active",
		.created = from->created ?: "createdAt",
		.updated = from->updated ?: "updatedAt",
		.last_login = from->last_login ?: "lastLogin",
		.attempts = from->attempts ?: "loginAttempts.count",
		.locked_until = from->locked_until ?: "loginAttempts.lockUntil",
	};
}

static int first_connect(const struct store_options *options)
{
	int r = pool_open(options);

	if (r < 0)
		return r;
	fields_set(&options->fields);
	mongo_shared.has_collation = mongo_shared.has_change_streams = true; /* until tried */
	mongo_shared.is_collating = false;
	mongo_shared.strangers_max =
		options->strangers_max ? options->strangers_max : STORE_STRANGERS_MAX;
	mongo_shared.op_timeout_ms = options->op_timeout_ms;
	return 0;
}

static int mongo_connect(
	const struct store_options *options, void **ret_connection, const char **ret_why)
{
	struct mongo *c = calloc(1, sizeof(*c));
	int r = 0;

	if (!c)
		return -ENOMEM;
	pthread_mutex_lock(&mongo.lock);
	*ret_why = mongo.why;
	if (mongo.connections == 0)
		r = first_connect(options);
	mongo.connections += r == 0;
	pthread_mutex_unlock(&mongo.lock);
	if (r < 0) {
		free(c);
		return r;
	}
	/* Nothing goes over the network yet: that is the first call's. */
	c->client = mongoc_client_pool_pop(mongo.pool);
	c->database = mongoc_client_get_database(c->client, mongo.database);
	c->users = collection(c, mongo_shared.fields.users);
	c->sessions = collection(c, "authd_sessions");
	c->strangers = collection(c, "authd_strangers");
	c->keys = collection(c, "authd_keys");
	c->ended = collection(c, "authd_ended");
	c->tickets = collection(c, "authd_tickets");
	c->mails = collection(c, "authd_mails");
	c->deadline_ns = CLOCK_NEVER;
	*ret_connection = c;
	return 0;
}

/* --- what the server can do --- */

static int command(struct mongo *c, const char *name, bson_t *reply)
{
	_bson_ bson_t *command = BCON_NEW(name, BCON_INT32(1));
	bson_error_t error;

	return mongoc_client_command_simple(c->client, "admin", command, NULL, reply, &error)
		       ? 0
		       : mongo_failed(c, &error);
}

/* Before anything else asks it: also finds out whether it can be reached at all. */
static int abilities_find(struct mongo *c)
{
	bson_t reply;
	int r = command(c, "ping", &reply);

	bson_destroy(&reply);
	if (r == 0)
		mongo_shared.has_change_streams = mongo_has_change_streams(c);
	return r;
}

static int mongo_migrate(void *connection, const char **ret_why)
{
	struct mongo *c = connection;
	int r = abilities_find(c);

	*ret_why = c->reason;
	return r < 0 ? r : mongo_indexes_begin(c);
}

/* --- the calls --- */

static mongo_call *const calls[STORE_OPS] = {
	[OP_ACCOUNT_CREATE] = mongo_account_create,
	[OP_ACCOUNT_FIND] = mongo_account_find,
	[OP_ACCOUNT_GET] = mongo_account_get,
	[OP_ACCOUNT_RENAME] = mongo_account_rename,
	[OP_LOGIN_FAIL] = mongo_login_fail,
	[OP_LOGIN] = mongo_login,
	[OP_SESSION_FIND] = mongo_session_find,
	[OP_SESSION_END] = mongo_session_end,
	[OP_SESSION_END_BY_REFRESH] = mongo_session_end_by_refresh,
	[OP_SESSIONS_END] = mongo_sessions_end,
	[OP_SESSIONS_END_SOME] = mongo_sessions_end_some,
	[OP_REFRESH] = mongo_refresh,
	[OP_REFRESH_LOOK] = mongo_refresh_look,
	[OP_SESSIONS_LIST] = mongo_sessions_list,
	[OP_ACCOUNTS_LIST] = mongo_accounts_list,
	[OP_ACCOUNTS_PREFIX] = mongo_accounts_prefix,
	[OP_ACCOUNT_CHANGE] = mongo_account_change,
	[OP_ACCOUNT_DELETE] = mongo_account_delete,
	[OP_PASSWORD_CHANGE] = mongo_password_change,
	[OP_TICKET_PUT] = mongo_ticket_put,
	[OP_TICKET_FIND] = mongo_ticket_find,
	[OP_TICKET_USE] = mongo_ticket_use,
	[OP_MAIL_PUT] = mongo_mail_put,
	[OP_MAILS_VIEW] = mongo_mails_view,
	[OP_MAIL_TAKE] = mongo_mail_take,
	[OP_MAIL_DONE] = mongo_mail_done,
	[OP_MAIL_LATER] = mongo_mail_later,
};

static int mongo_run(void *connection, struct store_call *call)
{
	struct mongo *c = connection;
	int r;

	assert(calls[call->op]);
	c->deadline_ns = call->job.deadline_ns ? call->job.deadline_ns : CLOCK_NEVER;
	r = calls[call->op](c, call);
	c->deadline_ns = CLOCK_NEVER;
	return r == -EEXIST ? mongo_failed_why(c, "a unique index forbids it") : r;
}

static int mongo_ping(void *connection, bool is_writing)
{
	struct mongo *c = connection;
	_bson_ bson_t *filter = BCON_NEW("_id", "probe"), *update = NULL;
	bson_t reply;
	int r;

	if (is_writing) {
		update = BCON_NEW("$inc", "{", "count", BCON_INT64(1), "}");
		return mongo_update(c, c->keys, filter, update, true);
	}
	r = command(c, "ping", &reply);
	bson_destroy(&reply);
	return r;
}

static int mongo_sweep(void *connection, int64_t now_ms)
{
	int r, strangers;

	mongo_searches_choose(connection); /* somebody may have built what was missing */
	r = mongo_sessions_sweep(connection, now_ms);
	if (r >= 0)
		r = mongo_tickets_sweep(connection, now_ms);
	if (r < 0)
		return r;
	strangers = mongo_strangers_sweep(connection, now_ms);
	return strangers < 0 ? strangers : strangers >= SWEEP_ROWS;
}

static const char *mongo_reason(void *connection)
{
	return ((struct mongo *)connection)->reason;
}

static void mongo_place(_unused_ const struct store_options *options, struct store_place *ret_place)
{
	*ret_place = (struct store_place){ .database = mongo.database };
	mongo_place_server(ret_place);
}

extern const struct store_backend STORE_MODULE_BACKEND;

__attribute__((visibility("default"))) const struct store_backend STORE_MODULE_BACKEND = {
	.name = "mongodb",
	.connect = mongo_connect,
	.disconnect = mongo_disconnect,
	.migrate = mongo_migrate,
	.run = mongo_run,
	.ping = mongo_ping,
	.sweep = mongo_sweep,
	.place = mongo_place,
	.sessions_count = mongo_sessions_count,
	.keys_load = mongo_keys_load,
	.key_add = mongo_key_add,
	.key_remove = mongo_key_remove,
	.reason = mongo_reason,
	.watch = mongo_watch,
	.indexes_check = mongo_indexes_check,
	.index_is_declared = mongo_index_is_declared,
	.index_create = mongo_index_create,
	.index_drop = mongo_index_drop,
	.index_progress = mongo_index_progress,
	.servers = mongo_servers,
	.explain = mongo_explain,
	.adopt_check = mongo_adopt_check,
	.accounts_scan = mongo_accounts_scan,
	.sessions_scan = mongo_sessions_scan,
	.account_put = mongo_account_put,
	.session_put = mongo_session_record_put,
	.key_put = mongo_key_put,
};
