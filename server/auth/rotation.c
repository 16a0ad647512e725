/* Rotating the signing keys: see rotation.h. */
#include "auth/rotation.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "auth/keys.h"
#include "core/retire.h"
#include "core/thread.h"
#include "observe/log.h"
#include "shared/clock.h"
#include "shared/err.h"
#include "shared/macros.h"
#include "shared/secret.h"
#include "shared/wait.h"

static_assert(STORE_KEYS_MAX == KEYS_MAX, "all keys of a store fit a set");

/* The kids of a set and which of them signs: has anything changed? */
struct outline {
	int count, signer;
	char kids[STORE_KEYS_MAX][STORE_KID_BYTES_MAX + 1];
};

static struct {
	struct rotation_options options;
	const struct keys *keys; /* in use */
	struct outline outline;  /* of them; of the thread alone, once it runs */
	_Atomic bool is_wanted;  /* by an operator */
	bool is_owed;            /* a wish that the store could not fulfil yet */
	/* Guards is_closing, and is what the thread sleeps on; no other lock under it. */
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool is_closing, is_running;
	pthread_t thread;
} rotation = { .lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER };

static void store_keys_wipe(struct store_key (*keys)[STORE_KEYS_MAX])
{
	secret_wipe(keys, sizeof(*keys));
}

/* --- the rules --- */

/* The one made next after i; -1: none. Several of one moment are told apart by their place. */
static int successor(const struct store_key *keys, int count, int i)
{
	int next = -1;

	for (int j = 0; j < count; j++) {
		bool is_later = keys[j].created_ms > keys[i].created_ms ||
				(keys[j].created_ms == keys[i].created_ms && j < i);

		if (is_later && (next < 0 || keys[j].created_ms <= keys[next].created_ms))
			next = j;
	}
	return next;
}

int rotation_signer(const struct store_key *keys, int count, int64_t now_ms)
{
	int signer = -1, oldest = 0;

	for (int i = 0; i < count; i++) {
		if (keys[i].created_ms < keys[oldest].created_ms ||
			(keys[i].created_ms == keys[oldest].created_ms && i > oldest))
			oldest = i;
		if (keys[i].created_ms + KEY_LEAD_MS <= now_ms &&
			(signer < 0 || keys[i].created_ms > keys[signer].created_ms))
			signer = i;
	}
	return signer < 0 ? oldest : signer;
}

bool rotation_is_due(const struct store_key *keys, int count,
	const struct rotation_options *options, int64_t now_ms)
{
	for (int i = 0; i < count; i++)
		if (keys[i].is_active)
			return options->every_ms && !options->secret.len &&
			       keys[i].created_ms + options->every_ms <= now_ms;
	return true;
}

bool rotation_is_over(const struct store_key *keys, int count, int i, int64_t now_ms)
{
	int next = successor(keys, count, i);

	return next >= 0 && keys[next].created_ms + KEY_LEAD_MS + KEY_KEPT_MS <= now_ms;
}

/* --- making and taking over --- */

static int key_make(struct store_key *key)
{
	const struct rotation_options *options = &rotation.options;
	_cleanup_(buf_wipe) struct buf material = buf_init(STORE_KEY_BYTES_MAX);
	int r;

	*key = (struct store_key){ .is_active = true, .created_ms = clock_wall_ms() };
	(void)snprintf(key->algorithm, sizeof(key->algorithm), "%s",
		signing_algorithm_name(options->algorithm));
	r = keys_generate(options->algorithm, key->kid, &material);
	if (r == 0 && options->secret.len) {
		buf_wipe(&material);
		material = buf_init(STORE_KEY_BYTES_MAX);
		r = buf_append(&material, options->secret);
	}
	if (r < 0)
		return r;
	memcpy(key->material, material.data, material.len);
	key->material_bytes = material.len;
	return 0;
}

/* Unless another node has made one that is newer than newer_than_ms: 1 or 0. */
static int key_add(int64_t newer_than_ms)
{
	struct store_key key;
	int r = key_make(&key);

	if (r == 0)
		r = store_key_add(&key, newer_than_ms);
	if (r == 1)
		log_event(LOG_LEVEL_INFO, "keys.added",
			STR("a new signing key is published, and signs in some minutes"),
			LOG_TEXT("authd.key", str_cstr(key.kid)));
	secret_wipe(&key, sizeof(key));
	return r;
}

static int set_make(const struct store_key *stored, int count, int signer, struct keys **ret_keys)
{
	struct key_source sources[STORE_KEYS_MAX];
	enum signing_algorithm algorithm;

	for (int i = 0; i < count; i++) {
		int r = signing_algorithm_parse(str_cstr(stored[i].algorithm), &algorithm);

		if (r < 0)
			return r;
		sources[i] = (struct key_source){ .kid = str_cstr(stored[i].kid),
			.algorithm = algorithm,
			.material = str_of(stored[i].material, stored[i].material_bytes),
			.is_active = i == signer };
	}
	return keys_load(sources, (size_t)count, ret_keys, NULL);
}

static struct outline outline_of(const struct store_key *stored, int count, int signer)
{
	struct outline outline = { .count = count, .signer = signer };

