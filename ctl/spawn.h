/* Other programs that the operator asks for: a pager, the system's shell. */
#pragma once

#include <stdio.h>
#include <sys/types.h>

/* Runs `sh -c command`, which reads what is written to *ret_pipe. 0 or -errno. */
int spawn_reader(const char *command, FILE **ret_pipe, pid_t *ret_pid);

/* Runs `sh -c command` on the terminal and waits for it. Its exit code, or -errno. */
int spawn_wait(const char *command);

/* Waits for one: its exit code, 128 and more for a signal, or -errno. */
int spawn_reap(pid_t pid);
