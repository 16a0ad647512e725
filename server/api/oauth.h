/* What endpoints of OAuth say when they refuse: the shape of RFC 6749 section 5.2. */
#pragma once

#include "api/routes.h"

/*
 * For AUTH_CLIENT: who asks by HTTP Basic, and the form it sends. 0 when the handler may run; 1
 * when the response is filled; or an error.
 */
int client_admit(struct call *call, struct response *response);
