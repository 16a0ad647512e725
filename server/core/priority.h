/*
 * Who gets a processor first: threads that serve, before threads that compute. Both calls concern
 * the calling thread, need no privilege, and may be refused (a seccomp filter, an old kernel): then
 * all are equal, which only costs latency under load.
 */
#pragma once

/*
 * For a thread that works in short bursts (a core): it asks for short slices, and since Linux 6.12
 * one that wakes up with a shorter slice than that of whoever runs goes first, at once. Its share
 * of the processor stays the same. 0 or -errno.
 */
int priority_prompt(void);

/*
 * For a thread that computes as much as it gets (hashing): nice 10, a tenth of what others get
 * while they want it, and all of it while they do not. Not SCHED_IDLE, which would be a little
 * prompter for the others: any busy process of the machine could then stop all logins. 0 or -errno.
 */
int priority_yielding(void);
