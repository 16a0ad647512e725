/* The list of configurations: see generations.h. */
#include "config/generations.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct {
	struct generation *kept[GENERATIONS_MAX]; /* oldest first */
	unsigned count;
	uint64_t last; /* number given */
	struct generation *current;
} list;

/* Forgets the oldest that is not in use. */
static void make_room(void)
{
	unsigned victim = list.kept[0] == list.current ? 1 : 0;

	if (list.count < GENERATIONS_MAX)
		return;
	free(list.kept[victim]);
	memmove(&list.kept[victim], &list.kept[victim + 1],
		(list.count - victim - 1) * sizeof(list.kept[0]));
	list.count--;
}

int generation_add(const struct generation *generation, uint64_t *ret_number)
{
	struct generation *copy = malloc(sizeof(*copy));

	if (!copy)
		return -ENOMEM;
	make_room();
	*copy = *generation;
	copy->number = ++list.last;
	copy->is_undone = false;
	list.kept[list.count++] = copy;
	list.current = copy;
	*ret_number = copy->number;
	return 0;
}

int generation_undo(void)
{
	struct generation *before = NULL;

	for (unsigned i = 0; i < list.count && list.kept[i] != list.current; i++)
		if (!list.kept[i]->is_undone)
			before = list.kept[i];
	if (!before)
		return -ENOENT;
	list.current->is_undone = true;
	list.current = before;
	return 0;
}

const struct generation *generation_current(void)
{
	return list.current;
}

const struct generation *generation_find(uint64_t number)
{
	for (unsigned i = 0; i < list.count; i++)
		if (list.kept[i]->number == number)
			return list.kept[i];
	return NULL;
}

const struct generation *generation_at(unsigned i)
{
	return i < list.count ? list.kept[list.count - 1 - i] : NULL;
}

void generations_deinit(void)
{
	for (unsigned i = 0; i < list.count; i++)
		free(list.kept[i]);
	memset(&list, 0, sizeof(list));
}
