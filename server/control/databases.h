/* What the commands about the store's servers, indexes and plans share: databases.c, indexing.c. */
#pragma once

#include "control/request.h"

/* The request fails: what the store answered. */
void database_failed(struct control_request *request, int error);
