/* Changed passwords, tickets, and mails to be sent, in SQLite. */
#include "store/sqlite_db.h"

#include <string.h>

#include "store/records.h"

int db_tickets_delete(struct sqlite *c, const char *account_id, enum ticket_purpose purpose)
{
	sqlite3_stmt *s = db_statement(c, TICKETS_DELETE);

	db_bind_text(s, 1, account_id);
	db_bind_i64(s, 2, purpose);
	return db_step(c, s);
}

int db_password_change(struct sqlite *c, struct store_call *call)
{
	sqlite3_stmt *s = db_statement(c, PASSWORD_CHANGE);
	int r;

	db_bind_text(s, 1, call->key);
	db_bind_text(s, 2, call->hash);
	db_bind_text(s, 3, call->new_hash);
	db_bind_i64(s, 4, call->now_ms);
	r = db_step(c, s);
	if (r < 0 || sqlite3_changes(c->db) == 0)
		return r;
	s = db_statement(c, SESSIONS_DELETE_OTHERS);
	db_bind_text(s, 1, call->key);
	db_bind_text(s, 2, call->id);
	r = db_step(c, s);
	if (r >= 0)
		r = db_tickets_delete(c, call->key, TICKET_RESET);
	return r < 0 ? r : 1;
}

/* --- tickets --- */

int db_ticket_put(struct sqlite *c, struct store_call *call)
{
	const struct ticket *ticket = &call->ticket;
	sqlite3_stmt *s = db_statement(c, TICKET_INSERT);
	int r;

	db_bind_blob(s, 1, ticket->hash, STORE_DIGEST_BYTES);
	db_bind_i64(s, 2, ticket->purpose);
	db_bind_text(s, 3, ticket->account_id);
	db_bind_text(s, 4, ticket->email_key);
	db_bind_i64(s, 5, ticket->created_ms);
	db_bind_i64(s, 6, ticket->expires_ms);
	r = db_step(c, s);
	if (r < 0 || sqlite3_changes(c->db) == 0)
		return r;
	s = db_statement(c, TICKETS_TRIM);
	db_bind_text(s, 1, ticket->account_id);
	db_bind_i64(s, 2, ticket->purpose);
	r = db_step(c, s);
	return r < 0 ? r : 1;
}

int db_ticket_find(struct sqlite *c, struct store_call *call)
{
	sqlite3_stmt *s = db_statement(c, TICKET_GET);
	struct ticket ticket = {};
	int r;

	db_bind_blob(s, 1, call->ticket.hash, STORE_DIGEST_BYTES);
	r = db_step(c, s);
	if (r <= 0)
		return r;
	db_account_read(s, &call->account);
	ticket.purpose = (enum ticket_purpose)sqlite3_column_int(s, ACCOUNT_COLUMN_COUNT);
	COLUMN_TEXT_INTO(s, ACCOUNT_COLUMN_COUNT + 1, ticket.email_key);
	ticket.expires_ms = sqlite3_column_int64(s, ACCOUNT_COLUMN_COUNT + 2);
	sqlite3_reset(s);
	return ticket_is_good(&ticket, call, &call->account);
}

int db_ticket_use(struct sqlite *c, struct store_call *call)
{
	struct account *account = &call->account;
	sqlite3_stmt *s;
	int r;

	r = db_ticket_find(c, call);
	if (r <= 0)
		return r;
	ticket_apply(account, call);
	s = db_statement(c, TICKET_APPLY);
	db_bind_text(s, 1, account->id);
	db_bind_text(s, 2, account->hash);
	db_bind_i64(s, 3, account->attempts.count);
	db_bind_i64(s, 4, account->attempts.locked_until_ms);
	db_bind_i64(s, 5, account->updated_ms);
	r = db_step(c, s);
	if (r >= 0)
		r = db_tickets_delete(c, account->id, call->ticket.purpose);
	if (r >= 0 && call->ticket.purpose == TICKET_RESET)
		r = db_change_by(c, SESSIONS_DELETE, account->id);
	return r < 0 ? r : 1;
}

/* --- mails --- */

int db_mail_put(struct sqlite *c, struct store_call *call)
{
	sqlite3_stmt *s = db_statement(c, MAIL_PUT);
	int r;

	db_bind_text(s, 1, call->mail.email_key);
	db_bind_i64(s, 2, call->mail.kind);
	db_bind_i64(s, 3, call->now_ms);
	r = db_step(c, s);
	return r < 0 ? r : sqlite3_changes(c->db) > 0;
}

int db_mails_view(struct sqlite *c, struct store_call *call)
{
	sqlite3_stmt *s = db_statement(c, MAILS_VIEW);
	int r = db_step(c, s);

	if (r == 1) {
		call->mails.count = (uint32_t)sqlite3_column_int64(s, 0);
		call->mails.next_ms = sqlite3_column_int64(s, 1);
		sqlite3_reset(s);
	}
	return r;
}

int db_mail_take(struct sqlite *c, struct store_call *call)
{
	sqlite3_stmt *s = db_statement(c, MAIL_TAKE);
	struct mail *mail = &call->mail;
	int r;

	db_bind_i64(s, 1, call->now_ms);
	db_bind_i64(s, 2, mail->next_ms);
	r = db_step(c, s);
	if (r == 1) {
		COLUMN_TEXT_INTO(s, 0, mail->email_key);
		mail->kind = (enum mail_kind)sqlite3_column_int(s, 1);
		mail->asked_ms = sqlite3_column_int64(s, 2);
		mail->next_ms = sqlite3_column_int64(s, 3);
		mail->attempts = (uint32_t)sqlite3_column_int64(s, 4);
		sqlite3_reset(s);
	}
	return r;
}

/* Binds what says that nobody else has taken it since. */
static sqlite3_stmt *mail_statement(struct sqlite *c, enum statement which, const struct mail *mail)
{
	sqlite3_stmt *s = db_statement(c, which);

	db_bind_text(s, 1, mail->email_key);
	db_bind_i64(s, 2, mail->kind);
	db_bind_i64(s, 3, mail->attempts);
	return s;
}

int db_mail_done(struct sqlite *c, struct store_call *call)
{
	int r = db_step(c, mail_statement(c, MAIL_DONE, &call->mail));

	if (r < 0 || sqlite3_changes(c->db))
		return r < 0 ? r : 1;
	r = db_step(c, mail_statement(c, MAIL_RENEW, &call->mail));
	return r < 0 ? r : sqlite3_changes(c->db);
}

int db_mail_later(struct sqlite *c, struct store_call *call)
{
	sqlite3_stmt *s = mail_statement(c, MAIL_LATER, &call->mail);
	int r;

	db_bind_i64(s, 4, call->mail.next_ms);
	r = db_step(c, s);
	return r < 0 ? r : sqlite3_changes(c->db);
}
