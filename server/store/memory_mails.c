/* Changed passwords, tickets, and mails to be sent, in memory. */
#include "store/memory_tables.h"

#include <string.h>

#include "store/records.h"

/* --- tickets --- */

static struct ticket *ticket_at(uint32_t row)
{
	return row_at(&tables.tickets, row);
}

static bool ticket_is_of(uint32_t row, const char *account_id, enum ticket_purpose purpose)
{
	const struct ticket *ticket = ticket_at(row);

	return ticket->purpose == purpose && strcmp(ticket->account_id, account_id) == 0;
}

static int64_t ticket_row(const uint8_t *hash)
{
	ROWS_EACH(&tables.tickets, i)
	if (memcmp(ticket_at(i)->hash, hash, STORE_DIGEST_BYTES) == 0)
		return i;
	return -1;
}

int memory_tickets_delete(const char *account_id, enum ticket_purpose purpose)
{
	int r = 0;

	for (uint32_t i = tables.tickets.count; i-- > 0 && r == 0;)
		if (ticket_is_of(i, account_id, purpose))
			r = row_delete(&tables.tickets, i);
	return r;
}

/* One more than there may be makes the oldest go. */
static int tickets_trim(const char *account_id, enum ticket_purpose purpose)
{
	uint32_t count = 0, oldest = 0;

	ROWS_EACH(&tables.tickets, i)
	{
		if (!ticket_is_of(i, account_id, purpose))
			continue;
		if (count++ == 0 || ticket_at(i)->created_ms < ticket_at(oldest)->created_ms)
			oldest = i;
	}
	return count > STORE_TICKETS_PER_ACCOUNT_MAX ? row_delete(&tables.tickets, oldest) : 0;
}

int memory_ticket_put(struct store_call *call)
{
	const struct ticket *ticket = &call->ticket;
	int r;

	if (memory_account_row(ticket->account_id) < 0)
		return 0;
	r = row_insert(&tables.tickets, ticket);
	if (r == 0)
		r = tickets_trim(ticket->account_id, ticket->purpose);
	return r < 0 ? r : 1;
}

int memory_ticket_find(struct store_call *call)
{
	int64_t row = ticket_row(call->ticket.hash), account;

	if (row < 0)
		return 0;
	account = memory_account_row(ticket_at((uint32_t)row)->account_id);
	if (account < 0)
		return 0;
	call->account = *(struct account *)row_at(&tables.accounts, (uint32_t)account);
	return ticket_is_good(ticket_at((uint32_t)row), call, &call->account);
}

int memory_ticket_use(struct store_call *call)
{
	struct account *account = &call->account;
	int r;

	if (!memory_ticket_find(call))
		return 0;
	ticket_apply(account, call);
	r = row_update(&tables.accounts, (uint32_t)memory_account_row(account->id), account);
	if (r == 0)
		r = memory_tickets_delete(account->id, call->ticket.purpose);
	if (r == 0 && call->ticket.purpose == TICKET_RESET)
		r = memory_sessions_end(account->id, "");
	return r < 0 ? r : 1;
}

int memory_ticket_sweep(int64_t now_ms)
{
	ROWS_EACH(&tables.tickets, i)
	if (ticket_at(i)->expires_ms <= now_ms) {
		int r = row_delete(&tables.tickets, i);

		return r < 0 ? r : 1;
	}
	return 0;
}

int memory_password_change(struct store_call *call)
{
	int64_t row = memory_account_row(call->key);
	struct account account;
	int r;

	if (row < 0)
		return 0;
	account = *(struct account *)row_at(&tables.accounts, (uint32_t)row);
	if (strcmp(account.hash, call->hash) != 0 ||
		account.attempts.locked_until_ms > call->now_ms)
		return 0;
	memcpy(account.hash, call->new_hash, sizeof(account.hash));
	account.updated_ms = call->now_ms;
	r = row_update(&tables.accounts, (uint32_t)row, &account);
	if (r == 0)
		r = memory_sessions_end(account.id, call->id);
	if (r >= 0)
		r = memory_tickets_delete(account.id, TICKET_RESET);
	return r < 0 ? r : 1;
}

/* --- mails --- */

static struct mail *mail_at(uint32_t row)
{
	return row_at(&tables.mails, row);
}

static int64_t mail_row(const struct mail *mail)
{
	ROWS_EACH(&tables.mails, i)
	if (mail_at(i)->kind == mail->kind && strcmp(mail_at(i)->email_key, mail->email_key) == 0)
		return i;
	return -1;
}

int memory_mail_put(struct store_call *call)
{
	int64_t row = mail_row(&call->mail);
	struct mail mail = call->mail;
	int r;

	if (tables.mails.count == STORE_MAILS_MAX)
		return 0;
	if (row >= 0) {
		mail = *mail_at((uint32_t)row);
		mail.again_ms = call->now_ms;
		r = row_update(&tables.mails, (uint32_t)row, &mail);
	} else {
		mail.asked_ms = mail.next_ms = call->now_ms;
		r = row_insert(&tables.mails, &mail);
	}
	return r < 0 ? r : 1;
}

static int64_t mail_first(void)
{
	int64_t first = -1;

	ROWS_EACH(&tables.mails, i)
	if (first < 0 || mail_at(i)->next_ms < mail_at((uint32_t)first)->next_ms)
		first = i;
	return first;
}

int memory_mails_view(struct store_call *call)
{
	int64_t first = mail_first();

	call->mails.count = tables.mails.count;
	call->mails.next_ms = first < 0 ? 0 : mail_at((uint32_t)first)->next_ms;
	return 1;
}

static int mail_update(int64_t row, const struct mail *mail)
{
	int r = row_update(&tables.mails, (uint32_t)row, mail);

	return r < 0 ? r : 1;
}

int memory_mail_take(struct store_call *call)
{
	int64_t first = mail_first();
	struct mail mail;

	if (first < 0 || mail_at((uint32_t)first)->next_ms > call->now_ms)
		return 0;
	mail = *mail_at((uint32_t)first);
	mail.next_ms = call->mail.next_ms;
	mail.attempts++;
	mail.again_ms = 0;
	call->mail = mail;
	return mail_update(first, &mail);
}

/* Its row and what is there if nobody else has taken it since, or -1. */
static int64_t mail_taken(const struct mail *taken, struct mail *mail)
{
	int64_t row = mail_row(taken);

	if (row < 0 || mail_at((uint32_t)row)->attempts != taken->attempts)
		return -1;
	*mail = *mail_at((uint32_t)row);
	return row;
}

int memory_mail_done(struct store_call *call)
{
	struct mail mail;
	int64_t row = mail_taken(&call->mail, &mail);
	int r;

	if (row < 0)
		return 0;
	if (!mail.again_ms) {
		r = row_delete(&tables.mails, (uint32_t)row);
		return r < 0 ? r : 1;
	}
	mail.asked_ms = mail.next_ms = mail.again_ms;
	mail.again_ms = 0;
	return mail_update(row, &mail);
}

int memory_mail_later(struct store_call *call)
{
	struct mail mail;
	int64_t row = mail_taken(&call->mail, &mail);

	if (row < 0)
		return 0;
	mail.next_ms = call->mail.next_ms;
	return mail_update(row, &mail);
}
