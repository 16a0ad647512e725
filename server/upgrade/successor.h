/*
 * The next daemon: starts the program again, as it is on the disk now, with the same arguments, and
 * hands it the listening sockets. Whatever goes wrong before it serves, this one serves on. How the
 * two speak is in handover.h.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct control_upgrade_step;

/* argv is main()'s, untouched, and stays. First thing: the program's path is asked for before it
 * can be replaced. */
void successor_init(char **argv);

/* What the next one will run; "" when the system does not tell. */
const char *successor_program(void);

/*
 * Any thread. The next daemon must be ready within ready_ms. 0: it is on its way, and
 * successor_step() tells how far; -EBUSY: one is already, or the one before us has not ended;
 * -ERR_DRAINING: we are ending; -EPERM: we are process 1 of a container, which would end with us;
 * -EMFILE, -ENOMEM... Whoever asks says successor_told() when he has
 * been answered: the operator's socket is closed then, or seconds later.
 */
int successor_start(uint64_t ready_ms);

/* The step after the first `seen` ones: false when there is none yet. */
bool successor_step(unsigned seen, struct control_upgrade_step *ret_step);
void successor_told(void);

/*
 * Main thread, when the daemon ends, for whatever reason (SIGUSR2 comes when one has taken over):
 * ends a hand-over that is under way. True: another daemon serves.
 */
bool successor_settle(void);
bool successor_is_serving(void);

/* When the operator's socket and everything else that there is once is closed: the next one may
 * have it. */
void successor_free(void);
