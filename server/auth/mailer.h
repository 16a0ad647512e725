/*
 * Sends the mails that wait in the store, on a thread of its own: nobody who asks for one waits for
 * a mail server. At least once: a mail leaves the store after it was taken by the transport, so who
 * is killed in between sends it again. What fails is tried again, later each time, until it is too
 * old; while the server is down (the breaker "mail") nothing is tried.
 */
#pragma once

#include "mail/transport.h"
#include "store/mails.h"

struct mailer_options {
	struct transport_options transport; /* is_closing is filled in here */
	bool is_smtp;                       /* else files in transport.folder */
	const char *from, *from_name, *link_base;
	const char *templates; /* a folder; "" built in */
	unsigned attempts_max;
	int64_t age_max_ms;
	int64_t retry_base_ms, retry_max_ms;
	int64_t reset_ms, verify_ms; /* how long the tokens of mails are good */
};

/* After store_open(); the texts must stay. 0; negative and a sentence in *ret_why (static). */
int mailer_start(const struct mailer_options *options, const char **ret_why);

/* Gives up what is under way (it is sent at the next start) and ends. Before store_close(). */
void mailer_stop(void);

/* Any thread: there is a new mail. Nothing happens when no mailer runs. */
void mailer_wake(void);

/* Any thread. */
struct mailer_stats {
	uint64_t sent;
	uint64_t retried;   /* attempts that failed and will be made again */
	uint64_t refused;   /* mails that the server will never take */
	uint64_t abandoned; /* too old, or tried too often */
	uint64_t needless;  /* nobody has the address, or it is verified already */
	uint32_t waiting;   /* in the store, when last looked at */
};
void mailer_stats_read(struct mailer_stats *ret_stats);
