/*
 * The listening sockets of all cores together: held while they are handed to another process, open
 * again when that comes to nothing. One thread at a time calls these.
 */
#pragma once

/* Before the cores start, whose servers are held from the beginning. */
void doors_start_held(void);

/* Every core accepts no more; who connects waits in the kernel. 0; -ETIMEDOUT: a core does not
 * answer, whose index is in *ret_core. doors_open() undoes what was done. */
int doors_hold(unsigned timeout_ms, unsigned *ret_core);

/* Every core accepts. As above; a core that is late does it as soon as it turns. */
int doors_open(unsigned timeout_ms, unsigned *ret_core);
