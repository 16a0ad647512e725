/* From the configuration to an open store. */
#pragma once

#include "config/config.h"

/* 0, or an error after a sentence on standard error. The configuration stays until store_close().
 */
int store_start(const struct config *config);
