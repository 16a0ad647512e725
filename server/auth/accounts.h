/* Accounts: how one comes into being and who may log in. Email and password arrive checked
 * (emails.h, passwords.h). */
#pragma once

#include "auth/credentials.h"
#include "auth/sessions.h"

struct registration {
	struct str email;      /* as typed, trimmed */
	const char *email_key; /* folded */
	struct str name;       /* "" none; at most STORE_NAME_BYTES_MAX bytes */
	struct str password;   /* normalised */
	/* The policy's word when the request began, which may have changed since: do not tell
	 * whether the address was taken; do not log in before it is verified. */
	bool is_hiding_existing, is_requiring_verified;
};

/* Gives a new account its id, and the address and name that were asked for. */
void registration_apply(const struct registration *registration, struct account *account);

/*
 * Makes an account and its first session: 1; 0 when the address is taken; or an error. When it
 * hides which addresses are taken, or wants verified ones, nobody is logged in: *ret_grant is not
 * written.
 */
int account_register_await(const struct registration *registration, const struct client *client,
	struct grant *ret_grant);

/*
 * An outcome, or an error. *ret_retry_ms is written for CREDENTIALS_LOCKED: how long until another
 * attempt is looked at: of this account, or from this network.
 */
int account_login_await(const char *email_key, struct str password, const struct client *client,
	struct grant *ret_grant, int64_t *ret_retry_ms);

/* Gives an account another name (at most STORE_NAME_BYTES_MAX bytes, "" none) and tells every cache
 * of it: 1 and the account as it is now, 0 when there is none, or an error. */
int account_rename_await(const char *id, struct str name, struct account *ret_account);
