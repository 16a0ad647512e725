/* Documents that are the same for everybody: /openapi.json and /docs. Made once, at the start. */
#pragma once

#include "api/openapi.h"

/* Before the cores. has_page: [http] docs. 0, -ENOBUFS, -ENOMEM. */
int documents_make(const struct openapi_options *options, bool has_page);
void documents_free(void);
