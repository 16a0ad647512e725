/*
 * A list through links that are embedded in what it lists: append, remove and take the first in
 * constant time, no memory of its own. An empty one is zeroed. container_of() (macros.h) finds what
 * a link is in.
 */
#pragma once

#include <stddef.h>

struct list_link {
	struct list_link *next, *prev;
};

struct list {
	struct list_link *first, *last;
};

static inline void list_append(struct list *list, struct list_link *link)
{
	*link = (struct list_link){ .prev = list->last };
	if (list->last)
		list->last->next = link;
	else
		list->first = link;
	list->last = link;
}

static inline void list_remove(struct list *list, struct list_link *link)
{
	if (link->prev)
		link->prev->next = link->next;
	else
		list->first = link->next;
	if (link->next)
		link->next->prev = link->prev;
	else
		list->last = link->prev;
}
