/*
 * What there is of a kind (pools, queues, caches), in the order in which it was made, so that an
 * operator can see all of it. Members are embedded in what they list. Any thread.
 */
#pragma once

#include <pthread.h>

struct registry_member {
	struct registry_member *next;
};

struct registry {
	pthread_mutex_t lock; /* no other is taken under it */
	struct registry_member *first;
};

#define REGISTRY_INITIALIZER                                                                       \
	{                                                                                          \
		.lock = PTHREAD_MUTEX_INITIALIZER                                                  \
	}

void registry_add(struct registry *registry, struct registry_member *member);

/* Nobody looks at it any more when this returns. Does nothing for what was never added. */
void registry_remove(struct registry *registry, struct registry_member *member);

/* The first, NULL when there is none: nothing is added or removed until registry_release(). */
struct registry_member *registry_hold(struct registry *registry);
void registry_release(struct registry *registry);
