/*
 * Changed passwords, tickets, and mails to be sent, in MongoDB. A ticket is a document {_id: hash,
 * purpose, user, email, createdAt, expiresAt}; who removes it has used it, so there is one. A mail
 * is
 * {_id: "kind:address", kind, email, askedAt, againAt, nextAt, attempts}.
 */
#include "store/mongo_db.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "store/records.h"

#define FIELD(name) (mongo_shared.fields.name)

static void digest_append(bson_t *bson, const char *key, const uint8_t *digest)
{
	bson_append_binary(bson, key, -1, BSON_SUBTYPE_BINARY, digest, STORE_DIGEST_BYTES);
}

static bson_t *ticket_filter(const struct ticket *ticket)
{
	bson_t *filter = bson_new();

	digest_append(filter, "_id", ticket->hash);
	return filter;
}

/* --- what a new password ends --- */

int mongo_tickets_delete(struct mongo *c, const char *account_id, enum ticket_purpose purpose)
{
	_bson_ bson_t *filter = bson_new();

	mongo_id_append(filter, "user", account_id);
	bson_append_int32(filter, "purpose", -1, purpose);
	return mongo_delete(c, c->tickets, filter, true);
}

/* All but one; "": all. */
static int sessions_delete(struct mongo *c, const char *account_id, const char *kept_id)
{
	_bson_ bson_t *filter = bson_new();
	int r, noted = 0;

	mongo_id_append(filter, "user", account_id);
	BCON_APPEND(filter, "_id", "{", "$ne", BCON_UTF8(kept_id), "}");
	r = mongo_delete(c, c->sessions, filter, true);
	if (r > 0)
		noted = mongo_ended_note(c, STORE_ACCOUNT_CHANGED, account_id);
	return noted < 0 ? noted : r;
}

/*
 * The password first: a login with the old one that is under way is not taken any more.
 * Who dies before the sessions have ended has told nobody that it was done.
 */
int mongo_password_change(struct mongo *c, struct store_call *call)
{
	_bson_ bson_t *filter = mongo_id_filter(call->key), *update = bson_new();
	bson_t fields;
	int r;

	bson_append_utf8(filter, FIELD(password), -1, call->hash, -1);
	BCON_APPEND(filter, FIELD(locked_until), "{", "$not", "{", "$gt",
		BCON_DATE_TIME(call->now_ms), "}", "}");
	bson_append_document_begin(update, "$set", -1, &fields);
	bson_append_utf8(&fields, FIELD(password), -1, call->new_hash, -1);
	bson_append_date_time(&fields, FIELD(updated), -1, call->now_ms);
	bson_append_document_end(update, &fields);
	r = mongo_update(c, c->users, filter, update, false);
	if (r <= 0)
		return r;
	r = sessions_delete(c, call->key, call->id);
	if (r >= 0)
		r = mongo_tickets_delete(c, call->key, TICKET_RESET);
	return r < 0 ? r : 1;
}

/* --- tickets --- */

/* Those that are too many go, the oldest first. */
static int tickets_trim(struct mongo *c, const struct ticket *ticket)
{
	_cleanup_(mongoc_cursor_destroy_p) mongoc_cursor_t *cursor = NULL;
	_bson_ bson_t *filter = bson_new();
	_bson_ bson_t *opts = BCON_NEW("projection", "{", "_id", BCON_INT32(1), "}", "sort", "{",
		"createdAt", BCON_INT32(-1), "}", "skip", BCON_INT64(STORE_TICKETS_PER_ACCOUNT_MAX),
		"limit", BCON_INT64(STORE_TICKETS_PER_ACCOUNT_MAX));
	const bson_t *document;
	bson_error_t error;
	int r = 0;

	mongo_id_append(filter, "user", ticket->account_id);
	bson_append_int32(filter, "purpose", -1, ticket->purpose);
	cursor = mongoc_collection_find_with_opts(c->tickets, filter, opts, NULL);
	while (r >= 0 && mongoc_cursor_next(cursor, &document))
		r = mongo_delete(c, c->tickets, document, false);
	if (r >= 0 && mongoc_cursor_error(cursor, &error))
		r = mongo_failed(c, &error);
	return r;
}

int mongo_ticket_put(struct mongo *c, struct store_call *call)
{
	const struct ticket *ticket = &call->ticket;
	_bson_ bson_t *document = ticket_filter(ticket);
	int r;

	r = mongo_account_by_id(c, ticket->account_id, &call->account);
	if (r <= 0)
		return r;
	bson_append_int32(document, "purpose", -1, ticket->purpose);
	mongo_id_append(document, "user", ticket->account_id);
	BCON_APPEND(document, "email", BCON_UTF8(ticket->email_key), "createdAt",
		BCON_DATE_TIME(ticket->created_ms), "expiresAt",
		BCON_DATE_TIME(ticket->expires_ms));
	r = mongo_insert(c, c->tickets, document);
	if (r >= 0)
		r = tickets_trim(c, ticket);
	return r < 0 ? r : 1;
}

