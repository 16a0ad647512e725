/* The inbox: order, several real producers, and that no wake-up is ever lost. */
#include "support/test.h"

#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include "core/inbox.h"
#include "shared/macros.h"

#define PRODUCERS 4
#define MESSAGES 20000 /* each; enough for thousands of sleeps that race with a message */
#define LOST_MS 20000  /* a lost wake-up shows as a poll that finds nothing for so long */

struct message {
	struct inbox_item item;
	unsigned producer, number;
};

static struct message messages[PRODUCERS][MESSAGES];
static unsigned next_number[PRODUCERS];
static unsigned received;
static struct inbox inbox;

static void on_message(struct inbox_item *item)
{
	struct message *message = container_of(item, struct message, item);

	assert_int_equal(message->number, next_number[message->producer]);
	next_number[message->producer]++;
	received++;
}

static struct message *message_of(unsigned producer, unsigned number)
{
	struct message *message = &messages[producer][number];

	*message = (struct message){
		.item.on_core = on_message, .producer = producer, .number = number
	};
	return message;
}

static void begin(void)
{
	for (unsigned i = 0; i < PRODUCERS; i++)
		next_number[i] = 0;
	received = 0;
	assert_int_equal(inbox_init(&inbox), 0);
}

static bool is_woken(int timeout_ms)
{
	struct pollfd fd = { .fd = inbox.wake_fd, .events = POLLIN };

	return poll(&fd, 1, timeout_ms) == 1;
}

TEST(messages_come_in_the_order_they_were_sent)
{
	begin();
	assert_int_equal(inbox_drain(&inbox), 0);
	for (unsigned i = 0; i < 5; i++)
		inbox_send(&inbox, &message_of(0, i)->item);
	assert_int_equal(inbox_drain(&inbox), 5);
	assert_int_equal(received, 5);
	assert_int_equal(inbox_drain(&inbox), 0);
	inbox_deinit(&inbox);
}

TEST(an_owner_that_is_awake_is_not_written_to)
{
	begin();
	inbox_send(&inbox, &message_of(0, 0)->item);
	assert_false(is_woken(0));
	inbox_drain(&inbox);
	inbox_deinit(&inbox);
}

TEST(a_sleeping_owner_is_woken_once)
{
	uint64_t count;

	begin();
	assert_true(inbox_sleep(&inbox));
	inbox_send(&inbox, &message_of(0, 0)->item);
	inbox_send(&inbox, &message_of(0, 1)->item);
	assert_true(is_woken(0));
	assert_int_equal(read(inbox.wake_fd, &count, sizeof(count)), sizeof(count));
	assert_int_equal(count, 1);
	inbox_awake(&inbox);
	assert_int_equal(inbox_drain(&inbox), 2);
	inbox_deinit(&inbox);
}

TEST(nobody_sleeps_on_a_message)
{
	begin();
	inbox_send(&inbox, &message_of(0, 0)->item);
	assert_false(inbox_sleep(&inbox));
	assert_false(inbox.is_sleeping);
	inbox_drain(&inbox);
	inbox_deinit(&inbox);
}

static unsigned again_left;

static void on_again(struct inbox_item *item)
{
	if (again_left-- > 0)
		inbox_send(&inbox, item);
}

TEST(a_message_sent_by_a_message_waits_for_the_next_drain)
{
	struct inbox_item item = { .on_core = on_again };

	begin();
	again_left = 2;
	inbox_send(&inbox, &item);
	assert_int_equal(inbox_drain(&inbox), 1);
	assert_int_equal(inbox_drain(&inbox), 1);
	assert_int_equal(inbox_drain(&inbox), 1);
	assert_int_equal(inbox_drain(&inbox), 0);
	inbox_deinit(&inbox);
}

static void *produce(void *arg)
{
	unsigned producer = (unsigned)(uintptr_t)arg;

	for (unsigned i = 0; i < MESSAGES; i++) {
		inbox_send(&inbox, &message_of(producer, i)->item);
		if (i % 16 == producer)
			sched_yield(); /* lets the owner fall asleep between */
	}
	return NULL;
}

TEST(no_wake_up_is_lost_between_threads)
{
	pthread_t threads[PRODUCERS];
	uint64_t count;

	begin();
	for (uintptr_t i = 0; i < PRODUCERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, produce, (void *)i), 0);
	while (received < PRODUCERS * MESSAGES) {
		inbox_drain(&inbox);
		if (received == PRODUCERS * MESSAGES || !inbox_sleep(&inbox))
			continue;
		assert_true(is_woken(LOST_MS));
		assert_int_equal(read(inbox.wake_fd, &count, sizeof(count)), sizeof(count));
		inbox_awake(&inbox);
	}
	for (unsigned i = 0; i < PRODUCERS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(inbox_drain(&inbox), 0);
	inbox_deinit(&inbox);
}
