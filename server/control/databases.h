/* What the commands about the store's servers, indexes and plans share: databases.c, indexing.c. */
#pragma once

#include "control/request.h"

/* The request fails: what the store answered. */
void database_failed(struct control_request *request, int error);

/* indexing.c: asks whether a declared index is there; request_block() does it. */
void index_look_ask(struct control_request *request, struct str name);
/* Once it is done: 1 it is built; 0 not yet; -ENOENT: none is declared so; or an error. */
int index_look_result(const struct control_request *request);
