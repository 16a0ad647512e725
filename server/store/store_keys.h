/*
 * Signing keys in the store. Blocking: on the main thread before the cores start, and then on one
 * other thread. Errors as in store.h. Which of them signs is auth/'s to decide.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STORE_KID_BYTES_MAX 64
#define STORE_KEY_BYTES_MAX 8192
#define STORE_KEYS_MAX 8

struct store_key {
	char kid[STORE_KID_BYTES_MAX + 1];
	char algorithm[8]; /* "ES256", ... */
	char material[STORE_KEY_BYTES_MAX + 1];
	size_t material_bytes;
	bool is_active; /* the latest: it signs, or will (auth/rotation.h) */
	int64_t created_ms;
};

/* Every key, the active one first, then newest first: how many, at most STORE_KEYS_MAX. The caller
 * wipes them. */
int store_keys_load(struct store_key keys[static STORE_KEYS_MAX]);

/*
 * Adds a key and makes it the active one, unless there is an active one of the same algorithm that
 * was made after newer_than_ms (another process was first): 1 or 0. The oldest gives way when there
 * are STORE_KEYS_MAX.
 */
int store_key_add(const struct store_key *key, int64_t newer_than_ms);

/* Removes one that is not active: 1, or 0 when there is none of this id. */
int store_key_remove(const char *kid);

/* Why the last of these failed with -ERR_STORE_DOWN. */
const char *store_keys_reason(void);
