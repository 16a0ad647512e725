/*
 * What OpenSSL's sessions need of the heap, so that `authctl mem show` and a limit in a test can
 * speak of it: its allocator is wrapped, and while a call of tls.c runs, the thread's allocations
 * are added to the account of its core. Frees come from the same calls, so when all sessions have
 * ended what is left is what OpenSSL keeps for the thread: some 10 KiB.
 */
#include "tls/tls_account.h"

#include <malloc.h>
#include <stdlib.h>

#include <openssl/crypto.h>

#include "shared/macros.h"
#include "tls/tls.h"

static __thread _Atomic int64_t *current;

_Atomic int64_t *tls_account_set(_Atomic int64_t *account)
{
	_Atomic int64_t *before = current;

	current = account;
	return before;
}

/* Written by one thread alone: no locked instruction. */
static void add(int64_t bytes)
{
	if (current)
		atomic_store_explicit(current,
			atomic_load_explicit(current, memory_order_relaxed) + bytes,
			memory_order_relaxed);
}

static void *counted_malloc(size_t bytes, _unused_ const char *file, _unused_ int line)
{
	void *memory = malloc(bytes);

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
	add(-(int64_t)malloc_usable_size(memory));
	free(memory);
}

bool tls_account_init(void)
{
	return CRYPTO_set_mem_functions(counted_malloc, counted_realloc, counted_free) == 1;
}
