/*
 * What a login, a guess or a refresh token means for the records that a backend has read: the same
 * decision in every backend. Nothing here reads or writes a store.
 */
#pragma once

#include "store/store_backend.h"

/*
 * What an application or a file has made an account of may hold anything. An id is the value of a
 * header field (X-Auth-User), and a role one of a list in which commas part them: one with a comma
 * would be several, of which one may be an administrator's.
 */
bool id_is_fit(struct str id);
bool role_is_fit(struct str role);

/* Does a session live at that time? */
bool session_lives(const struct session *session, int64_t now_ms);

/*
 * Counts one wrong password: LOGIN_ACCEPTED and *attempts as it is afterwards, or LOGIN_LOCKED and
 * nothing changed.
 */
enum login_outcome attempts_count(
	struct login_attempts *attempts, const struct lockout_policy *policy, int64_t now_ms);

/* May this login, whose password matched call->hash, go on with the account as it is now? */
enum login_outcome login_judge(const struct account *account, const struct store_call *call);

/* The account as a change of call->fields to the values of call->account leaves it. */
void change_apply(struct account *account, const struct store_call *call);

/* The account as a login leaves it. */
void login_apply(struct account *account, const struct store_call *call);

/*
 * What becomes of a refresh token that was first used at used_ms (0 never). REFRESH_REUSED asks the
 * caller to end the session; REFRESH_ROTATED to rotate, after refresh_apply().
 */
enum refresh_outcome refresh_judge(const struct refresh_request *request,
	const struct session *session, const struct account *account, int64_t used_ms);

/* The session as a rotation leaves it. */
void refresh_apply(struct session *session, const struct refresh_request *request);

/* Is a ticket still good for the account that it names? */
bool ticket_is_good(
	const struct ticket *ticket, const struct store_call *call, const struct account *account);

/* The account as the use of a ticket leaves it. */
void ticket_apply(struct account *account, const struct store_call *call);

/* Roles as one text, words with spaces between. Reading drops what is too long or too many. */
#define ROLES_TEXT_BYTES (STORE_ROLES_MAX * (STORE_ROLE_BYTES_MAX + 1) + 1)
void roles_write(const struct account *account, char text[static ROLES_TEXT_BYTES]);
void roles_read(struct str text, struct account *account);
