/*
 * Messages from other threads to a core: an unbounded-by-itself intrusive queue of many producers
 * and one consumer (each item is owned by a bounded pool, so the queue is bounded by its
 * producers).
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>

struct inbox_item {
	_Atomic(struct inbox_item *) next;
	void (*on_core)(
		struct inbox_item *item); /* runs on the receiving core; may free the item */
};

struct inbox {
	_Atomic(struct inbox_item *) head; /* newest; a stack that the consumer reverses */
	_Atomic bool is_sleeping;
	int wake_fd; /* eventfd, written only when the core sleeps */
};

/* 0 or -errno. */
int inbox_init(struct inbox *inbox);
void inbox_deinit(struct inbox *inbox);

/* Any thread. The item must not be in an inbox already. */
void inbox_send(struct inbox *inbox, struct inbox_item *item);

/* The owner: runs everything that has arrived, oldest first; returns how many. */
unsigned inbox_drain(struct inbox *inbox);

/* The owner, before it sleeps: false when something arrived meanwhile and it must not sleep. */
bool inbox_sleep(struct inbox *inbox);
void inbox_awake(struct inbox *inbox);
