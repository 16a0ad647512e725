/* Embedded lists and registries: order, removal at every place, and many threads. */
#include "support/test.h"

#include <pthread.h>

#include "core/registry.h"
#include "shared/list.h"
#include "shared/macros.h"

struct item {
	unsigned number;
	struct list_link link;
	struct registry_member member;
};

#define ITEMS 4

/* The numbers in the order of the list, as digits; the way back must say the same. */
static unsigned digits(const struct list *list)
{
	unsigned forth = 0, back = 0, place = 1;

	for (struct list_link *link = list->first; link; link = link->next)
		forth = forth * 10 + container_of(link, struct item, link)->number;
	for (struct list_link *link = list->last; link; link = link->prev, place *= 10)
		back += place * container_of(link, struct item, link)->number;
	assert_int_equal(forth, back);
	return forth;
}

static void fill(struct list *list, struct item items[static ITEMS])
{
	*list = (struct list){};
	for (unsigned i = 0; i < ITEMS; i++) {
		items[i].number = i + 1;
		list_append(list, &items[i].link);
	}
}

TEST(a_list_keeps_the_order)
{
	struct item items[ITEMS];
	struct list list;

	fill(&list, items);
	assert_int_equal(digits(&list), 1234);
}

TEST(any_link_can_be_removed)
{
	static const unsigned left[ITEMS] = { 234, 134, 124, 123 };
	struct item items[ITEMS];
	struct list list;

	for (unsigned i = 0; i < ITEMS; i++) {
		fill(&list, items);
		list_remove(&list, &items[i].link);
		assert_int_equal(digits(&list), left[i]);
		list_append(&list, &items[i].link);
		assert_int_equal(digits(&list), left[i] * 10 + i + 1);
	}
}

TEST(an_emptied_list_is_empty)
{
	struct item items[ITEMS];
	struct list list;

	fill(&list, items);
	while (list.first)
		list_remove(&list, list.first);
	assert_null(list.last);
	list_append(&list, &items[2].link);
	assert_int_equal(digits(&list), 3);
}

static struct registry registry = REGISTRY_INITIALIZER;

static unsigned registered(void)
{
	unsigned number = 0;

	for (struct registry_member *member = registry_hold(&registry); member;
		member = member->next)
		number = number * 10 + container_of(member, struct item, member)->number;
	registry_release(&registry);
	return number;
}

TEST(a_registry_lists_in_the_order_of_making)
{
	struct item items[ITEMS];

	assert_int_equal(registered(), 0);
	for (unsigned i = 0; i < ITEMS; i++) {
		items[i].number = i + 1;
		registry_add(&registry, &items[i].member);
	}
	assert_int_equal(registered(), 1234);
	registry_remove(&registry, &items[1].member);
	registry_remove(&registry, &items[1].member); /* as if it had never been there */
	assert_int_equal(registered(), 134);
	registry_remove(&registry, &items[0].member);
	registry_remove(&registry, &items[3].member);
	registry_remove(&registry, &items[2].member);
	assert_int_equal(registered(), 0);
}

static void *come_and_go(void *arg)
{
	for (unsigned i = 0; i < 2000; i++) {
		struct item item = { .number = 1 };

		registry_add(&registry, &item.member);
		(void)registered();
		registry_remove(&registry, &item.member);
	}
	return arg;
}

TEST(threads_come_and_go)
{
	pthread_t threads[3];

	for (unsigned i = 0; i < ARRAY_SIZE(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, come_and_go, NULL), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(threads); i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(registered(), 0);
}
