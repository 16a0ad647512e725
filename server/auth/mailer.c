/* The thread that sends mail: see mailer.h. */
#include "auth/mailer.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "auth/tokens.h"
#include "core/module.h"
#include "core/thread.h"
#include "guard/breaker.h"
#include "mail/message.h"
#include "mail/templates.h"
#include "observe/log.h"
#include "shared/clock.h"
#include "shared/err.h"
#include "shared/macros.h"
#include "shared/random.h"
#include "shared/secret.h"
#include "shared/wait.h"

/* Other nodes' mails, and what was put while we were told nothing, are found after this. */
#define LOOK_EVERY_MS 5000
/* A mail that was taken is another's after this, on top of the time-out of sending it. */
#define TAKEN_EXTRA_MS 10000
#define STORE_PAUSE_MS 1000 /* the store fails: its own breakers and log say more */

static struct {
	struct mailer_options options;
	const struct transport *transport;
	struct breaker breaker;
	pthread_t thread;
	bool is_started;
	_Atomic bool is_closing;
	/* Guards is_woken; no other lock is taken under it. */
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool is_woken;
	char why[TRANSPORT_WHY_BYTES];
	_Atomic uint64_t sent, retried, refused, abandoned, needless;
	_Atomic uint32_t waiting;
} mailer = { .lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER };

/* --- one mail --- */

enum verdict { VERDICT_DONE, VERDICT_AGAIN };

