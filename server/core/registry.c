/* Lists of what there is: see registry.h. */
#include "core/registry.h"

#include <stddef.h>

void registry_add(struct registry *registry, struct registry_member *member)
{
	struct registry_member **link = &registry->first;

	member->next = NULL;
	pthread_mutex_lock(&registry->lock);
	while (*link)
		link = &(*link)->next;
	*link = member;
	pthread_mutex_unlock(&registry->lock);
}

void registry_remove(struct registry *registry, struct registry_member *member)
{
	struct registry_member **link = &registry->first;

	pthread_mutex_lock(&registry->lock);
	while (*link && *link != member)
		link = &(*link)->next;
	if (*link)
		*link = member->next;
	pthread_mutex_unlock(&registry->lock);
}

struct registry_member *registry_hold(struct registry *registry)
{
	pthread_mutex_lock(&registry->lock);
	return registry->first;
}

void registry_release(struct registry *registry)
{
	pthread_mutex_unlock(&registry->lock);
}
