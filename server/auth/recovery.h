/*
 * How somebody gets back in or shows that an address is his: with the old password, or with a
 * ticket that was mailed to the address. Passwords arrive checked (passwords.h), addresses folded.
 *
 * Asking for a mail is the same work for every address: one row is written, and who sends the mails
 * (mail/mailer.h) looks up later whether there is somebody to get one. So neither status nor time
 * tells, and the token of a mail exists in the mail only: it is made when that is sent.
 */
#pragma once

#include "auth/accounts.h"
#include "store/mails.h"

struct identity;

/* Text of a ticket: 256 random bits as base64url, as of a refresh token. */
#define TICKET_BYTES REFRESH_TOKEN_BYTES

/*
 * Asks for a mail to the address, whoever owns it. 0: it will be sent if there is something to
 * send, unless too many were sent there of late (LIMIT_MAILBOX), or mails are off (policy);
 * -ERR_OVERLOADED: too many wait; or an error of the store.
 */
int mail_ask_await(enum mail_kind kind, const char *email_key);

/*
 * An outcome as of account_login_await(); CREDENTIALS_ACCEPTED: the password is another now and
 * the account's other sessions have ended. An error otherwise.
 */
int password_change_await(const struct identity *identity, const struct account *account,
	struct str current, struct str wanted, const struct client *client, int64_t *ret_retry_ms);

/* The account of an identity with everything: 1, or 0 when it is gone; secret. */
int account_of_identity_await(const struct identity *identity, struct account *ret_account);

/* Whose ticket is this? 1 and the account, 0 when it is not good; or an error. */
int ticket_account_await(
	struct str token, enum ticket_purpose purpose, struct account *ret_account);

/* Uses it for a new password; every session of its account ends. 1, 0 when it is not good. */
int password_reset_await(struct str token, struct str wanted);

/* Uses it to verify the address: 1, 0 when it is not good. */
int email_verify_await(struct str token);
