/*
 * Signing keys in MongoDB: all in one document, {_id: "signing", version, keys: [...]}, so that of
 * two nodes that start at a time one makes the key and the other finds it.
 */
#include "store/mongo_db.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/secret.h"

struct keys {
	int64_t version; /* -1: there is no document yet */
	int count;
	struct store_key items[STORE_KEYS_MAX];
};

static void keys_free(struct keys *keys)
{
	secret_wipe(keys, sizeof(*keys));
	free(keys);
}
CLEANUP_P(keys_free, struct keys)

/* --- the document --- */

static void key_take(const bson_iter_t *item, struct keys *keys)
{
	struct store_key *key = &keys->items[keys->count];
	bson_iter_t field;

	if (keys->count == STORE_KEYS_MAX || !bson_iter_recurse(item, &field))
		return;
	*key = (struct store_key){};
	while (bson_iter_next(&field)) {
		const char *name = bson_iter_key(&field);
		const uint8_t *data;
		uint32_t bytes;

		if (strcmp(name, "kid") == 0 && BSON_ITER_HOLDS_UTF8(&field)) {
			(void)snprintf(
				key->kid, sizeof(key->kid), "%s", bson_iter_utf8(&field, NULL));
		} else if (strcmp(name, "algorithm") == 0 && BSON_ITER_HOLDS_UTF8(&field)) {
			(void)snprintf(key->algorithm, sizeof(key->algorithm), "%s",
				bson_iter_utf8(&field, NULL));
		} else if (strcmp(name, "active") == 0) {
			key->is_active = bson_iter_as_bool(&field);
		} else if (strcmp(name, "createdAt") == 0 && BSON_ITER_HOLDS_DATE_TIME(&field)) {
			key->created_ms = bson_iter_date_time(&field);
		} else if (strcmp(name, "material") == 0 && BSON_ITER_HOLDS_BINARY(&field)) {
			bson_iter_binary(&field, NULL, &bytes, &data);
			key->material_bytes = MIN(bytes, STORE_KEY_BYTES_MAX);
			memcpy(key->material, data, key->material_bytes);
		}
	}
	keys->count++;
}

/* Active first, then newest first: they are written in this order. */
static int keys_read(struct mongo *c, struct keys *keys)
{
	_bson_ bson_t *filter = BCON_NEW("_id", "signing"), *document = NULL;
	bson_iter_t iter, item;
	int r = mongo_find(c, c->keys, filter, false, &document);

	keys->version = -1;
	keys->count = 0;
	if (r <= 0)
		return r;
	if (bson_iter_init_find(&iter, document, "version"))
		keys->version = bson_iter_as_int64(&iter);
	if (bson_iter_init_find(&iter, document, "keys") && BSON_ITER_HOLDS_ARRAY(&iter) &&
		bson_iter_recurse(&iter, &item)) {
		while (bson_iter_next(&item))
			key_take(&item, keys);
	}
	return 0;
}

static void keys_append(bson_t *bson, const struct keys *keys)
{
	bson_t array, item;
	char index[16];

	bson_append_array_begin(bson, "keys", -1, &array);
	for (int i = 0; i < keys->count; i++) {
		const struct store_key *key = &keys->items[i];

		(void)snprintf(index, sizeof(index), "%d", i);
		bson_append_document_begin(&array, index, -1, &item);
		BCON_APPEND(&item, "kid", BCON_UTF8(key->kid), "algorithm",
			BCON_UTF8(key->algorithm), "active", BCON_BOOL(key->is_active), "createdAt",
			BCON_DATE_TIME(key->created_ms));
		bson_append_binary(&item, "material", -1, BSON_SUBTYPE_BINARY,
			(const uint8_t *)key->material, (uint32_t)key->material_bytes);
		bson_append_document_end(&array, &item);
	}
	bson_append_array_end(bson, &array);
}

/* 1, or 0 when another node has written meanwhile. */
static int keys_write(struct mongo *c, const struct keys *keys)
{
	_bson_ bson_t *filter = BCON_NEW("_id", "signing", "version", BCON_INT64(keys->version));
	_bson_ bson_t *document = NULL, *update = NULL;
	bson_t fields;
	int r;

	if (keys->version < 0) {
		document = BCON_NEW("_id", "signing", "version", BCON_INT64(0));
		keys_append(document, keys);
		r = mongo_insert(c, c->keys, document);
		return r == -EEXIST ? 0 : r;
	}
	update = bson_new();
	bson_append_document_begin(update, "$set", -1, &fields);
	bson_append_int64(&fields, "version", -1, keys->version + 1);
	keys_append(&fields, keys);
	bson_append_document_end(update, &fields);
	return mongo_update(c, c->keys, filter, update, false);
}

