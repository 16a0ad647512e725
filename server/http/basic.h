/* Credentials of HTTP Basic (RFC 7617). */
#pragma once

#include "http/request.h"

/*
 * User and password of the Authorization field, decoded into the request's arena. 0; -ENOENT: there
 * is none of this scheme; -ERR_MALFORMED: no base64 in its one spelling (padded), no UTF-8, control
 * characters, no colon; -ENOMEM.
 */
int request_basic(const struct request *request, struct str *ret_user, struct str *ret_password);
