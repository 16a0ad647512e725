/*
 * Which function an address of another process is in, by the memory map that a profile ends with
 * and the symbol tables of the files that it names, read as they are on this machine now. Stripped
 * files tell the functions that they export, and the others where the package of their symbols is
 * installed. 64-bit ELF.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "shared/str.h"

struct symbols;

/* maps: lines as in /proc/PID/maps, borrowed. NULL: no memory. */
struct symbols *symbols_new(struct str maps);
void symbols_free(struct symbols *symbols); /* accepts NULL */

/* "session_find", or "libc.so.6+0x8d3a0" when the file does not tell, or "0x7f…". */
#define SYMBOL_BYTES 128
const char *symbols_name(struct symbols *symbols, uint64_t address, char name[static SYMBOL_BYTES]);

/* The name of the file that an address is in, without its folder; "" none. Borrowed. */
struct str symbols_file(const struct symbols *symbols, uint64_t address);
