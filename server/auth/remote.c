/* Changes made elsewhere reach the caches of this process: see remote.h. */
#include "auth/remote.h"

#include <stdlib.h>
#include <string.h>

#include "auth/caches.h"
#include "core/core.h"
#include "shared/macros.h"

/* Under way to all cores together; a core that is so far behind forgets everything instead. */
#define MESSAGES_MAX 4096

struct message {
	struct inbox_item item;
	enum store_change change;
	char id[STORE_ID_BYTES_MAX + 1];
};

static _Atomic unsigned messages;
static _Atomic bool has_begun;

/* One for each core, so that forgetting everything needs no memory. */
static struct all {
	struct inbox_item item;
	_Atomic bool is_sent;
} all[CORES_MAX];

static void all_arrived(struct inbox_item *item)
{
	/* Before forgetting: a change that comes meanwhile is told again. */
	atomic_store(&container_of(item, struct all, item)->is_sent, false);
	(void)caches_flush_here(STR("tokens"), "");
	(void)caches_flush_here(STR("users"), "");
}

static void all_send(struct core *core)
{
	struct all *mine = &all[core->index];

	if (atomic_exchange(&mine->is_sent, true))
		return;
	mine->item.on_core = all_arrived;
	inbox_send(&core->inbox, &mine->item);
}

static void message_arrived(struct inbox_item *item)
{
	struct message *message = container_of(item, struct message, item);

	(void)caches_flush_here(STR("tokens"), message->id);
	if (message->change == STORE_ACCOUNT_CHANGED)
		(void)caches_flush_here(STR("users"), message->id);
	free(message);
	atomic_fetch_sub(&messages, 1);
}

static void message_send(struct core *core, enum store_change change, const char *id)
{
	bool has_room = atomic_fetch_add(&messages, 1) < MESSAGES_MAX;
	struct message *message = has_room ? calloc(1, sizeof(*message)) : NULL;

	if (!message) {
		atomic_fetch_sub(&messages, 1);
		all_send(core);
		return;
	}
	message->item.on_core = message_arrived;
	message->change = change;
	memcpy(message->id, id, strlen(id) + 1);
	inbox_send(&core->inbox, &message->item);
}

void remote_change(enum store_change change, const char *id)
{
	bool is_known = change != STORE_ANYTHING && *id && strlen(id) <= STORE_ID_BYTES_MAX;

	if (!atomic_load(&has_begun))
		return;
	for (unsigned i = 0; i < cores_count(); i++) {
		if (is_known)
			message_send(core_at(i), change, id);
		else
			all_send(core_at(i));
	}
}

void remote_begin(void)
{
	atomic_store(&has_begun, true);
	remote_change(STORE_ANYTHING, "");
}
