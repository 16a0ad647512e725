/*
 * What OpenSSL's sessions need of the heap, so that `authctl mem show` and a limit in a test can
 * speak of it: its allocator is wrapped, and while a call of tls.c runs, the thread's allocations
 * are added to the account of its core. Frees come from the same calls, so when all sessions have
 * ended what is left is what OpenSSL keeps for the thread: some 10 KiB.
 *
 * The buffer in which a record was decrypted goes back to the heap after each record. OpenSSL would
 * wipe it (SSL_OP_CLEANSE_PLAINTEXT), but all of its 16 KiB and byte by byte: a tenth of what a
 * small request costs. Here the part that was written is wiped.
 */
#include "tls/tls_account.h"

#include <malloc.h>
#include <stdlib.h>

#include <openssl/crypto.h>
#include <openssl/ssl3.h>

#include "shared/macros.h"
#include "shared/secret.h"
#include "tls/tls.h"

/* In front of a record's bytes: alignment, and what belongs to the cipher. */
#define RECORD_FRONT_BYTES 64

static __thread struct {
	_Atomic int64_t *account;
	size_t *dirty_bytes;
} current;

void tls_account_begin(_Atomic int64_t *account)
{
	current.account = account;
}

void tls_account_end(void)
{
	current.account = NULL;
	current.dirty_bytes = NULL;
}

void tls_account_wipe(size_t *bytes)
{
	current.dirty_bytes = bytes;
}

/* Written by one thread alone: no locked instruction. */
static void add(int64_t bytes)
{
	if (current.account)
		atomic_store_explicit(current.account,
			atomic_load_explicit(current.account, memory_order_relaxed) + bytes,
			memory_order_relaxed);
}

static void *counted_malloc(size_t bytes, _unused_ const char *file, _unused_ int line)
{
	void *memory = malloc(bytes);

	if (current.account)
		add((int64_t)malloc_usable_size(memory));
	return memory;
}

static void *counted_realloc(
	void *memory, size_t bytes, _unused_ const char *file, _unused_ int line)
{
	int64_t before = (int64_t)malloc_usable_size(memory);
	void *moved = realloc(memory, bytes);

	if (moved || !bytes)
		add((int64_t)malloc_usable_size(moved) - before);
	return moved;
}

static void counted_free(void *memory, _unused_ const char *file, _unused_ int line)
{
	size_t bytes = current.account && memory ? malloc_usable_size(memory) : 0;

	add(-(int64_t)bytes);
	if (current.dirty_bytes && bytes >= SSL3_RT_MAX_PLAIN_LENGTH) {
		secret_wipe(memory, MIN(bytes, *current.dirty_bytes + RECORD_FRONT_BYTES));
		*current.dirty_bytes = 0;
	}
	free(memory);
}

bool tls_account_init(void)
{
	return CRYPTO_set_mem_functions(counted_malloc, counted_realloc, counted_free) == 1;
}
