/*
 * What OpenSSL allocates for sessions, counted and wiped: private to the folder, see tls_account.c.
 */
#pragma once

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

/* Between these two calls what the thread allocates goes to the account (NULL: nobody's). */
void tls_account_begin(_Atomic int64_t *account);
void tls_account_end(void);

/* From then on, until the end: a record's buffer that is freed has held so many bytes, which were
 * decrypted in it: they are wiped, and *bytes is 0 then. */
void tls_account_wipe(size_t *bytes);
