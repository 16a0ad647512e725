/* Traces as the configuration and the environment want them. */
#pragma once

#include "config/config.h"

/* Before the cores. instance: of this run. 0; or an error that has been said on standard error. */
int tracing_start(const struct config *config, const char *instance);
