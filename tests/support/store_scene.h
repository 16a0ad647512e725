/*
 * A scene for tests of the store: STORE_TEST(name) { ... } opens a store of the backend that the
 * program was built for (STORE_BACKEND), runs its body on a fiber of a real core, as a handler
 * does, and closes the store. A failed assertion ends the program: it is not on cmocka's thread.
 */
#pragma once

#include "support/test.h"

#include "store/store.h"

#define SCENE_NOW INT64_C(4102444800000) /* the year 2100: nothing ends by real time */
#define SCENE_IDLE_MS INT64_C(2592000000)
#define SCENE_ENDS_MS INT64_C(7776000000)

/* What a test may change of the options before its store is opened. */
struct scene_options {
	unsigned reader_threads; /* 0: 2 */
	unsigned queued_max;     /* 0: 1024 */
	unsigned strangers_max;
};

void scene_run(void (*body)(void), const struct scene_options *options);

#define STORE_TEST_WITH(name, ...)                                                                 \
	static void name##_body(void);                                                             \
	TEST(name)                                                                                 \
	{                                                                                          \
		scene_run(name##_body, &(struct scene_options){ __VA_ARGS__ });                    \
	}                                                                                          \
	static void name##_body(void)
#define STORE_TEST(name) STORE_TEST_WITH(name, 0)

/* Closes the store and opens it again, as a restart does. */
void scene_restart(void);

/* Runs run(args[i]) on `count` fibers at a time and waits until all are done.
 */
void scene_together(unsigned count, void (*run)(void *arg), void *args, size_t arg_bytes);

/* As a handler with so little time left would call it. */
void scene_deadline(void (*run)(void *arg), void *arg, uint64_t ms);

/* Runs the threads of the store and of the core until is_true() holds, ten seconds at most. */
void scene_until(bool (*is_true)(void));

/* An account of this name: id "id-NAME", email "NAME@example.org", hash "hash-NAME". */
struct account scene_account(const char *name);

/* A session "NAME" of an account of scene_account(), whose first refresh token is "NAME". */
struct session_new scene_session(const char *name, const char *account_name);

/* Some 32 bytes made of a text. */
void scene_digest(const char *text, uint8_t digest[static STORE_DIGEST_BYTES]);

/* Makes the account and its session, both of this name. */
void scene_register(const char *name);

/* An outcome of login with the right password: a session of this name. */
int scene_login(const char *account_name, const char *session_name, int64_t now_ms);

/* An outcome of a refresh with token `from`, which gets token `to`. */
int scene_refresh(const char *from, const char *to, int64_t now_ms);

/* Does the session live? */
int scene_lives(const char *session_name, int64_t now_ms);
