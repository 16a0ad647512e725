/* What the commands about traces share: traces.c, overrides.c. */
#pragma once

#include "control/request.h"

/* False: the request has failed, with what to do about it. */
bool traces_are_on(struct control_request *request);
