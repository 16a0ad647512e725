/*
 * The store's calls about tickets and mails: those of fibers, and those of the one thread that
 * sends. That has a connection of its own and may block, and each of its calls is a transaction by
 * itself: a few of them for a mail are little beside sending it.
 */
#include "store/mails.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "shared/clock.h"
#include "shared/secret.h"
#include "store/store_backend.h"
#include "store/store_call.h"

/* --- of fibers --- */

int store_ticket_find_await(const uint8_t hash[static STORE_DIGEST_BYTES],
	enum ticket_purpose purpose, int64_t now_ms, struct account *ret_account)
{
	CALL(OP_TICKET_FIND);
	int r;

	if (!call)
		return -ENOMEM;
	memcpy(call->ticket.hash, hash, STORE_DIGEST_BYTES);
	call->ticket.purpose = purpose;
	call->now_ms = now_ms;
	r = read_await(call);
	if (r == 1)
		*ret_account = call->account;
	return r;
}

int store_ticket_use_await(const struct ticket_use *use, struct account *ret_account)
{
	CALL(OP_TICKET_USE);
	int r;

	if (!call)
		return -ENOMEM;
	memcpy(call->ticket.hash, use->hash, STORE_DIGEST_BYTES);
	call->ticket.purpose = use->purpose;
	COPY(call->new_hash, use->purpose == TICKET_RESET ? use->new_hash : "");
	call->now_ms = use->now_ms;
	r = write_await(call);
	if (r == 1)
		*ret_account = call->account;
	return r;
}

int store_mail_put_await(enum mail_kind kind, const char *email_key, int64_t now_ms)
{
	CALL(OP_MAIL_PUT);

	if (!call)
		return -ENOMEM;
	call->mail.kind = kind;
	COPY(call->mail.email_key, email_key);
	call->now_ms = now_ms;
	return write_await(call);
}

/* --- of the thread that sends --- */

static void *connection; /* of the thread that sends */

int store_mails_open(const char **ret_why)
{
	assert(!connection);
	return store_connect(&connection, ret_why);
}

void store_mails_close(void)
{
	if (connection)
		store_backend()->disconnect(connection);
	connection = NULL;
}

static int run(struct store_call *call)
{
	const struct store_backend *backend = store_backend();
	int result, r;

	assert(connection);
	if (!backend->begin || !store_op_writes(call->op))
		return backend->run(connection, call);
	r = backend->begin(connection);
	if (r < 0)
		return r;
	result = backend->run(connection, call);
	r = result < 0 ? result : backend->commit(connection);
	if (r < 0)
		backend->rollback(connection);
	return r < 0 ? r : result;
}

int store_mails_view(struct mails_view *ret_view)
{
	struct store_call call = { .op = OP_MAILS_VIEW };
	int r = run(&call);

	if (r >= 0)
		*ret_view = call.mails;
	return r < 0 ? r : 0;
}

int store_mail_take(int64_t now_ms, int64_t until_ms, struct mail *ret_mail)
{
	struct store_call call = {
		.op = OP_MAIL_TAKE, .now_ms = now_ms, .mail = { .next_ms = until_ms }
	};
	int r = run(&call);

	if (r == 1)
		*ret_mail = call.mail;
	return r;
}

int store_mail_done(const struct mail *mail)
{
	struct store_call call = { .op = OP_MAIL_DONE, .mail = *mail };

	return run(&call);
}

int store_mail_later(const struct mail *mail)
{
	struct store_call call = { .op = OP_MAIL_LATER, .mail = *mail };

	return run(&call);
}

int store_mail_account(const char *email_key, struct account *ret_account)
{
	struct store_call call = { .op = OP_ACCOUNT_FIND };
	int r;

	assert(strlen(email_key) < sizeof(call.key));
	memcpy(call.key, email_key, strlen(email_key) + 1);
	r = run(&call);
	if (r == 1)
		*ret_account = call.account;
	secret_wipe(&call, sizeof(call));
	return r;
}

int store_mail_ticket(const struct ticket *ticket)
{
	struct store_call call = { .op = OP_TICKET_PUT, .ticket = *ticket };

	return run(&call);
}