int mongo_ticket_find(struct mongo *c, struct store_call *call)
{
	_bson_ bson_t *filter = ticket_filter(&call->ticket), *document = NULL;
	struct ticket ticket = {};
	int r;

	r = mongo_find(c, c->tickets, filter, false, &document);
	if (r <= 0)
		return r;
	ticket.purpose =
		(enum ticket_purpose)mongo_number_read(document, "purpose", TICKET_PURPOSES);
	(void)mongo_text_read(document, "user", ticket.account_id, sizeof(ticket.account_id));
	(void)mongo_text_read(document, "email", ticket.email_key, sizeof(ticket.email_key));
	ticket.expires_ms = mongo_time_read(document, "expiresAt");
	r = mongo_account_by_id(c, ticket.account_id, &call->account);
	return r <= 0 ? r : ticket_is_good(&ticket, call, &call->account);
}

static int account_put(struct mongo *c, const struct account *account, bool is_reset)
{
	_bson_ bson_t *filter = mongo_id_filter(account->id), *update = bson_new();
	bson_t fields;

	bson_append_document_begin(update, "$set", -1, &fields);
	bson_append_bool(&fields, FIELD(verified), -1, true);
	bson_append_date_time(&fields, FIELD(updated), -1, account->updated_ms);
	if (is_reset) {
		bson_append_utf8(&fields, FIELD(password), -1, account->hash, -1);
		mongo_attempts_append(
			&fields, FIELD(attempts), FIELD(locked_until), &account->attempts);
	}
	bson_append_document_end(update, &fields);
	return mongo_update(c, c->users, filter, update, false);
}

/*
 * Removing the ticket is using it: of many, one has removed it. Who dies afterwards has changed
 * nothing, or has changed the password and told nobody that its sessions have ended; the owner asks
 * for another mail in both cases.
 */
int mongo_ticket_use(struct mongo *c, struct store_call *call)
{
	_bson_ bson_t *filter = ticket_filter(&call->ticket);
	bool is_reset = call->ticket.purpose == TICKET_RESET;
	struct account *account = &call->account;
	int r;

	r = mongo_ticket_find(c, call);
	if (r == 1)
		r = mongo_delete(c, c->tickets, filter, false);
	if (r <= 0)
		return r;
	ticket_apply(account, call);
	r = account_put(c, account, is_reset);
	if (r <= 0)
		return r;
	r = mongo_tickets_delete(c, account->id, call->ticket.purpose);
	if (r >= 0 && is_reset)
		r = sessions_delete(c, account->id, "");
	return r < 0 ? r : 1;
}

int mongo_tickets_sweep(struct mongo *c, int64_t now_ms)
{
	_bson_ bson_t *filter = BCON_NEW("expiresAt", "{", "$lte", BCON_DATE_TIME(now_ms), "}");

	return mongo_delete(c, c->tickets, filter, true);
}

/* --- mails --- */

#define MAIL_ID_BYTES (STORE_EMAIL_BYTES_MAX + 16)

static bson_t *mail_filter(const struct mail *mail)
{
	char id[MAIL_ID_BYTES];

	(void)snprintf(id, sizeof(id), "%d:%s", (int)mail->kind, mail->email_key);
	return BCON_NEW("_id", BCON_UTF8(id));
}

/* Somebody may come between: then there are a few too many. */
int mongo_mail_put(struct mongo *c, struct store_call *call)
{
	const struct mail *mail = &call->mail;
	_bson_ bson_t *filter = mail_filter(mail);
	_bson_ bson_t *update = BCON_NEW("$set", "{", "againAt", BCON_DATE_TIME(call->now_ms), "}",
		"$setOnInsert", "{", "kind", BCON_INT32((int)mail->kind), "email",
		BCON_UTF8(mail->email_key), "askedAt", BCON_DATE_TIME(call->now_ms), "nextAt",
		BCON_DATE_TIME(call->now_ms), "attempts", BCON_INT32(0), "}");
	bson_error_t error;
	int64_t count;
	int r;

	count = mongoc_collection_estimated_document_count(c->mails, NULL, NULL, NULL, &error);
	if (count < 0)
		return mongo_failed(c, &error);
	if (count >= STORE_MAILS_MAX)
		return 0;
	r = mongo_update(c, c->mails, filter, update, true);
	return r < 0 && r != -EEXIST ? r : 1; /* another has just made the same */
}