/* --- the calls --- */

int mongo_keys_load(void *connection, struct store_key *items)
{
	_cleanup_(keys_free_p) struct keys *keys = calloc(1, sizeof(*keys));
	int r;

	if (!keys)
		return -ENOMEM;
	r = keys_read(connection, keys);
	if (r < 0)
		return r;
	memcpy(items, keys->items, (size_t)keys->count * sizeof(*items));
	return keys->count;
}

static bool has_active(const struct keys *keys, const char *algorithm, int64_t newer_than_ms)
{
	for (int i = 0; i < keys->count; i++)
		if (keys->items[i].is_active && keys->items[i].created_ms > newer_than_ms &&
			strcmp(keys->items[i].algorithm, algorithm) == 0)
			return true;
	return false;
}

/* The new one is the active one and comes first; the oldest gives way. */
static void key_put_first(struct keys *keys, const struct store_key *key)
{
	keys->count = MIN(keys->count, STORE_KEYS_MAX - 1);
	memmove(keys->items + 1, keys->items, (size_t)keys->count * sizeof(*key));
	keys->items[0] = *key;
	keys->count++;
	for (int i = 0; i < keys->count; i++)
		keys->items[i].is_active = i == 0;
}

/* At the end: they come in the order in which they are kept. */
int mongo_key_put(void *connection, const struct store_key *key)
{
	_cleanup_(keys_free_p) struct keys *keys = calloc(1, sizeof(*keys));
	struct mongo *c = connection;
	int r;

	if (!keys)
		return -ENOMEM;
	r = keys_read(c, keys);
	if (r < 0)
		return r;
	for (int i = 0; i < keys->count; i++)
		if (strcmp(keys->items[i].kid, key->kid) == 0)
			return 0;
	if (keys->count == STORE_KEYS_MAX)
		return 0;
	keys->items[keys->count++] = *key;
	r = keys_write(c, keys);
	return r == 0 ? mongo_failed_why(c, "another process adds keys now") : r;
}

/* --- changes --- */

/* What is to become of keys that were read: 1, or 0 when they stay as they are. */
typedef int keys_edit(struct keys *keys, const void *arg);

/* Edits what is there until nobody else has written in between: 1 or 0. */
static int keys_change(struct mongo *c, keys_edit *edit, const void *arg)
{
	_cleanup_(keys_free_p) struct keys *keys = calloc(1, sizeof(*keys));
	int r;

	if (!keys)
		return -ENOMEM;
	for (unsigned i = 0; i < CAS_TRIES_MAX; i++) {
		r = keys_read(c, keys);
		if (r < 0 || !edit(keys, arg))
			return r;
		r = keys_write(c, keys);
		if (r != 0)
			return r;
	}
	return mongo_failed_why(c, "others were always faster");
}

struct key_new {
	const struct store_key *key;
	int64_t newer_than_ms;
};

static int key_put_unless_newer(struct keys *keys, const void *arg)
{
	const struct key_new *new = arg;

	if (has_active(keys, new->key->algorithm, new->newer_than_ms))
		return 0;
	key_put_first(keys, new->key);
	return 1;
}

int mongo_key_add(void *connection, const struct store_key *key, int64_t newer_than_ms)
{
	return keys_change(connection, key_put_unless_newer,
		&(struct key_new){ .key = key, .newer_than_ms = newer_than_ms });
}

/* 0: there is none of this id that is not active. */
static int key_take_out(struct keys *keys, const void *kid)
{
	for (int i = 0; i < keys->count; i++) {
		if (keys->items[i].is_active || strcmp(keys->items[i].kid, kid) != 0)
			continue;
		keys->count--;
		memmove(&keys->items[i], &keys->items[i + 1],
			(size_t)(keys->count - i) * sizeof(keys->items[0]));
		return 1;
	}
	return 0;
}

int mongo_key_remove(void *connection, const char *kid)
{
	return keys_change(connection, key_take_out, kid);
}
