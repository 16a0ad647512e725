/* Sockets and cores: see listening.h. */
#include "start/listening.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/core.h"
#include "core/inherit.h"
#include "core/listener.h"
#include "observe/log.h"
#include "observe/notify.h"
#include "shared/macros.h"

#define NAME_BYTES 64 /* FDNAME may have 255; ours have eight */
/* Every core's own for every address, and everything that was inherited. */
#define ROWS_MAX (CORES_MAX * CONFIG_LISTEN_MAX * HTTP_LISTENS + INHERITED_MAX)

enum kind {
	ROW_OWN,     /* of one core, in the store of the service manager */
	ROW_SHARED,  /* the service manager's: kept for the next daemon, not served itself */
	ROW_COPY,    /* of a shared one, for one core */
	ROW_LEAVING, /* of an address that is no longer configured */
};

struct row {
	enum kind kind;
	enum http_listen serves;
	int fd;
	unsigned core;
	char name[NAME_BYTES];
};

static struct {
	struct row rows[ROWS_MAX];
	unsigned count;
	unsigned served[CORES_MAX]; /* rows of each core */
} listening;

/* --- names --- */

static const char *const fronts[HTTP_LISTENS] = { [HTTP_LISTEN_PLAIN] = "http-",
	[HTTP_LISTEN_TLS] = "https-",
	[HTTP_LISTEN_REDIRECT] = "redirect-" };

static void name_print(char name[static NAME_BYTES], enum http_listen serves, unsigned core)
{
	(void)snprintf(name, NAME_BYTES, "%s%02u", fronts[serves], core);
}

/* The core of one of our names, or -EINVAL. ret_serves may be NULL. */
static int name_parse(const char *name, enum http_listen *ret_serves)
{
	for (enum http_listen serves = 0; serves < HTTP_LISTENS; serves++) {
		uint64_t core;

		if (!str_starts(str_cstr(name), str_cstr(fronts[serves])) ||
			str_to_u64(str_cstr(name + strlen(fronts[serves])), &core) < 0 ||
			core >= CORES_MAX)
			continue;
		if (ret_serves)
			*ret_serves = serves;
		return (int)core;
	}
	return -EINVAL;
}

/* --- rows --- */

static int row_add(enum kind kind, enum http_listen serves, int fd, unsigned core, const char *name)
{
	struct row *row = &listening.rows[listening.count];

	if (listening.count == ROWS_MAX ||
		(kind != ROW_SHARED && listening.served[core] == HTTP_LISTENERS_MAX)) {
		close(fd);
		return -EMFILE;
	}
	*row = (struct row){ .kind = kind, .serves = serves, .fd = fd, .core = core };
	(void)snprintf(row->name, sizeof(row->name), "%s", name);
	listening.count++;
	listening.served[core] += kind != ROW_SHARED;
	return 0;
}