static void count(_Atomic uint64_t *counter)
{
	atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

/* Is there somebody who should get it? */
static bool is_needed(enum mail_kind kind, bool is_found, const struct account *account)
{
	return is_found && (kind != MAIL_VERIFY || !account->is_email_verified);
}

/* The token of a mail exists here and in the mail; the store has its hash. 1, 0 the account has
 * gone, or an error. */
static int ticket_make(enum mail_kind kind, const struct account *account, int64_t now_ms,
	char ret_token[static REFRESH_TOKEN_BYTES + 1])
{
	const struct mailer_options *options = &mailer.options;
	struct ticket ticket = { .purpose = kind == MAIL_RESET ? TICKET_RESET : TICKET_VERIFY,
		.created_ms = now_ms,
		.expires_ms =
			now_ms + (kind == MAIL_RESET ? options->reset_ms : options->verify_ms) };

	ret_token[0] = '\0';
	if (kind == MAIL_EXISTS)
		return 1;
	memcpy(ticket.account_id, account->id, sizeof(ticket.account_id));
	memcpy(ticket.email_key, account->email_key, sizeof(ticket.email_key));
	refresh_token_new(ret_token, ticket.hash); /* as good a secret as those */
	return store_mail_ticket(&ticket);
}

/* As typed before the @, in the form that every server understands behind it. */
static void recipient_of(const struct account *account, char to[static STORE_EMAIL_BYTES_MAX + 1])
{
	ptrdiff_t typed = str_index(str_cstr(account->email), '@');
	ptrdiff_t key = str_index(str_cstr(account->email_key), '@');

	if (typed < 0 || key < 0 ||
		(size_t)typed + strlen(account->email_key + key) > STORE_EMAIL_BYTES_MAX)
		typed = key = 0;
	(void)snprintf(to, STORE_EMAIL_BYTES_MAX + 1, "%.*s%s", (int)MAX(typed, 0), account->email,
		account->email_key + MAX(key, 0));
}

static int message_make(enum mail_kind kind, const struct account *account, const char *to,
	const char *token, struct buf *message)
{
	_cleanup_(buf_wipe) struct buf subject = buf_init(LETTER_BYTES_MAX);
	_cleanup_(buf_wipe) struct buf body = buf_init(LETTER_BYTES_MAX);
	const struct mailer_options *options = &mailer.options;
	const struct template_values values = { .name = str_cstr(account->name),
		.email = str_cstr(account->email),
		.base = str_cstr(options->link_base),
		.token = str_cstr(token),
		.valid_ms = kind == MAIL_RESET ? options->reset_ms : options->verify_ms };
	int r = template_fill(kind, &values, &subject, &body);

	if (r < 0)
		return r;
	return message_write(&(struct letter){ .from = str_cstr(options->from),
				     .from_name = str_cstr(options->from_name),
				     .to = str_cstr(to),
				     .subject = buf_str(&subject),
				     .body = buf_str(&body),
				     .wall_ms = clock_wall_ms() },
		message);
}

static void log_mail(enum log_level level, const char *event, const struct mail *mail,
	const struct account *account, const char *why)
{
	static const char *const kinds[] = {
		[MAIL_RESET] = "reset", [MAIL_VERIFY] = "verify", [MAIL_EXISTS] = "exists"
	};

	log_event(level, event, str_cstr(why),
		LOG_TEXT("authd.mail.kind", str_cstr(kinds[mail->kind])),
		LOG_TEXT("user.id", str_cstr(account->id)),
		LOG_NUMBER("authd.mail.attempts", mail->attempts));
}

/* Half of the delay at random, or those that failed together would come back together. */
static int64_t retry_delay_ms(uint32_t attempts)
{
	int64_t delay_ms = mailer.options.retry_base_ms, max_ms = mailer.options.retry_max_ms;
	uint64_t random;

	for (uint32_t i = 1; i < attempts && delay_ms < max_ms; i++)
		delay_ms *= 2;
	delay_ms = MIN(delay_ms, max_ms);
	random_bytes(&random, sizeof(random));
	return delay_ms / 2 + (int64_t)(random % (uint64_t)(delay_ms / 2 + 1));
}

static bool is_too_old(const struct mail *mail, int64_t now_ms)
{
	return mail->attempts >= mailer.options.attempts_max ||
	       now_ms - mail->asked_ms >= mailer.options.age_max_ms;
}

/* What the transport said, for this mail. */
static enum verdict settle(enum transport_outcome outcome, struct mail *mail,
	const struct account *account, const char *why)
{
	int64_t now_ms = clock_wall_ms();

	if (outcome == TRANSPORT_SENT) {
		count(&mailer.sent);
		log_mail(LOG_LEVEL_INFO, "mail.sent", mail, account, "");
		return VERDICT_DONE;
	}
	if (outcome == TRANSPORT_REFUSED) {
		count(&mailer.refused);
		log_mail(LOG_LEVEL_WARN, "mail.refused", mail, account, why);
		return VERDICT_DONE;
	}
	if (atomic_load(&mailer.is_closing)) { /* given up by us: due at the next start */
		mail->next_ms = now_ms;
		return VERDICT_AGAIN;
	}
	if (is_too_old(mail, now_ms)) {
		count(&mailer.abandoned);
		log_mail(LOG_LEVEL_ERROR, "mail.abandoned", mail, account, why);
		return VERDICT_DONE;
	}
	count(&mailer.retried);
	log_mail(LOG_LEVEL_WARN, "mail.failed", mail, account, why);
	mail->next_ms = now_ms + retry_delay_ms(mail->attempts);
	return VERDICT_AGAIN;
}

static enum breaker_outcome breaker_outcome_of(enum transport_outcome outcome)
{
	return outcome == TRANSPORT_DOWN ? BREAKER_FAILURE : BREAKER_SUCCESS;
}

/* A message for the account, sent: an outcome, or an error of the store. */
static int deliver(const struct mail *mail, const struct account *account,
	char why[static TRANSPORT_WHY_BYTES])
{
	_cleanup_(buf_wipe) struct buf message = buf_init(4 * LETTER_BYTES_MAX);
	char token[REFRESH_TOKEN_BYTES + 1], to[STORE_EMAIL_BYTES_MAX + 1];
	int r = ticket_make(mail->kind, account, clock_wall_ms(), token);

	recipient_of(account, to);
	if (r == 1)
		r = message_make(mail->kind, account, to, token, &message);
	secret_wipe(token, sizeof(token));
	if (r == -ERR_MALFORMED || r == -ENOBUFS) {
		(void)snprintf(why, TRANSPORT_WHY_BYTES, "it cannot be written as a mail");
		return TRANSPORT_REFUSED;
	}
	if (r < 0)
		return r;
	return (int)mailer.transport->send(
		&(struct envelope){
			.from = mailer.options.from, .to = to, .message = buf_str(&message) },
		why);
}

/* 0, or an error of the store: the mail is due again by itself then. */
static int process(struct mail *mail, enum breaker_outcome *ret_outcome, char *why)
{
	_cleanup_(account_wipe) struct account account = {};
	enum verdict verdict = VERDICT_DONE;
	int found, r;

	*ret_outcome = BREAKER_NEITHER;
	found = store_mail_account(mail->email_key, &account);
	if (found < 0)
		return found;
	if (mail->kind < MAIL_KINDS && is_needed(mail->kind, found, &account)) {
		r = deliver(mail, &account, why);
		if (r < 0)
			return r;
		*ret_outcome = breaker_outcome_of((enum transport_outcome)r);
		verdict = settle((enum transport_outcome)r, mail, &account, why);
	} else {
		count(&mailer.needless);
	}
	r = verdict == VERDICT_DONE ? store_mail_done(mail) : store_mail_later(mail);
	return MIN(r, 0);
}

/* --- the thread --- */

static void nap(uint64_t ms)
{
	struct timespec end = wait_end_ms(ms);

	pthread_mutex_lock(&mailer.lock);
	while (!mailer.is_woken && wait_until(&mailer.wake, &mailer.lock, &end))
		;
	mailer.is_woken = false;
	pthread_mutex_unlock(&mailer.lock);
}

/* Takes one mail and sends it: 1, 0 when none is due, or an error of the store. */
static int step(void)
{
	int64_t now_ms = clock_wall_ms();
	char why[TRANSPORT_WHY_BYTES] = "";
	enum breaker_outcome outcome = BREAKER_NEITHER;
	struct breaker_pass pass;
	struct mail mail;
	int r;

	if (!breaker_enter(&mailer.breaker, &pass))
		return 0;
	r = store_mail_take(
		now_ms, now_ms + mailer.options.transport.timeout_ms + TAKEN_EXTRA_MS, &mail);
	if (r == 1)
		r = process(&mail, &outcome, why) < 0 ? -ERR_STORE_DOWN : 1;
	breaker_leave(&mailer.breaker, &pass, outcome, why);
	return r;
}

/* How long nothing will be due, as far as we know; 0: something is now. */
static uint64_t idle_ms(void)
{
	struct mails_view view;
	uint64_t broken_ms = breaker_retry_ns(&mailer.breaker) / NS_PER_MS;
	int64_t due_ms;

	if (store_mails_view(&view) < 0)
		return STORE_PAUSE_MS;
	atomic_store_explicit(&mailer.waiting, view.count, memory_order_relaxed);
	due_ms = view.count ? view.next_ms - clock_wall_ms() : LOOK_EVERY_MS;
	due_ms = MAX(MIN(due_ms, LOOK_EVERY_MS), 0);
	return broken_ms ? MIN(broken_ms + 1, LOOK_EVERY_MS) : (uint64_t)due_ms;
}

static void *mailer_main(void *arg)
{
	while (!atomic_load(&mailer.is_closing)) {
		uint64_t ms = idle_ms();

		if (ms == 0 && step() < 0)
			ms = STORE_PAUSE_MS;
		if (ms && !atomic_load(&mailer.is_closing))
			nap(ms);
	}
	return arg;
}

void mailer_wake(void)
{
	pthread_mutex_lock(&mailer.lock);
	mailer.is_woken = true;
	pthread_cond_signal(&mailer.wake);
	pthread_mutex_unlock(&mailer.lock);
}

void mailer_stats_read(struct mailer_stats *ret_stats)
{
	*ret_stats = (struct mailer_stats){ .sent = atomic_load(&mailer.sent),
		.retried = atomic_load(&mailer.retried),
		.refused = atomic_load(&mailer.refused),
		.abandoned = atomic_load(&mailer.abandoned),
		.needless = atomic_load(&mailer.needless),
		.waiting = atomic_load(&mailer.waiting) };
}

/* --- starting and stopping --- */

static int transport_start(const char **ret_why)
{
	mailer.transport = &transport_folder;
	if (mailer.options.is_smtp)
		mailer.transport = module_symbol("smtp", "transport_smtp", ret_why);
	if (!mailer.transport)
		return -EOPNOTSUPP;
	*ret_why = mailer.why;
	return mailer.transport->open(&mailer.options.transport, mailer.why);
}

static int parts_start(const char **ret_why)
{
	int r;

	*ret_why = "mail.from is no address";
	if (!address_is_safe(str_cstr(mailer.options.from)))
		return -EINVAL;
	r = templates_load(mailer.options.templates, ret_why);
	if (r < 0)
		return r;
	r = transport_start(ret_why);
	if (r < 0)
		return r;
	r = store_mails_open(ret_why);
	if (r < 0)
		return r;
	breaker_init(&mailer.breaker, &(struct breaker_options){ .name = "mail",
					      .window_ms = 60000,
					      .failures_percent = 50,
					      .calls_min = 3,
					      .open_ms = (uint64_t)mailer.options.retry_base_ms,
					      .probes = 1 });
	*ret_why = "threads cannot be started";
	r = thread_start(&mailer.thread, "mail", mailer_main, NULL);
	mailer.is_started = r == 0;
	if (r < 0)
		breaker_deinit(&mailer.breaker);
	return r;
}

int mailer_start(const struct mailer_options *options, const char **ret_why)
{
	int r;

	assert(!mailer.is_started);
	mailer.options = *options;
	mailer.options.transport.is_closing = &mailer.is_closing;
	atomic_store(&mailer.is_closing, false);
	r = parts_start(ret_why);
	if (r < 0)
		mailer_stop();
	return r;
}

void mailer_stop(void)
{
	atomic_store(&mailer.is_closing, true);
	mailer_wake();
	if (mailer.is_started) {
		pthread_join(mailer.thread, NULL);
		breaker_deinit(&mailer.breaker);
	}
	mailer.is_started = false;
	if (mailer.transport)
		mailer.transport->close();
	mailer.transport = NULL;
	store_mails_close();
	templates_unload();
}
