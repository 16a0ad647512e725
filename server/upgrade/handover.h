/*
 * What two daemons say to each other while the older hands over: one byte each, on a socket that
 * the newer inherits. successor.c is the older side, predecessor.c the newer.
 *
 *   newer                        older
 *   READY   everything is started, nothing is accepted
 *                                GO     we accept no more, it is your turn
 *   SERVING every core accepts
 *                                FREE   so are the operator's socket, the audit file, metrics,
 *                                       and the service manager has been told who is its main
 * process (end)  everything that was in progress is finished
 *
 * Whoever ends early closes the socket: before SERVING the older goes on as if nothing had been;
 * a newer that finds the older gone goes on alone.
 */
#pragma once

#define HANDOVER_READY 'R'
#define HANDOVER_GO 'G'
#define HANDOVER_SERVING 'S'
#define HANDOVER_FREE 'F'

/* "CHANNEL:STDERR:NUMBER": descriptors of the socket, and of where the older one's errors go; how
 * many upgrades this makes. What the newer writes to its own standard error is read by the older,
 * until FREE. */
#define HANDOVER_VARIABLE "AUTHD_HANDOVER"

/* Names of inherited descriptors that are no HTTP listeners. */
#define HANDOVER_CONTROL "authctl"
#define HANDOVER_METRICS "metrics"
/* A pipe that has what tls_tickets_pack() made, if there are keys. */
#define HANDOVER_TICKETS "tickets"

/* Each has to answer the other's turn within this: a message to every core. */
#define HANDOVER_TURN_MS 5000
/* How often either empties its caches while both change the store: what one revokes the other
 * accepts no longer than this. */
#define HANDOVER_SHARED_MS 100