	for (int i = 0; i < count; i++)
		memcpy(outline.kids[i], stored[i].kid, sizeof(outline.kids[i]));
	return outline;
}

static void free_keys(void *keys)
{
	keys_free(keys);
}

/* Puts a set into use; the one before goes when no core can have it any more. */
static int set_use(const struct store_key *stored, int count)
{
	int signer = rotation_signer(stored, count, clock_wall_ms());
	struct outline outline = outline_of(stored, count, signer);
	struct keys *keys;
	int r;

	if (memcmp(&outline, &rotation.outline, sizeof(outline)) == 0)
		return 0;
	r = set_make(stored, count, signer, &keys);
	if (r < 0)
		return r;
	r = rotation.options.apply(keys);
	if (r < 0) {
		keys_free(keys);
		return r;
	}
	/* Without memory the old ones stay: a few kilobytes. */
	(void)core_retire((void *)rotation.keys, free_keys);
	rotation.keys = keys;
	rotation.outline = outline;
	log_event(LOG_LEVEL_INFO, "keys.changed", STR("other signing keys are in use"),
		LOG_TEXT("authd.key", str_cstr(outline.kids[signer])),
		LOG_NUMBER("authd.keys", count));
	return 0;
}

/* Is the shared secret another one than that of the active key? */
static bool is_secret_replaced(const struct store_key *active)
{
	struct str secret = rotation.options.secret;

	return secret.len && strcmp(active->algorithm, "HS256") == 0 &&
	       !secret_equal(secret, str_of(active->material, active->material_bytes));
}

/* Adds what is due and removes what is over: how many there are then. */
static int stored_tend(struct store_key stored[static STORE_KEYS_MAX])
{
	bool is_wanted = atomic_exchange(&rotation.is_wanted, false) || rotation.is_owed;
	int64_t now_ms = clock_wall_ms();
	int count = store_keys_load(stored), r = 0;

	if (count > 0 && (is_wanted || is_secret_replaced(&stored[0]) ||
				 rotation_is_due(stored, count, &rotation.options, now_ms)))
		r = key_add(stored[0].created_ms);
	rotation.is_owed = is_wanted && (count < 0 || r < 0);
	for (int i = 0; i < count && r >= 0; i++)
		if (!stored[i].is_active && rotation_is_over(stored, count, i, now_ms))
			r = store_key_remove(stored[i].kid);
	return count < 0 || r < 0 ? MIN(count, r) : store_keys_load(stored);
}

int rotation_tick(void)
{
	_cleanup_(store_keys_wipe) struct store_key stored[STORE_KEYS_MAX] = {};
	int count = stored_tend(stored);

	return count <= 0 ? count : set_use(stored, count);
}

/* --- running --- */

int rotation_init(const struct rotation_options *options, const struct keys **ret_keys)
{
	_cleanup_(store_keys_wipe) struct store_key stored[STORE_KEYS_MAX] = {};
	struct keys *keys;
	int count, signer, r;

	rotation.options = *options;
	r = key_add(INT64_MIN); /* of this algorithm, unless there is one */
	if (r < 0)
		return r;
	count = stored_tend(stored);
	if (count < 0)
		return count;
	signer = rotation_signer(stored, count, clock_wall_ms());
	r = set_make(stored, count, signer, &keys);
	if (r < 0)
		return r;
	rotation.outline = outline_of(stored, count, signer);
	*ret_keys = rotation.keys = keys;
	return 0;
}

static bool is_closing_after_nap(void)
{
	struct timespec end = wait_end_ms(ROTATION_TICK_MS);
	bool is_closing;

	pthread_mutex_lock(&rotation.lock);
	while (!rotation.is_closing && !atomic_load(&rotation.is_wanted) &&
		wait_until(&rotation.wake, &rotation.lock, &end))
		;
	is_closing = rotation.is_closing;
	pthread_mutex_unlock(&rotation.lock);
	return is_closing;
}

static void *rotation_main(void *arg)
{
	while (!is_closing_after_nap()) {
		int r = rotation_tick();

		if (r < 0)
			log_event(LOG_LEVEL_WARN, "keys.unchecked",
				STR("the signing keys cannot be looked at: those in use stay"),
				LOG_TEXT("error.type", str_cstr(err_name(r))));
	}
	return arg;
}

int rotation_start(void)
{
	int r;

	rotation.is_closing = false;
	r = thread_start(&rotation.thread, "keys", rotation_main, NULL);
	rotation.is_running = r == 0;
	return r;
}

static void wake(bool is_closing)
{
	pthread_mutex_lock(&rotation.lock);
	rotation.is_closing = is_closing;
	pthread_cond_signal(&rotation.wake);
	pthread_mutex_unlock(&rotation.lock);
}

void rotation_stop(void)
{
	if (rotation.is_running) {
		wake(true);
		pthread_join(rotation.thread, NULL);
		rotation.is_running = false;
	}
	keys_free((struct keys *)TAKE(rotation.keys));
	rotation.outline = (struct outline){};
}

int rotation_check(void)
{
	return rotation.options.secret.len ? -EOPNOTSUPP : 0;
}

int rotation_request(void)
{
	int r = rotation_check();

	if (r < 0)
		return r;
	atomic_store(&rotation.is_wanted, true);
	wake(false);
	return 0;
}
