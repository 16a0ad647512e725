/*
 * The store's tickets (tokens that a mail carries, used once) and mails (what is to be sent to
 * whom). As durable as the rest, and with the same errors: see store.h.
 */
#pragma once

#include "store/store.h"

/* Tickets of one purpose that an account may have; one more makes the oldest worthless. */
#define STORE_TICKETS_PER_ACCOUNT_MAX 5
/* Mails that wait to be sent: some hours of a mail server that is down. One more is refused. */
#define STORE_MAILS_MAX 10000

/* --- tickets --- */

enum ticket_purpose { TICKET_RESET, TICKET_VERIFY, TICKET_PURPOSES };

struct ticket {
	uint8_t hash[STORE_DIGEST_BYTES]; /* SHA-256 of the token */
	enum ticket_purpose purpose;
	char account_id[STORE_ID_BYTES_MAX + 1];
	char email_key[STORE_EMAIL_BYTES_MAX + 1]; /* it was sent there: worthless for another */
	int64_t created_ms, expires_ms;
};

/* Looks a ticket up without using it: 1 and its account, 0 when it is not good at now_ms. */
int store_ticket_find_await(const uint8_t hash[static STORE_DIGEST_BYTES],
	enum ticket_purpose purpose, int64_t now_ms, struct account *ret_account);

struct ticket_use {
	uint8_t hash[STORE_DIGEST_BYTES];
	enum ticket_purpose purpose;
	const char *new_hash; /* for TICKET_RESET */
	int64_t now_ms;
};

/*
 * Uses a ticket, once: its address is verified; for TICKET_RESET also the password is replaced, the
 * failures are forgotten and every session ends. All tickets of that purpose that the account has
 * are worthless then. 1 and the account as it is now, or 0 as above; all or nothing.
 */
int store_ticket_use_await(const struct ticket_use *use, struct account *ret_account);

/* --- mails --- */

/* What an address asked for, whether or not somebody owns it: that is looked up when it is sent. */
enum mail_kind { MAIL_RESET, MAIL_VERIFY, MAIL_EXISTS, MAIL_KINDS };

struct mail {
	enum mail_kind kind;
	char email_key[STORE_EMAIL_BYTES_MAX + 1];
	int64_t asked_ms; /* first */
	int64_t next_ms;  /* not tried before */
	uint32_t attempts;
	int64_t again_ms; /* asked for once more since it was taken; 0 not */
};

/*
 * Keeps a mail of this kind for an address; when one waits already that is the one. Writes in both
 * cases, so that time does not tell. 1, or 0: STORE_MAILS_MAX wait.
 */
int store_mail_put_await(enum mail_kind kind, const char *email_key, int64_t now_ms);

/*
 * What follows is for one thread that sends, not a fiber: blocking, on a connection of its own that
 * is opened by store_mails_open() after store_open() and closed before store_close().
 */
int store_mails_open(const char **ret_why);
void store_mails_close(void);

struct mails_view {
	uint32_t count;  /* that wait */
	int64_t next_ms; /* when the first is due; 0: none waits */
};
int store_mails_view(struct mails_view *ret_view);

/*
 * Takes the mail that is due first: 1, or 0. It is counted as an attempt and not due again before
 * until_ms, so that one who dies while he sends it loses nothing; other nodes leave it alone.
 */
int store_mail_take(int64_t now_ms, int64_t until_ms, struct mail *ret_mail);

/*
 * Of a mail that was taken: it needs no more attempts, so it goes, or is due at once when it was
 * asked for again meanwhile; or it needs another at mail->next_ms. 1, or 0: who took it was late,
 * and somebody else has taken it.
 */
int store_mail_done(const struct mail *mail);
int store_mail_later(const struct mail *mail);

/* As store_account_find_await(). */
int store_mail_account(const char *email_key, struct account *ret_account);

/* Adds a ticket; the oldest of its purpose gives way. 1, or 0 when its account is gone. */
int store_mail_ticket(const struct ticket *ticket);
