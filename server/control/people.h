/* An account or a session as a row of an answer, and finding an account: for people.c, crowd.c. */
#pragma once

#include "auth/emails.h"
#include "control/request.h"
#include "store/store.h"

/* Named by its address, folded, or by its id. */
struct whom {
	char key[EMAIL_BYTES_MAX + 1];
	bool is_email;
};

/* False: the request has failed. */
bool whom_read(struct control_request *request, const char *argument, struct whom *whom);
/* On a fiber: 1, 0 or an error of the store. Without the hash. */
int whom_find_await(const struct whom *whom, struct account *account);

void user_row(struct control_request *request, const struct account *account);
void person_put_masked(struct json_writer *w, const char *key, const char *text, bool is_shown);
void person_put_time(struct json_writer *w, const char *key, int64_t ms); /* 0: null */

/*
 * Puts an address, with or without a port, or a network: viewers see the network around it alone
 * (network_text()); operators must be able to act on it. What is no address is put as it is.
 */
void person_put_address(
	struct json_writer *w, const char *key, struct str text, const struct peer *peer);

/* The request fails: what the store said, or that nobody is named so. */
void people_failed(struct control_request *request, int error);
void people_nobody(struct control_request *request, const char *argument);
