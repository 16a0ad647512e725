/*
 * Which server calls go to, for spans: all of ours go to the one that takes writes, and the driver
 * tells when that is another one. So no call asks for it.
 */
#include "store/mongo_db.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

/* Members of clusters come and go, but not so many while a process runs; later ones have no name.
 */
#define SERVERS_MAX 64

struct server {
	char host[256]; /* the longest name of DNS has 253 */
	uint16_t port;  /* 0: host is a Unix socket */
};

static struct {
	pthread_mutex_t lock; /* guards the rest; no lock follows */
	unsigned count;
	struct server servers[SERVERS_MAX]; /* never changed once it is there */
} known = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* NULL: none, or one of several. */
static _Atomic(const struct server *) taking;

static const struct server *server_find(const struct server *wanted)
{
	const struct server *found = NULL;

	pthread_mutex_lock(&known.lock);
	for (unsigned i = 0; !found && i < known.count; i++)
		if (known.servers[i].port == wanted->port &&
			strcmp(known.servers[i].host, wanted->host) == 0)
			found = &known.servers[i];
	if (!found && known.count < SERVERS_MAX) {
		known.servers[known.count] = *wanted;
		found = &known.servers[known.count++];
	}
	pthread_mutex_unlock(&known.lock);
	return found;
}

static bool takes_writes(const mongoc_server_description_t *server)
{
	static const char *const types[] = { "RSPrimary", "Standalone", "Mongos", "LoadBalancer" };
	const char *type = mongoc_server_description_type(server);

	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (strcmp(type, types[i]) == 0)
			return true;
	return false;
}

/* On a thread of the driver. */
static void on_changed(const mongoc_apm_topology_changed_t *event)
{
	size_t count = 0, takers = 0;
	mongoc_server_description_t **servers = mongoc_topology_description_get_servers(
		mongoc_apm_topology_changed_get_new_description(event), &count);
	struct server server = {};

	for (size_t i = 0; i < count; i++) {
		const mongoc_host_list_t *host;

		if (!takes_writes(servers[i]))
			continue;
		host = mongoc_server_description_host(servers[i]);
		server.port = host->family == AF_UNIX ? 0 : host->port;
		(void)snprintf(server.host, sizeof(server.host), "%s", host->host);
		takers++;
	}
	mongoc_server_descriptions_destroy_all(servers, count);
	atomic_store(&taking, takers == 1 ? server_find(&server) : NULL);
}

void mongo_place_watch(mongoc_client_pool_t *pool)
{
	mongoc_apm_callbacks_t *callbacks = mongoc_apm_callbacks_new();

	mongoc_apm_set_topology_changed_cb(callbacks, on_changed);
	(void)mongoc_client_pool_set_apm_callbacks(pool, callbacks, NULL);
	mongoc_apm_callbacks_destroy(callbacks);
}

void mongo_place_server(struct store_place *place)
{
	const struct server *server = atomic_load(&taking);

	if (!server)
		return;
	place->host = server->host;
	place->port = server->port;
}