static void mail_read(const bson_t *document, struct mail *mail)
{
	mail->kind = (enum mail_kind)mongo_number_read(document, "kind", MAIL_KINDS);
	(void)mongo_text_read(document, "email", mail->email_key, sizeof(mail->email_key));
	mail->asked_ms = mongo_time_read(document, "askedAt");
	mail->next_ms = mongo_time_read(document, "nextAt");
	mail->attempts = (uint32_t)mongo_number_read(document, "attempts", 0);
	mail->again_ms = mongo_time_read(document, "againAt");
}

/* The mail of these that is due first: 1, or 0. */
static int mail_first(struct mongo *c, const bson_t *filter, struct mail *mail)
{
	_bson_ bson_t *opts =
		BCON_NEW("sort", "{", "nextAt", BCON_INT32(1), "}", "limit", BCON_INT64(1));
	_cleanup_(mongoc_cursor_destroy_p) mongoc_cursor_t *cursor =
		mongoc_collection_find_with_opts(c->mails, filter, opts, NULL);
	const bson_t *document;
	bson_error_t error;

	if (!mongoc_cursor_next(cursor, &document))
		return mongoc_cursor_error(cursor, &error) ? mongo_failed(c, &error) : 0;
	mail_read(document, mail);
	return 1;
}

int mongo_mails_view(struct mongo *c, struct store_call *call)
{
	_bson_ bson_t *all = bson_new();
	bson_error_t error;
	int64_t count;
	int r;

	count = mongoc_collection_estimated_document_count(c->mails, NULL, NULL, NULL, &error);
	if (count < 0)
		return mongo_failed(c, &error);
	r = mail_first(c, all, &call->mail);
	call->mails.count = (uint32_t)count;
	call->mails.next_ms = r == 1 ? call->mail.next_ms : 0;
	return MIN(r, 0);
}

/* Of a mail that nobody has taken since. */
static bson_t *mail_unchanged(const struct mail *mail)
{
	bson_t *filter = mail_filter(mail);

	bson_append_int32(filter, "attempts", -1, (int32_t)mail->attempts);
	return filter;
}

static int mail_take_try(struct mongo *c, struct store_call *call)
{
	_bson_ bson_t *due = BCON_NEW("nextAt", "{", "$lte", BCON_DATE_TIME(call->now_ms), "}");
	_bson_ bson_t *filter = NULL, *update = NULL;
	struct mail mail;
	int r;

	r = mail_first(c, due, &mail);
	if (r <= 0)
		return r;
	filter = mail_unchanged(&mail);
	mail.next_ms = call->mail.next_ms;
	mail.attempts++;
	mail.again_ms = 0;
	update = BCON_NEW("$set", "{", "nextAt", BCON_DATE_TIME(mail.next_ms), "attempts",
		BCON_INT32((int32_t)mail.attempts), "}", "$unset", "{", "againAt", BCON_INT32(1),
		"}");
	r = mongo_update(c, c->mails, filter, update, false);
	if (r <= 0)
		return r < 0 ? r : -EAGAIN;
	call->mail = mail;
	return 1;
}

int mongo_mail_take(struct mongo *c, struct store_call *call)
{
	return mongo_again(c, mail_take_try, call);
}

/* Asked for again meanwhile: due at once. */
static int mail_renew(struct mongo *c, const struct mail *mail)
{
	_bson_ bson_t *filter = mail_unchanged(mail), *document = NULL, *update = NULL;
	struct mail now;
	int r;

	r = mongo_find(c, c->mails, filter, false, &document);
	if (r <= 0)
		return r;
	mail_read(document, &now);
	BCON_APPEND(filter, "againAt", BCON_DATE_TIME(now.again_ms));
	update = BCON_NEW("$set", "{", "askedAt", BCON_DATE_TIME(now.again_ms), "nextAt",
		BCON_DATE_TIME(now.again_ms), "}", "$unset", "{", "againAt", BCON_INT32(1), "}");
	r = mongo_update(c, c->mails, filter, update, false);
	return r == 0 ? -EAGAIN : r;
}

static int mail_done_try(struct mongo *c, struct store_call *call)
{
	_bson_ bson_t *filter = mail_unchanged(&call->mail);
	int r;

	BCON_APPEND(filter, "againAt", "{", "$exists", BCON_BOOL(false), "}");
	r = mongo_delete(c, c->mails, filter, false);
	return r != 0 ? r : mail_renew(c, &call->mail);
}

int mongo_mail_done(struct mongo *c, struct store_call *call)
{
	return mongo_again(c, mail_done_try, call);
}

int mongo_mail_later(struct mongo *c, struct store_call *call)
{
	_bson_ bson_t *filter = mail_unchanged(&call->mail);
	_bson_ bson_t *update =
		BCON_NEW("$set", "{", "nextAt", BCON_DATE_TIME(call->mail.next_ms), "}");

	return mongo_update(c, c->mails, filter, update, false);
}
