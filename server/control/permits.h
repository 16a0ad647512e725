/*
 * May a command run? By the rows of shared/commands.h: the level, what wants confirmation; and
 * whether the configuration is still the one that its client has seen. Each sets the failure.
 */
#pragma once

#include "control/request.h"

void permit_level(struct control_request *request);
/* Once its arguments are read: some need more. */
void permit_arguments(struct control_request *request);
/* Is it confirmed, if it asks? A dry run need not be. */
void permit_unasked(struct control_request *request);
void permit_generation(struct control_request *request);
