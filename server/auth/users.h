/*
 * Accounts as others see them, from a cache of this core: what /me shows, by account id, without
 * the password's hash and the count of failures. Whoever changes an account calls
 * user_forget_await(), or verified_forget_account_await() when its tokens are concerned, before the
 * client is answered.
 */
#pragma once

#include "store/store.h"

struct lookup;
struct lookup_options;

/*
 * On a fiber: 1 and the account, of which only what /me shows is filled in; 0 when there is none of
 * that id; or an error of the store.
 */
int user_get_await(const char *account_id, struct account *ret_account);

/* Makes every core forget an account but not its tokens. As verified_forget_account_await(). */
int user_forget_await(const char *account_id);

/* --- for caches.c and verified.c, on each core's thread --- */

int users_start(const struct lookup_options *options); /* 0 or -ENOMEM */
void users_stop(void);
void users_forget_here(const char *account_id);
struct lookup *users_lookup(void);
