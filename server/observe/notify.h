/*
 * What the service manager is told, in the protocol of sd_notify(3): datagrams to $NOTIFY_SOCKET.
 * Without that variable nothing is sent and nothing runs. A thread of its own answers the
 * manager's watchdog, and only as long as every core turns: a daemon with one stuck core loses a
 * share of its clients, so it is to be restarted. See also systemd.service(5), WatchdogSec=.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/*
 * Reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID; after cores_start(). 0 (also when nobody
 * wants to know), or -errno: then nothing will be told.
 */
int notify_start(void);
/* Ends the thread. Nothing is told any more. */
void notify_stop(void);

/* Any thread. status: one line of text for people (`systemctl status`). */
void notify_ready(const char *status);
void notify_reloading(void); /* until the next notify_ready() */
/* It may take stop_ms from now until the process has ended, whatever the manager's own limit. */
void notify_stopping(const char *status, uint64_t stop_ms);

/* Another process is the service's main one from now on: only the present one may say so, and what
 * it says afterwards is not heard. */
void notify_main_pid(int pid);

/*
 * The manager keeps a duplicate of fd, gives it to the next process of the service, and forgets it
 * when the service is stopped (FileDescriptorStoreMax=). One that it has is not kept twice. What it
 * does not keep is lost at the next restart, no sooner.
 */
void notify_store(int fd, const char *name);
void notify_unstore(const char *name); /* all of that name */

/* Returns when the manager has done what it was told before; after a second in any case. */
void notify_barrier(void);

/*
 * The watchdog's question, apart for tests; one thread. Has every core that still runs taken the
 * message of the call before? If so each is sent another one; the first call only sends.
 */
bool notify_cores_turned(void);
