/* Counting what OpenSSL allocates for sessions: private to the folder, see tls_account.c. */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

/* Whose account the calling thread's allocations go to; NULL for nobody's. Returns the one before.
 */
_Atomic int64_t *tls_account_set(_Atomic int64_t *account);
