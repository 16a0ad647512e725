/*
 * Parts of authd that are modules of their own: their libraries are loaded by whoever chose them
 * only. (The driver of MongoDB brings ten libraries, 4 MB and 50 ms at the start; libcurl thirty.)
 */
#pragma once

/*
 * What authd-NAME.so exports under this name; it is loaded from the folder of this program or where
 * it was installed, once and for ever. NULL: *ret_why is a sentence for the operator, valid until
 * the next call. One thread at a time.
 */
const void *module_symbol(const char *name, const char *symbol, const char **ret_why);
