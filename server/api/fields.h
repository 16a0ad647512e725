/* Members of request bodies and what is common to answers about accounts. */
#pragma once

#include "api/routes.h"
#include "auth/sessions.h"
#include "shared/macros.h"

/*
 * A text member, which the route's row must have among its fields: whether it is required and how
 * long it may be is said there. 0, or 1 after a 422 that names it. One that may be missing or null
 * is "" then.
 */
int field_text(
	struct call *call, struct response *response, const char *name, struct str *ret_value);

/* The display name of a body: as field_text(), with its limits. */
int field_name(struct call *call, struct response *response, struct str *ret_name);

struct client client_of(const struct request *request);

/* A time as text, or null for 0. */
void put_time(struct json_writer *w, const char *key, int64_t wall_ms);

/* "user":{...} into an answer that was begun. */
void put_user(struct json_writer *w, const struct account *account);

/* The same as an item of a list. */
void put_user_row(struct json_writer *w, const struct account *account);

/* {"success":true,"data":grant}, never to be cached. */
int respond_grant(struct response *response, unsigned status, const struct grant *grant);

/* 429: failures have locked the account, or the network of the client, for so long. */
int respond_locked(struct response *response, int64_t retry_ms);