/* What listener_open() sets, which another maker may not have. Accepted sockets inherit it. */
static void socket_tune(int fd)
{
	const int on = 1;

	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

/* The inherited socket at an address: our own of that core, or (core negative) a foreign one. */
static struct inherited *inherited_find(const struct address *address, int core)
{
	struct inherited *row;

	for (unsigned i = 0; (row = inherited_at(i)); i++) {
		struct address theirs;
		int named = name_parse(row->name, NULL);

		if (!row->is_taken && (core < 0 ? named < 0 : named == core) &&
			listener_address(row->fd, &theirs) == 0 && address_equal(&theirs, address))
			return row;
	}
	return NULL;
}

/* An address that served something else before keeps its socket, under the name that it has. */
static int core_open(
	const struct address *address, enum http_listen serves, int backlog, unsigned core)
{
	struct inherited *row = inherited_find(address, (int)core);
	char name[NAME_BYTES];
	int fd, r = 0;

	name_print(name, serves, core);
	if (row) {
		row->is_taken = true;
		fd = row->fd;
		(void)snprintf(name, sizeof(name), "%s", row->name);
	} else {
		r = listener_open(address, backlog, &fd);
	}
	return r < 0 ? r : row_add(ROW_OWN, serves, fd, core, name);
}

static int shared_open(struct inherited *shared, enum http_listen serves, unsigned cores)
{
	int r = 0;

	shared->is_taken = true;
	socket_tune(shared->fd);
	for (unsigned core = 0; r == 0 && core < cores; core++) {
		int fd = fcntl(shared->fd, F_DUPFD_CLOEXEC, 0);

		r = fd < 0 ? -errno : row_add(ROW_COPY, serves, fd, core, shared->name);
	}
	return r < 0 ? r : row_add(ROW_SHARED, serves, shared->fd, 0, shared->name);
}

/* Then the daemon before us has it, and shares it. */
static bool is_port_inherited(const struct address *address)
{
	struct inherited *row;

	for (unsigned i = 0; (row = inherited_at(i)); i++) {
		struct address theirs;

		if (listener_address(row->fd, &theirs) == 0 &&
			address_port(&theirs) == address_port(address))
			return true;
	}
	return false;
}

static int address_open(const char *text, enum http_listen serves, unsigned cores, int backlog)
{
	struct inherited *shared;
	struct address address;
	int r = address_parse(str_cstr(text), &address);

	if (r < 0)
		return r;
	shared = inherited_find(&address, -1);
	if (shared)
		return shared_open(shared, serves, cores);
	if (!is_port_inherited(&address))
		r = listener_probe(&address);
	for (unsigned core = 0; r == 0 && core < cores; core++)
		r = core_open(&address, serves, backlog, core);
	return r;
}

static const struct config_list *list_of(const struct config *config, enum http_listen serves)
{
	switch (serves) {
	case HTTP_LISTEN_TLS:
		return &config->tls.listen;
	case HTTP_LISTEN_REDIRECT:
		return &config->tls.redirect_listen;
	default:
		return &config->http.listen;
	}
}

/* --- what nobody asked for --- */

static bool is_listed(const struct config_list *addresses, const struct address *theirs)
{
	for (unsigned i = 0; i < addresses->count; i++) {
		struct address address;

		if (address_parse(str_cstr(addresses->items[i]), &address) == 0 &&
			address_equal(&address, theirs))
			return true;
	}
	return false;
}

/* What the configuration says of an address; false: nothing. */
static bool is_configured(
	const struct config *config, const struct address *theirs, enum http_listen *ret_serves)
{
	for (enum http_listen serves = 0; serves < HTTP_LISTENS; serves++)
		if (is_listed(list_of(config, serves), theirs)) {
			*ret_serves = serves;
			return true;
		}
	return false;
}

static int rest_take(const struct config *config, unsigned cores)
{
	struct inherited *row;
	int r = 0;

	for (unsigned i = 0; r == 0 && (row = inherited_at(i)); i++) {
		enum http_listen serves = HTTP_LISTEN_PLAIN;
		int core = name_parse(row->name, &serves);
		struct address theirs;
		enum kind kind;

		if (row->is_taken || listener_address(row->fd, &theirs) < 0)
			continue; /* another part's */
		if (core < 0) {
			log_event(LOG_LEVEL_WARN, "listening.unknown",
				STR("a socket of the service manager is not served: its address is"
				    " not in [http] or [tls] listen"),
				LOG_TEXT("name", str_cstr(row->name)));
			continue;
		}
		row->is_taken = true;
		kind = is_configured(config, &theirs, &serves) ? ROW_OWN : ROW_LEAVING;
		r = row_add(kind, serves, row->fd, (unsigned)core % cores, row->name);
	}
	return r;
}

int listening_start(
	const struct config *config, unsigned cores, int backlog, const char **ret_where)
{
	int r = 0;

	for (enum http_listen serves = 0; serves < HTTP_LISTENS; serves++) {
		const struct config_list *addresses = list_of(config, serves);

		for (unsigned i = 0; r == 0 && i < addresses->count; i++) {
			*ret_where = addresses->items[i];
			r = address_open(addresses->items[i], serves, cores, backlog);
		}
	}
	if (r < 0)
		return r;
	*ret_where = "sockets of the service manager";
	return rest_take(config, cores);
}

const char *listening_why(int error)
{
	switch (error) {
	case -EADDRINUSE:
		return "Address already in use: ss -ltnp tells by whom";
	case -EADDRNOTAVAIL:
		return "Cannot assign requested address: no interface has it, see ip addr";
	case -EACCES:
		return "Permission denied: ports below 1024 need CAP_NET_BIND_SERVICE";
	default:
		return NULL;
	}
}

/* --- what became of it --- */

unsigned listening_of(unsigned core, struct listening_socket ret_sockets[static HTTP_LISTENERS_MAX])
{
	unsigned count = 0;

	for (unsigned i = 0; i < listening.count; i++)
		if (listening.rows[i].core == core && listening.rows[i].kind != ROW_SHARED)
			ret_sockets[count++] = (struct listening_socket){ listening.rows[i].fd,
				listening.rows[i].serves };
	return count;
}

void listening_each(void (*visit)(int fd, const char *name, void *arg), void *arg)
{
	for (unsigned i = 0; i < listening.count; i++)
		if (listening.rows[i].kind != ROW_COPY)
			visit(listening.rows[i].fd, listening.rows[i].name, arg);
}

/* --- the service manager, and the end of an address --- */

void listening_keep(void)
{
	/* A name may stand for sockets of several addresses: first all of them go. */
	for (unsigned i = 0; i < listening.count; i++)
		if (listening.rows[i].kind == ROW_LEAVING)
			notify_unstore(listening.rows[i].name);
	for (unsigned i = 0; i < listening.count; i++)
		if (listening.rows[i].kind == ROW_OWN)
			notify_store(listening.rows[i].fd, listening.rows[i].name);
}

struct retirement {
	struct inbox_item item;
	int fd;
};

static void on_core(struct inbox_item *item)
{
	struct retirement *retirement = container_of(item, struct retirement, item);

	if (core_current()->app)
		http_server_unlisten(core_current()->app, retirement->fd);
	free(retirement);
}

/* Without memory it stays open, and served, to the end of the process. */
static void retire(const struct row *row)
{
	struct retirement *retirement = malloc(sizeof(*retirement));

	if (!retirement)
		return;
	*retirement = (struct retirement){ .item.on_core = on_core, .fd = row->fd };
	inbox_send(&core_at(row->core)->inbox, &retirement->item);
}

void listening_retire(void)
{
	bool is_told = false;
	unsigned kept = 0;

	for (unsigned i = 0; i < listening.count; i++) {
		const struct row *row = &listening.rows[i];

		if (row->kind != ROW_LEAVING) {
			listening.rows[kept++] = *row;
			continue;
		}
		if (!is_told)
			notify_barrier();
		is_told = true;
		retire(row);
	}
	listening.count = kept;
}
