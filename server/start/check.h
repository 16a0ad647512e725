/* What parsing the options of a configuration could not know: whether their texts mean anything. */
#pragma once

#include "config/config.h"
#include "http/server.h"

/* 0, or -EINVAL and a sentence for each mistake. in_force (may be NULL): what is known to be good.
 */
int config_try(const struct config *tried, const struct config *in_force, struct buf *errors);

/* What works and is most likely not meant (config/doubts.h): for people, and as records of the log.
 */
void doubts_print(const char *path, const struct config *config);
void doubts_log(const struct config *config);

/* Whom to believe about clients' addresses; reads the files that are named. ret_trust: zeroed. 0,
 * or an error after a sentence on standard error. */
int trust_parse(const struct config *config, struct http_trust *ret_trust);
