/*
 * Backends that are modules of their own: their libraries are loaded by whoever chose them only.
 * (The driver of MongoDB brings ten libraries, 4 MB and 50 ms at the start.)
 */
#pragma once

#include "store/store_backend.h"

/*
 * Loads authd-NAME.so, from the folder of this program or where it was installed, once and for
 * ever. NULL: *ret_why is a sentence for the operator.
 */
const struct store_backend *module_load(const char *name, const char **ret_why);

/* What a module exports. */
#define MODULE_BACKEND store_backend_of_module
