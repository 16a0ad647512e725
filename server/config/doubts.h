/*
 * Configurations that work and are most likely not meant: values that make each other pointless.
 * What cannot work is an error of config_check().
 */
#pragma once

#include "config/config.h"

/* Visits each with a sentence that begins with the option's name. */
void config_doubts(
	const struct config *config, void (*visit)(const char *sentence, void *arg), void *arg);
