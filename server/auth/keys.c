/*
 * The set of signing keys: see keys.h. A small array that is filled once and then only read; eight
 * kids are compared faster than one is hashed. What signatures are is crypt/signing.h's.
 */
#include "auth/keys.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "shared/json.h"
#include "shared/macros.h"
#include "shared/random.h"

/* 683 characters of n for RSA of 4096 bits, the kid, and under 100 characters of names. */
#define JWK_BYTES_MAX 1024
#define JWKS_BYTES_MAX (KEYS_MAX * (JWK_BYTES_MAX + 1) + 32)

/* Enough that two keys of one store never meet; short, because every token carries it. */
#define KID_RANDOM_BYTES 8

struct key {
	char kid[KEY_KID_BYTES_MAX + 1];
	struct signing_key *signing;
};

struct keys {
	size_t count;
	size_t active; /* index of the one that signs */
	struct key items[KEYS_MAX];
	struct buf jwks; /* the public ones, as they are published */
};

static_assert(2 * KID_RANDOM_BYTES <= KEY_KID_BYTES_MAX, "a generated kid must be a valid one");

/* --- making a set --- */

static bool is_kid_char(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
	       c == '-' || c == '_' || c == '.';
}

static bool is_kid_valid(struct str kid)
{
	if (kid.len == 0 || kid.len > KEY_KID_BYTES_MAX)
		return false;
	for (size_t i = 0; i < kid.len; i++) {
		if (!is_kid_char(kid.data[i]))
			return false;
	}
	return true;
}

/* Has the set as a whole the right size, and exactly one key that signs? */
static bool is_set_valid(const struct key_source *sources, size_t count)
{
	size_t active = 0;

	if (count == 0 || count > KEYS_MAX)
		return false;
	for (size_t i = 0; i < count; i++)
		active += sources[i].is_active;
	return active == 1;
}

static int key_add(struct keys *keys, const struct key_source *source)
{
	struct key *key = &keys->items[keys->count];
	int r;

	if (!is_kid_valid(source->kid) || keys_find(keys, source->kid))
		return -EINVAL;
	r = signing_key_load(source->algorithm, source->material, &key->signing);
	if (r < 0)
		return r;
	memcpy(key->kid, source->kid.data, source->kid.len); /* zeroed: the terminator is there */
	if (source->is_active)
		keys->active = keys->count;
	keys->count++;
	return 0;
}

/* One key as an item of the array; a secret one is left out. */
static int jwk_put(struct json_writer *w, const struct key *key)
{
	_cleanup_(buf_deinit) struct buf jwk = buf_init(JWK_BYTES_MAX);
	int r;

	if (signing_key_algorithm(key->signing) == SIGNING_HS256)
		return 0;
	r = signing_key_jwk(key->signing, str_cstr(key->kid), &jwk);
	if (r < 0)
		return r;
	json_put_raw(w, NULL, buf_str(&jwk));
	return 0;
}

/* The set never changes, and everybody may ask for it: it is written once. */
static int jwks_write(struct keys *keys)
{
	struct json_writer w = json_writer_init(&keys->jwks);
	int r = 0;

	json_begin_object(&w, NULL);
	json_begin_array(&w, "keys");
	for (size_t i = 0; i < keys->count && r == 0; i++)
		r = jwk_put(&w, &keys->items[i]);
	json_end_array(&w);
	json_end_object(&w);
	return r < 0 ? r : json_writer_finish(&w);
}

static int refuse(size_t index, size_t *ret_bad)
{
	if (ret_bad)
		*ret_bad = index;
	return -EINVAL;
}

int keys_load(
	const struct key_source *sources, size_t count, struct keys **ret_keys, size_t *ret_bad)
{
	_cleanup_(keys_free_p) struct keys *keys = NULL;
	int r;

	if (!is_set_valid(sources, count))
		return refuse(count, ret_bad);
	keys = calloc(1, sizeof(*keys));
	if (!keys)
		return -ENOMEM;
	keys->jwks = buf_init(JWKS_BYTES_MAX);
	for (size_t i = 0; i < count; i++) {
		r = key_add(keys, &sources[i]);
		if (r == -EINVAL)
			return refuse(i, ret_bad);
		if (r < 0)
			return r;
	}
	r = jwks_write(keys);
	if (r < 0)
		return r;
	*ret_keys = TAKE(keys);
	return 0;
}

void keys_free(struct keys *keys)
{
	if (!keys)
		return;
	for (size_t i = 0; i < keys->count; i++)
		signing_key_free(keys->items[i].signing); /* wipes; nothing else here is secret */
	buf_deinit(&keys->jwks);
	free(keys);
}

/* --- a new key --- */

static void kid_new(char ret_kid[static KEY_KID_BYTES_MAX + 1])
{
	static const char hex[] = "0123456789abcdef"; /* never starts with '-' like an option */
	unsigned char bytes[KID_RANDOM_BYTES];
	char *at = ret_kid;

	random_bytes(bytes, sizeof(bytes));
	for (size_t i = 0; i < sizeof(bytes); i++) {
		*at++ = hex[bytes[i] >> 4];
		*at++ = hex[bytes[i] & 15];
	}
	*at = '\0';
}

int keys_generate(enum signing_algorithm algorithm, char ret_kid[static KEY_KID_BYTES_MAX + 1],
	struct buf *material)
{
	_cleanup_(signing_key_free_p) struct signing_key *key = NULL;
	int r;

	r = signing_key_generate(algorithm, &key);
	if (r < 0)
		return r;
	r = signing_key_dump(key, material);
	if (r < 0)
		return r;
	kid_new(ret_kid);
	return 0;
}

/* --- reading --- */

const struct signing_key *keys_active(const struct keys *keys, struct str *ret_kid)
{
	const struct key *key = &keys->items[keys->active];

	assert(keys->active < keys->count);
	*ret_kid = str_cstr(key->kid);
	return key->signing;
}

const struct signing_key *keys_find(const struct keys *keys, struct str kid)
{
	/* Kids are published in every token: they need no constant time. */
	for (size_t i = 0; i < keys->count; i++) {
		if (str_equal(kid, str_cstr(keys->items[i].kid)))
			return keys->items[i].signing;
	}
	return NULL;
}

void keys_each(const struct keys *keys,
	void (*visit)(struct str kid, enum signing_algorithm algorithm, bool is_active, void *arg),
	void *arg)
{
	for (size_t i = 0; i < keys->count; i++)
		visit(str_cstr(keys->items[i].kid), signing_key_algorithm(keys->items[i].signing),
			i == keys->active, arg);
}

int keys_jwks(const struct keys *keys, struct buf *json)
{
	return buf_append(json, buf_str(&keys->jwks));
}
