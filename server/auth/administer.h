/*
 * What administrators do to accounts, whoever asks for it. Each change is in the store and known to
 * the caches of all cores when its function returns, and goes on when its client vanishes; other
 * nodes learn of it through the store. Whether somebody is an administrator is the router's
 * question (ADMIN_ROLE).
 */
#pragma once

#include "auth/accounts.h"
#include "auth/verified.h"

#define ADMIN_ROLE "admin"

/*
 * May this be a role? 1..STORE_ROLE_BYTES_MAX of A-Z a-z 0-9 - _ . : which need no quoting in a
 * header field, a token or a database.
 */
bool role_is_valid(struct str role);
bool account_has_role(const struct account *account, const char *role);

/*
 * Makes an account that nobody is logged in to: 1 and the account, 0 when the address is taken, or
 * an error. Of values counts what the owner does not choose: roles, status, is_email_verified. The
 * password may be "": then its owner sets one before the first login.
 */
int account_add_await(const struct registration *registration, const struct account *values,
	struct account *ret_account);

/* As store_account_change_await(). Not for ACCOUNT_FIELD_PASSWORD. */
int account_change_await(
	const char *id, unsigned fields, const struct account *values, struct account *ret_account);

/* The status alone: 1 and the account as it is now; 0: nobody has the id; or an error. The tokens
 * of a suspended one are refused from then on; its sessions stay. */
int account_status_set_await(
	const char *id, enum account_status status, struct account *ret_account);

/* Gives an account another (normalised) password and ends its sessions: 1, or 0 when it is gone. */
int account_password_set_await(const char *id, struct str password);

/* Removes it and all that is its own: 1 or 0. */
int account_delete_await(const char *id);

/* Ends its sessions: 1, or 0 when there is no such account. */
int account_revoke_await(const char *id);
