/* The queue of the hashing threads, for password.c; the rest of them is in password.h. */
#pragma once

struct job_queue;

/* NULL before the start and after the end. */
struct job_queue *password_threads_queue(void);
