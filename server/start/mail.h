/* From the configuration to a thread that sends mail. */
#pragma once

#include "config/config.h"

/* 0, or an error after a sentence on standard error. The configuration stays until mail_stop(). */
int mail_start(const struct config *config);
void mail_stop(void);
