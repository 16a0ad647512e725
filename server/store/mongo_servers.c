/* The servers of a cluster as the driver knows them: see store_servers() in upkeep.h. */
#include "store/mongo_db.h"

#include <stdio.h>
#include <string.h>

#include "shared/clock.h"

/* The driver's words for operators who know MongoDB's. */
static const char *role_of(const char *type)
{
	static const struct {
		const char *type, *role;
	} roles[] = {
		{ "Standalone", "standalone" },
		{ "Mongos", "router" },
		{ "RSPrimary", "primary" },
		{ "RSSecondary", "secondary" },
		{ "RSArbiter", "arbiter" },
		{ "RSOther", "other member" },
		{ "RSGhost", "ghost" },
		{ "LoadBalancer", "load balancer" },
		{ "PossiblePrimary", "maybe primary" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(roles); i++)
		if (strcmp(type, roles[i].type) == 0)
			return roles[i].role;
	return "unknown";
}

/* When its last write was made, as its last hello told; 0 when it tells no such thing. */
static int64_t written_ms(const mongoc_server_description_t *server)
{
	const bson_t *hello = mongoc_server_description_hello_response(server);

	return hello ? mongo_time_read(hello, "lastWrite.lastWriteDate") : 0;
}

/* Microseconds, or an error and its reason kept. */
static int64_t ping_us(struct mongo *c, uint32_t id)
{
	_bson_ bson_t *ping = BCON_NEW("ping", BCON_INT32(1));
	mongoc_read_prefs_t *any = mongoc_read_prefs_new(MONGOC_READ_NEAREST);
	uint64_t from_ns = clock_now_ns();
	bson_error_t error;
	bson_t reply;
	bool is_good = mongoc_client_command_simple_with_server_id(
		c->client, "admin", ping, any, id, &reply, &error);

	bson_destroy(&reply);
	mongoc_read_prefs_destroy(any);
	return is_good ? (int64_t)((clock_now_ns() - from_ns) / NS_PER_US)
		       : mongo_failed(c, &error);
}

static const char *name_of(const mongoc_server_description_t *server)
{
	/* What it returns is part of the description, which it does not change. */
	return mongoc_server_description_host((mongoc_server_description_t *)server)->host_and_port;
}

static void server_tell(struct mongo *c, const mongoc_server_description_t *description,
	int64_t newest_ms, store_server_visit *visit, void *arg)
{
	int64_t us = ping_us(c, mongoc_server_description_id(description));
	int64_t last_ms = written_ms(description);
	const struct store_server server = { .name = name_of(description),
		.role = role_of(mongoc_server_description_type(description)),
		.ping_us = us < 0 ? -1 : us,
		.lag_ms = last_ms ? newest_ms - last_ms : -1,
		.error = us < 0 ? c->reason : "" };

	visit(&server, arg);
}

/* --- those that the driver does not list, because it does not reach them --- */

static void silent_tell(const char *name, const char *error, store_server_visit *visit, void *arg)
{
	const struct store_server server = {
		.name = name, .role = "unknown", .ping_us = -1, .lag_ms = -1, .error = error
	};

	visit(&server, arg);
}

/* None is reached: those of the URI, and why. */
static void uri_hosts_tell(struct mongo *c, store_server_visit *visit, void *arg)
{
	const mongoc_host_list_t *host = mongoc_uri_get_hosts(mongoc_client_get_uri(c->client));
	_bson_ bson_t *ping = BCON_NEW("ping", BCON_INT32(1));
	bson_error_t error;

	if (mongoc_client_command_simple(c->client, "admin", ping, NULL, NULL, &error))
		(void)snprintf(c->reason, sizeof(c->reason), "it has come back just now");
	else
		(void)mongo_failed(c, &error);
	if (!host) /* mongodb+srv:// */
		silent_tell("", c->reason, visit, arg);
	for (; host; host = host->next)
		silent_tell(host->host_and_port, c->reason, visit, arg);
}

static bool is_listed(mongoc_server_description_t *const *servers, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(name_of(servers[i]), name) == 0)
			return true;
	return false;
}

/* The driver looks for no others behind one server that is named alone. */
static bool is_alone(const struct mongo *c)
{
	const mongoc_uri_t *uri = mongoc_client_get_uri(c->client);
	const mongoc_host_list_t *hosts = mongoc_uri_get_hosts(uri);

	return hosts && !hosts->next && !mongoc_uri_get_replica_set(uri);
}

/* What a member says who the others are. */
static void members_tell(mongoc_server_description_t *const *servers, size_t count,
	store_server_visit *visit, void *arg)
{
	const bson_t *hello = mongoc_server_description_hello_response(servers[0]);
	bson_iter_t iter, host;

	if (!hello || !bson_iter_init_find(&iter, hello, "hosts") ||
		!BSON_ITER_HOLDS_ARRAY(&iter) || !bson_iter_recurse(&iter, &host))
		return;
	while (bson_iter_next(&host))
		if (BSON_ITER_HOLDS_UTF8(&host) &&
			!is_listed(servers, count, bson_iter_utf8(&host, NULL)))
			silent_tell(bson_iter_utf8(&host, NULL), "it is not reached", visit, arg);
}

int mongo_servers(void *connection, store_server_visit *visit, void *arg)
{
	struct mongo *c = connection;
	mongoc_server_description_t **servers;
	int64_t newest_ms = 0;
	size_t count;

	servers = mongoc_client_get_server_descriptions(c->client, &count);
	for (size_t i = 0; i < count; i++)
		newest_ms = MAX(newest_ms, written_ms(servers[i]));
	for (size_t i = 0; i < count; i++)
		server_tell(c, servers[i], newest_ms, visit, arg);
	if (count && !is_alone(c))
		members_tell(servers, count, visit, arg);
	if (!count)
		uri_hosts_tell(c, visit, arg);
	mongoc_server_descriptions_destroy_all(servers, count);
	return 0;
}
