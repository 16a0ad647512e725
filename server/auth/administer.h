/*
 * What administrators do to accounts, whoever asks for it: the change and the news of it to every
 * core are one step, so that no cache believes what is not so any more.
 */
#pragma once

#include "store/store.h"

/* Suspends an account, or ends that: 1 and the account as it is now; 0: nobody has the id; or an
 * error of the store. A suspended one's tokens are refused from then on; its sessions stay. */
int account_status_set_await(
	const char *id, enum account_status status, struct account *ret_account);

/* Removes an account and its sessions: 1; 0: nobody has the id; or an error of the store. */
int account_delete_await(const char *id);
